"""Run this directory as a program: give the package a name of its own, then serve.

The directory itself leaves sys.path, so that no module here can shadow one that a pickled model refers to.
"""

import importlib
import importlib.util
import os
import sys

NAME = "gcpmlops_model_server"


def load_package() -> None:
    """Import the package beside this file as NAME, without the tree around it."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.util.spec_from_file_location(
        NAME, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load_package()
    sys.exit(importlib.import_module(NAME + ".serve").main(sys.argv[1:]))

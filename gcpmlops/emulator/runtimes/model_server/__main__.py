"""Run this directory as a program: give the package a name of its own, then serve.

The directory itself leaves sys.path, so that no module here can shadow one that a pickled model refers to.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

NAME = "gcpmlops_model_server"


def load_package() -> None:
    """Import the package beside this file as NAME, without the tree around it."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    spec = importlib.util.spec_from_file_location(NAME, here / "__init__.py", submodule_search_locations=[str(here)])
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the model server in {here}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load_package()
    sys.exit(importlib.import_module(NAME + ".serve").main(sys.argv[1:]))

"""The function's source: its few lines, and the library beside them, so that it runs what set it up.

`python -m gcpmlops._retraining.source FILE` writes it as the zip that infra/ deploys.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from importlib import metadata, resources
from pathlib import Path

import gcpmlops
from gcpmlops._functions.archive import build

# The halves and parts that no function needs.
_LEFT_OUT = ("emulator", "demo", "cli", "pytest_plugin.py", "__pycache__", "function")
_EXTRA = re.compile(r"""extra\s*==\s*["'](.+?)["']""")


def write(folder: Path) -> Path:
    """The source into a folder, which is returned: main.py, requirements.txt and the library."""
    package = Path(str(resources.files("gcpmlops._retraining") / "function"))
    shutil.copyfile(package / "main.py", folder / "main.py")
    (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n", "utf-8")
    home = Path(gcpmlops.__file__).parent
    shutil.copytree(home, folder / "gcpmlops", ignore=shutil.ignore_patterns(*_LEFT_OUT))
    return folder


def requirements() -> list[str]:
    """What the library and its extra `evaluation` require, and the framework that calls the function."""
    wanted = ["functions-framework>=3.8,<4"]
    for line in metadata.requires("gcpmlops") or ():
        requirement, _, marker = line.partition(";")
        extra = _EXTRA.search(marker)
        if extra is None or extra[1] == "evaluation":
            wanted.append(requirement.strip())
    return sorted(set(wanted))


def zipped() -> bytes:
    """All of it; the same bytes for the same library."""
    with tempfile.TemporaryDirectory(prefix="gcpmlops-function-") as folder:
        return build(write(Path(folder)), entry_point="retrain").content


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(zipped())

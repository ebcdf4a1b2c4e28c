"""Python interpreters at hand: the emulator's own version, PATH, pyenv, uv. Nothing is ever downloaded."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

log = logging.getLogger(__name__)

_PROBE = "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])"
_MINORS = range(7, 21)


class Interpreters:
    """Finds an interpreter by its minor version; each candidate is run once before it counts."""

    def __init__(self) -> None:
        self._known: dict[int, Path | None] = {sys.version_info[1]: own_interpreter()}
        self._lock = threading.Lock()

    def find(self, minor: int) -> Path | None:
        """A working interpreter of Python 3.`minor`, or None."""
        with self._lock:
            if minor not in self._known:
                self._known[minor] = next((path for path in self._candidates(minor) if _works(path, minor)), None)
            return self._known[minor]

    @cached_property
    def minors(self) -> set[int]:
        """Minor versions of all interpreters at hand."""
        return {minor for minor in _MINORS if self.find(minor)}

    def _candidates(self, minor: int) -> Iterator[Path]:
        name = f"python3.{minor}"
        for folder in os.get_exec_path():
            if found := shutil.which(name, path=folder):
                yield Path(found)
        for root in (_pyenv_root() / "versions", _uv_root()):
            yield from sorted(root.glob(f"*3.{minor}.*/bin/{name}"), reverse=True)


def own_interpreter() -> Path:
    """The interpreter below the emulator's virtual environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable)


def _pyenv_root() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def _uv_root() -> Path:
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")


def _works(path: Path, minor: int) -> bool:
    """Whether it runs (pyenv's shims stand for versions that are not selected) and is the version that it says."""
    try:
        result = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.info("interpreter %s does not run: %s", path, error)
        return False
    return result.stdout.split() == ["3", str(minor)]

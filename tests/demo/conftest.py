"""`gcpmlops demo` as a process of its own, in directories of its own, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

GCPMLOPS = [sys.executable, "-c", "from gcpmlops.cli import main; main()"]


@dataclass
class Place:
    """Where it runs; everything that it starts carries the mark in its environment."""

    folder: Path
    mark: str

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of a surrounding emulator, and all temporary files in one place."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GCPMLOPS_", "GOOGLE_", "CLOUDSDK_"))}
        own = {name: str(self.folder / part) for name, part in _PARTS.items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, **own, "PATH": path, "DEMO_TEST_MARK": self.mark}

    def start(self, *arguments: str, command: Sequence[str] = GCPMLOPS) -> subprocess.Popen[str]:
        """A gcpmlops command in the background."""
        return subprocess.Popen(
            [*command, *arguments], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a gcpmlops command."""
        return self._ended(self.start(*arguments))

    def run_python(self, program: str) -> tuple[int, str]:
        """The same of a program."""
        return self._ended(self.start("-c", program, command=[sys.executable]))

    def run_command(self, *command: str) -> tuple[int, str]:
        """The same of any command, one of several programs."""
        return self._ended(self.start(command=command), timeout=380)

    def _ended(self, process: subprocess.Popen[str], *, timeout: float = 200) -> tuple[int, str]:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output

    def left(self) -> list[str]:
        """Processes and temporary files."""
        processes = [f"{p.pid} {' '.join(p.cmdline())}" for p in psutil.process_iter() if self._is_ours(p)]
        files = [str(path) for part in ("tmp", "run") for path in (self.folder / part).iterdir()]
        return processes + files

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("DEMO_TEST_MARK") == self.mark
        except psutil.Error:
            return False


_PARTS = {"TMPDIR": "tmp", "XDG_RUNTIME_DIR": "run", "XDG_DATA_HOME": "data"}


@pytest.fixture
def place() -> Iterator[Place]:
    """A short path: unix sockets allow about 100 characters."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))
    for part in _PARTS.values():
        (folder / part).mkdir(mode=0o700)
    yield Place(folder, uuid.uuid4().hex)
    shutil.rmtree(folder)

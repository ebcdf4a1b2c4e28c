"""Whole programs against the emulator: each test runs commands as a user's shell would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .program_server import Programs

SCRIPTS = Path(__file__).parent / "scripts"
GCPMLOPS = (str(Path(sys.executable).parent / "gcpmlops"),)
LOADED = ("gcloud", "bq", "gsutil")


def run(command: Sequence[object], *, code: int | None = 0, timeout: float = 180, **options: Any) -> Any:
    """A finished command with its output as text; `code` is the exit code it has to have (None: any)."""
    options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, **options}
    return checked(subprocess.run([str(part) for part in command], timeout=timeout, check=False, **options), code=code)


def checked(done: Any, *, code: int | None = 0) -> Any:
    """The command, which has ended with this exit code."""
    if code is not None:
        assert done.returncode == code, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def until(condition: Callable[[], Any], *, timeout: float = 60, why: str = "") -> Any:
    """The first true answer of `condition`, asked again until `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"not within {timeout} s: {why or condition}"
        os.sched_yield()
        time.sleep(0.02)  # between two looks, not for timing


@dataclass(frozen=True)
class Shell:
    """Runs commands by `gcpmlops emulator exec` on one data directory."""

    data_dir: str
    cwd: Path
    environment: dict[str, str]
    programs: Programs

    def __call__(self, *command: object, **options: Any) -> Any:
        line = (*GCPMLOPS, "emulator", "exec", "--data-dir", self.data_dir, "--", *command)
        return run(line, cwd=self.cwd, **options)

    def python(self, script: str, *arguments: object, code: int = 0) -> Any:
        """A script of `scripts/`, in the environment of `exec`: in a fork of a Python that has loaded the SDK."""
        texts = [str(part) for part in arguments]
        return checked(self.programs.script(SCRIPTS / script, texts, cwd=self.cwd), code=code)

    def tool(self, *command: object, **options: Any) -> Any:
        """A command in the environment that `exec` gave to another: without its start-up time, for the many.

        gcloud and bq run in a fork of one that is loaded already; with options for the process they are of their own.
        """
        if command[0] in LOADED and set(options) <= {"code"}:
            name, *arguments = [str(part) for part in command]
            return checked(self.programs.tool(name, arguments, cwd=self.cwd), **options)
        return run(command, cwd=self.cwd, env=self.environment, **options)


@pytest.fixture(scope="session")
def exec_environment(emulator) -> dict[str, str]:
    """What a command of `gcpmlops emulator exec` finds in its environment."""
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    line = ("emulator", "exec", "--data-dir", emulator.data_dir, "--", sys.executable, "-c", script)
    return json.loads(run((*GCPMLOPS, *line)).stdout)


@pytest.fixture(scope="session")
def programs(exec_environment: dict[str, str]) -> Iterator[Programs]:
    loaded = Programs(exec_environment)
    yield loaded
    loaded.close()


@pytest.fixture
def shell(emulator, tmp_path: Path, exec_environment: dict[str, str], programs: Programs) -> Shell:
    """The running emulator's shell, in an empty folder."""
    return Shell(emulator.data_dir, tmp_path, exec_environment, programs)


@pytest.fixture(scope="session")
def unique() -> Callable[[str], str]:
    """Makes names that no other test has used."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"

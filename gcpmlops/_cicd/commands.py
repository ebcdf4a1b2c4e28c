"""Shell commands of a delivery: linting and testing."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gcpmlops.exceptions import GcpMlopsError

_GRACE_S = 5.0  # for what is interrupted


def run(commands: Sequence[str], *, folder: Path, on_line: Callable[[str], None]) -> str:
    """Each in its turn, by sh -e, with what this Python's environment has on PATH; says how many.

    Raises GcpMlopsError with the exit code of the first that fails; of several lines none may fail.
    """
    for command in commands:
        on_line(f"$ {command}")
        if code := _one(command, folder, on_line):
            raise GcpMlopsError(f"`{command}` ended with exit code {code}")
    return f"{len(commands)} command{'s' * (len(commands) != 1)}"


def _one(command: str, folder: Path, on_line: Callable[[str], None]) -> int:
    own = Path(sys.executable).parent
    script = 'PATH="$1:$PATH"; export PATH; set -e; eval "$2"'
    argv = ["/bin/sh", "-c", script, "sh", str(own), command]
    with subprocess.Popen(
        argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            for line in process.stdout:
                on_line(line.rstrip("\n"))
        except BaseException:  # nobody waits for it any more: whatever it has started ends, too
            _end(process.pid, process.stdout.fileno())
            raise
    return process.returncode


def _end(group: int, output: int) -> None:
    """Its processes are told to end, and their last words read: a shell that can't say them skips its trap."""
    deadline = time.monotonic() + _GRACE_S
    try:
        os.killpg(group, signal.SIGTERM)
        while (left := deadline - time.monotonic()) > 0 and select.select([output], [], [], left)[0]:
            if not os.read(output, 1 << 16):
                break
    except ProcessLookupError:
        return
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)

"""Starts an emulator as a process of its own, waits until it answers, and stops it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gcpmlops.emulator.server import Running, StartError, is_locked, running
from gcpmlops.emulator.variables import REMOVED, client_variables

_children: dict[int, subprocess.Popen[bytes]] = {}  # started here: stop() collects them
_START_TIMEOUT = 60.0  # seconds
_STOP_TIMEOUT = 30.0  # seconds


def start(data_dir: Path, arguments: Sequence[str] = (), *, log_file: Path | None = None) -> Running:
    """Starts a detached emulator on ``data_dir`` and returns when it answers.

    Args:
        data_dir: its data directory.
        arguments: further options of ``gcpmlops emulator start``.
        log_file: where its output goes; default ``data_dir/emulator.log``.

    Raises: StartError with the reason that the emulator gave.
    """
    log_file = log_file or data_dir / "emulator.log"
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "gcpmlops.emulator", "--data-dir", str(data_dir), "--ready-fd", str(write_end)]
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log_file.open("ab") as output:
            child = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(write_end,), start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        os.close(read_end)
        raise StartError(f"data directory {data_dir}: {error.strerror}. Choose another with --data-dir.") from None
    finally:
        os.close(write_end)
    try:
        with os.fdopen(read_end, "rb") as ready:
            answer = _await(ready.fileno())
    except BaseException:  # Ctrl-C: nobody knows of the child yet
        child.terminate()
        child.wait()
        raise
    if answer.startswith("ready"):
        state = running(data_dir)
        if state is not None:
            _children[child.pid] = child
            return state
    child.wait() if answer.startswith("error") else child.kill()
    raise StartError(answer.partition(" ")[2] or f"the emulator ended at its start; see {log_file}.")


def _await(fd: int) -> str:
    received = b""
    while not received.endswith(b"\n"):
        readable, _, _ = select.select([fd], [], [], _START_TIMEOUT)
        part = os.read(fd, 4096) if readable else b""
        if not part:
            break
        received += part
    return received.decode("utf-8", "replace").strip()


def alive(data_dir: Path) -> Running | None:
    """The emulator that runs on ``data_dir`` now."""
    return running(data_dir) if is_locked(data_dir) else None


def stop(state: Running) -> None:
    """Ends an emulator and waits until it is gone; one that doesn't end is killed."""
    try:
        descriptor = os.pidfd_open(state.pid) if hasattr(os, "pidfd_open") else None
        os.kill(state.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    if descriptor is None:
        _wait_by_lock(state)
        return
    try:
        if not select.select([descriptor], [], [], _STOP_TIMEOUT)[0]:
            os.kill(state.pid, signal.SIGKILL)
            select.select([descriptor], [], [], _STOP_TIMEOUT)
        _reap(state.pid)
    finally:
        os.close(descriptor)


def _wait_by_lock(state: Running) -> None:
    """Where the system has no process descriptors: the lock is free when the emulator is gone."""
    import fcntl

    path = Path(state.data_dir) / "lock"
    if path.exists():
        with path.open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
    _reap(state.pid)


def _reap(pid: int) -> None:
    child = _children.pop(pid, None)
    if child is not None:
        child.wait()


def environment(state: Running, base: dict[str, str] | None = None) -> dict[str, str]:
    """``base`` (default: this process's environment) with all that leads Google clients to the emulator."""
    base = dict(os.environ) if base is None else base
    kept = {key: value for key, value in base.items() if key not in REMOVED}
    return kept | client_variables(Path(state.data_dir), port=state.port, project=state.project, base=base)


@contextmanager
def ephemeral(*, project: str = "local-project", arguments: Sequence[str] = ()) -> Iterator[Running]:
    """An emulator with a data directory of its own; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="gcpmlops-data-", ignore_cleanup_errors=True) as folder:
        state = start(Path(folder) / "data", ["--project", project, *arguments], log_file=Path(folder) / "log")
        try:
            yield state
        finally:
            stop(state)

"""Starts an emulator as a process of its own, waits until it answers, and stops it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gcpmlops.emulator.server import Running, StartError, is_locked, running
from gcpmlops.emulator.variables import DATA_DIR, REMOVED, client_variables

_children: dict[int, subprocess.Popen[bytes]] = {}  # started here: stop() collects them
_ties: dict[int, int] = {}  # our ends of the pipes whose closing ends an emulator that is tied to this process
_START_TIMEOUT = 60.0  # seconds
_STOP_TIMEOUT = 30.0  # seconds


def start(
    data_dir: Path, arguments: Sequence[str] = (), *, log_file: Path | None = None, tied: bool = False
) -> Running:
    """Starts a detached emulator on ``data_dir`` and returns when it answers.

    Args:
        data_dir: its data directory.
        arguments: further options of ``gcpmlops emulator start``.
        log_file: where its output goes; default ``data_dir/emulator.log``.
        tied: it ends with this process, however that ends; else it outlives it.

    Raises: StartError with the reason that the emulator gave.
    """
    log_file = log_file or data_dir / "emulator.log"
    ready, theirs = os.pipe()
    tie, ours = os.pipe() if tied else (None, None)
    command = [sys.executable, "-m", "gcpmlops.emulator", "--data-dir", str(data_dir), "--ready-fd", str(theirs)]
    command += ["--tie-fd", str(tie)] if tie is not None else []
    try:
        child = _spawn(data_dir, [*command, *arguments], log_file, [fd for fd in (theirs, tie) if fd is not None])
    except OSError as error:
        _close(ready, ours)
        raise StartError(f"data directory {data_dir}: {error.strerror}. Choose another with --data-dir.") from None
    finally:
        _close(theirs, tie)
    _children[child.pid] = child
    if ours is not None:
        _ties[child.pid] = ours
    return _started(child, ready, data_dir, log_file)


def _close(*descriptors: int | None) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def _spawn(data_dir: Path, command: Sequence[str], log_file: Path, pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log_file.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=pass_fds, start_new_session=True,
        )  # fmt: skip


def _started(child: subprocess.Popen[bytes], ready: int, data_dir: Path, log_file: Path) -> Running:
    try:
        with os.fdopen(ready, "rb") as stream:
            answer = _await(stream.fileno())
    except BaseException:  # Ctrl-C: nobody knows of the child yet
        child.terminate()
        _reap(child.pid)
        raise
    if answer.startswith("ready"):
        state = running(data_dir)
        if state is not None:
            return state
    if not answer.startswith("error"):
        child.kill()
    _reap(child.pid)
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
    _close(_ties.pop(pid, None))


def environment(state: Running, base: dict[str, str] | None = None) -> dict[str, str]:
    """``base`` (default: this process's environment) with all that leads Google clients to the emulator."""
    base = dict(os.environ) if base is None else base
    kept = {key: value for key, value in base.items() if key not in REMOVED}
    clients = client_variables(Path(state.data_dir), port=state.port, project=state.project, base=base)
    return kept | clients | {DATA_DIR: state.data_dir}


@contextmanager
def ephemeral(*, project: str = "local-project", arguments: Sequence[str] = ()) -> Iterator[Running]:
    """An emulator with a data directory of its own; both are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="gcpmlops-data-"))
    try:
        state = start(folder, ["--ephemeral", "--project", project, *arguments], tied=True)
        try:
            yield state
        finally:
            stop(state)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

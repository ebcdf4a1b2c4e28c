"""Supervised processes: start, log lines, exit, cancel; none survives the emulator.

One thread per process reads its output and its supervisor's reports. A callback that blocks holds the pipe back, so a
process that prints faster than its log is stored waits, and memory does not grow.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from gcpmlops.emulator.runtimes import supervisor
from gcpmlops.emulator.runtimes.lines import Lines

log = logging.getLogger(__name__)

T = TypeVar("T")

OnLine = Callable[[str, str], None]
"""Called with the stream (`stdout` or `stderr`) and one line without its end."""

_CHUNK = 1 << 16
_DRAIN_S = 2.0  # how long output may still come after the whole tree has ended


@dataclass(frozen=True)
class ProcessSpec:
    """What to run. Times in seconds, None is no limit; lines over `line_limit` characters are split.

    `mounts` are folders by the paths at which the command sees them (`/gcs`), where the machine lets a process have
    mounts of its own; nothing of the machine's may be at the first part of such a path. With `one_stream` stderr is
    part of stdout, so that lines come in the order in which they were written.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    timeout_s: float | None = None
    grace_s: float = 10.0
    line_limit: int = 1 << 16
    tail_lines: int = 50
    mounts: Mapping[str, Path] = field(default_factory=dict)
    one_stream: bool = False


@dataclass(frozen=True)
class Exit:
    """How a process ended: `code`, or the `signal` that ended it, or neither where its supervisor was killed."""

    code: int | None
    signal: int | None
    timed_out: bool
    cancelled: bool
    tail: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Ended by itself with code 0."""
        return self.code == 0 and not self.timed_out and not self.cancelled

    def describe(self) -> str:
        """One phrase: `exit code 1`, `signal 9 (SIGKILL)`."""
        if self.code is not None:
            return f"exit code {self.code}"
        if self.signal is None:
            return "its supervisor was killed"
        with contextlib.suppress(ValueError):  # a real-time signal has no name
            return f"signal {self.signal} ({signal.Signals(self.signal).name})"
        return f"signal {self.signal}"


OnExit = Callable[[Exit], None]


class Processes:
    """Starts processes; keeps one file per living one in `directory`, so that a restarted emulator reaps left-overs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._living: set[Process] = set()
        self._lock = threading.Lock()
        self._closed = False
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, spec: ProcessSpec, on_line: OnLine, on_exit: OnExit) -> Process:
        """Starts `spec`; both callbacks run on the process's own thread, `on_exit` last and exactly once.

        A command that does not exist ends with code 127 and says so on stderr, as from a shell.
        """
        mark = uuid.uuid4().hex
        entry = self._directory / f"{mark}.json"
        with self._lock:
            if self._closed:
                raise RuntimeError("the emulator is shutting down")
            child, control = _spawn(spec, mark)
            entry.write_text(json.dumps({"pid": child.pid, "started": psutil.Process(child.pid).create_time()}))
            process = Process(spec, child, control, on_line, self._ended(entry, mark, on_exit))
            self._living.add(process)
        process.release()
        return process

    def _ended(self, entry: Path, mark: str, on_exit: OnExit) -> Callable[[Process, Exit], None]:
        def ended(process: Process, result: Exit) -> None:
            if result.code is None and result.signal is None:
                _kill(_marked({mark}))
            entry.unlink(missing_ok=True)
            with self._lock:
                self._living.discard(process)
            on_exit(result)

        return ended

    @property
    def living(self) -> list[Process]:
        """Processes that have not ended."""
        with self._lock:
            return list(self._living)

    def close(self) -> None:
        """Ends every process (SIGTERM, grace, SIGKILL) and waits for it."""
        with self._lock:
            self._closed = True
            living = list(self._living)
        for process in living:
            process.cancel()
        for process in living:
            process.wait()


class Process:
    """One running process; made by `Processes.start`."""

    def __init__(
        self,
        spec: ProcessSpec,
        child: subprocess.Popen[bytes],
        control: socket.socket,
        on_line: OnLine,
        on_exit: Callable[[Process, Exit], None],
    ) -> None:
        self._spec = spec
        self._child = child
        self._control = control
        self._on_line = on_line
        self._on_exit = on_exit
        self._reports = b""
        self._tail: deque[str] = deque(maxlen=spec.tail_lines)
        self._pid = 0
        self.sees_mounts = False  # whether they are there for it
        self._status: int | None = None
        self._timed_out = False
        self._cancelled = False
        self._spawned = threading.Event()
        self._done = threading.Event()
        self._exit: Exit | None = None
        self._thread = threading.Thread(target=self._run, name=f"process-{child.pid}", daemon=True)

    def release(self) -> None:
        """Lets the supervisor start the command."""
        self._control.sendall(b"go\n")
        self._thread.start()

    @property
    def pid(self) -> int:
        """The command's process id (not the supervisor's); 0 where it never started."""
        self._spawned.wait()
        return self._pid

    @property
    def running(self) -> bool:
        """Whether `on_exit` is still to come or under way."""
        return not self._done.is_set()

    @property
    def rss(self) -> int:
        """Resident bytes of the whole tree; 0 once ended."""
        return sum(self._of_tree(lambda process: process.memory_info().rss))

    @property
    def cpu_seconds(self) -> float:
        """Time on processors, of everything that runs in the tree now; 0 once ended."""
        return sum(self._of_tree(lambda process: sum(process.cpu_times()[:2])))

    def _of_tree(self, look: Callable[[psutil.Process], T]) -> list[T]:
        found = []
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._child.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):  # ended while we looked
                    found.append(look(process))
        return found

    def cancel(self) -> None:
        """SIGTERM to the whole tree, SIGKILL after the grace time; returns at once, and may be called twice."""
        if self._status is None:
            self._cancelled = True
        with contextlib.suppress(OSError):  # it has ended
            self._control.sendall(b"stop\n")

    def wait(self, timeout: float | None = None) -> Exit:
        """The exit, once `on_exit` has returned; raises TimeoutError."""
        if not self._done.wait(timeout) or self._exit is None:
            raise TimeoutError(f"process {self._pid} still runs after {timeout} s")
        return self._exit

    def _run(self) -> None:
        try:
            self._pump()
            self._exit = self._result()
            self._on_exit(self, self._exit)
        except Exception:
            log.exception("process %s: its exit could not be handled", self._pid)
        finally:
            self._exit = self._exit or self._result()
            self._control.close()
            self._spawned.set()
            self._done.set()

    def _result(self) -> Exit:
        status = self._status
        code = status if status is not None and status >= 0 else None
        return Exit(
            code=code,
            signal=-status if status is not None and status < 0 else None,
            timed_out=self._timed_out,
            cancelled=self._cancelled and not self._timed_out,
            tail=tuple(self._tail),
        )

    def _pump(self) -> None:
        """Reads both streams and the supervisor until all are closed."""
        deadline: float | None = None
        with self._child, selectors.DefaultSelector() as selector:
            for stream, pipe in (("stdout", self._child.stdout), ("stderr", self._child.stderr)):
                if pipe is not None:
                    lines = Lines(self._spec.line_limit, self._emitter(stream))
                    selector.register(pipe, selectors.EVENT_READ, lines.feed)
            selector.register(self._control, selectors.EVENT_READ, self._reported)
            while selector.get_map():
                ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                if not ready and deadline is not None:
                    return
                for key, _ in ready:
                    data = _read(key.fd)
                    key.data(data)
                    if not data:
                        selector.unregister(key.fileobj)
                        deadline = time.monotonic() + _DRAIN_S if key.fileobj is self._control else deadline

    def _emitter(self, stream: str) -> Callable[[str], None]:
        def emit(text: str) -> None:
            self._tail.append(text)
            try:
                self._on_line(stream, text)
            except Exception:
                log.exception("process %s: a log line could not be stored", self._pid)

        return emit

    def _reported(self, data: bytes) -> None:
        *lines, self._reports = (self._reports + data).split(b"\n")
        for line in lines:
            word, _, value = line.decode().partition(" ")
            if word == "pid":
                self._pid = int(value)
                self._spawned.set()
            elif word == "mounts":
                self.sees_mounts = value == "yes"
            elif word == "timeout":
                self._timed_out = True
            elif word == "exit":
                self._status = int(value)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except ConnectionResetError:  # the supervisor was killed: the same as end of file
        return b""


def _spawn(spec: ProcessSpec, mark: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    site = str(Path(psutil.__file__).parent.parent)
    argv = [
        sys.executable,
        "-I",
        "-S",
        supervisor.__file__,
        str(theirs.fileno()),
        str(spec.grace_s),
        str(spec.timeout_s or 0),
        str(spec.cwd),
        site,
        "\n".join(f"{path}={folder}" for path, folder in spec.mounts.items()),
        "--",
        *spec.argv,
    ]
    try:
        with theirs:
            child = subprocess.Popen(
                argv,
                env={**spec.env, supervisor.MARK: mark},
                pass_fds=[theirs.fileno()],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if spec.one_stream else subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
    except BaseException:
        ours.close()
        raise
    return child, ours


def reap_leftovers(directory: Path) -> int:
    """Kills what an emulator that died left running, by the files in `directory`; returns how many processes."""
    entries = list(directory.glob("*.json")) if directory.is_dir() else []
    if not entries:
        return 0
    victims = _marked({entry.stem for entry in entries})
    for entry in entries:
        with contextlib.suppress(ValueError, KeyError, TypeError, psutil.Error):  # half-written file, or long gone
            record = json.loads(entry.read_text())
            process = psutil.Process(record["pid"])
            if abs(process.create_time() - record["started"]) < 0.05:
                victims.update([process, *process.children(recursive=True)])
    _kill(victims)
    for entry in entries:
        entry.unlink(missing_ok=True)
    return len(victims)


def _marked(marks: set[str]) -> set[psutil.Process]:
    """Processes whose environment carries one of the marks."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # ended, or another user's
            if process.environ().get(supervisor.MARK) in marks:
                found.add(process)
    return found


def _kill(victims: set[psutil.Process]) -> None:
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(victims), timeout=10)

"""One instance of a function: a supervised process that listens on a unix socket of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.function_spec import LAUNCHER, FunctionSpec
from gcpmlops.emulator.runtimes.process import Exit, OnLine, Process, Processes, ProcessSpec
from gcpmlops.emulator.runtimes.relay import Connections

_LOOK_SECONDS = 0.01  # between two looks whether it listens
_GRACE_SECONDS = 5.0
_TAIL_LINES = 30


class Instance:
    """One process; the pool counts what it does.

    Attributes:
        in_flight: requests that it works on.
        since: real time at which it became idle last.
        leaving: it gets no more requests.
        connections: to its socket; used by the event loop alone.
    """

    def __init__(self, spec: FunctionSpec, path: Path, base: Mapping[str, str]) -> None:
        self.spec = spec
        self.path = path
        self.in_flight = 0
        self.since = time.monotonic()
        self.leaving = False
        self.exit: Exit | None = None
        self.connections = Connections(path)
        self._base = base
        self._gone = threading.Event()
        self._process: Process | None = None

    def start(self, processes: Processes, on_line: OnLine, on_exit: Callable[[Instance], None]) -> None:
        """Returns when it listens.

        Raises: FailedPrecondition with its last lines where it ends before, or never listens.
        """

        def ended(result: Exit) -> None:
            self.exit = result
            self._gone.set()
            self.path.unlink(missing_ok=True)
            on_exit(self)

        spec = self.spec
        argv = [str(spec.python), "-c", LAUNCHER, spec.target, spec.signature, str(self.path)]
        environment = {**self._base, **spec.variables()}
        self._process = processes.start(
            ProcessSpec(argv, environment, spec.source, grace_s=_GRACE_SECONDS), on_line, ended
        )
        deadline = time.monotonic() + spec.start_seconds
        while not self._listens():
            if self._gone.wait(_LOOK_SECONDS):
                raise self._refused(f"it ended with {self.exit.describe() if self.exit else 'no status'}")
            if time.monotonic() > deadline:
                self.end()
                self._process.wait()
                raise self._refused(f"it did not listen within {spec.start_seconds:g} s")

    @property
    def process(self) -> Process | None:
        """The supervised process, once started."""
        return self._process

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return self._gone.is_set()

    def end(self) -> None:
        """SIGTERM, then SIGKILL; returns at once."""
        self.leaving = True
        if self._process is not None:
            self._process.cancel()

    def join(self) -> None:
        """Returns when the process is gone."""
        if self._process is not None:
            self._process.wait()

    def _listens(self) -> bool:
        if not self.path.exists():
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.settimeout(1.0)
            probe.connect(str(self.path))
            return True
        return False

    def _refused(self, why: str) -> exceptions.FailedPrecondition:
        tail = "\n".join(self.exit.tail[-_TAIL_LINES:]) if self.exit and self.exit.tail else "(it printed nothing)"
        tail = tail.replace(str(self.spec.source), "/workspace")  # where it is on Cloud Run
        return exceptions.FailedPrecondition(
            f"Container Healthcheck failed. Revision '{self.spec.revision}' is not ready and cannot serve traffic: the "
            f"function {self.spec.target!r} could not be started, {why}. Its last log lines:\n{tail}"
        )

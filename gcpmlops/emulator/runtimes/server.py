"""One model server: a process on a unix socket that is kept alive, and asked over HTTP.

Google API errors come out of here as they go to the caller: a server that is down or dies while it answers is
UNAVAILABLE, one that is too slow DEADLINE_EXCEEDED, one that does not start FAILED_PRECONDITION with its last lines.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.process import Exit, OnLine, Process, Processes, ProcessSpec
from gcpmlops.emulator.runtimes.unix_http import HttpReply, UnixHttp

PROBE_SECONDS = 0.02
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0  # a server that lived this long is restarted without a pause
DRAIN_SECONDS = 30.0
TAIL_LINES = 20


@dataclass(frozen=True)
class ServerSpec:
    """A deployed model, as its process needs it. `model_dir` holds the artifacts; times in seconds."""

    name: str
    image: str
    model_dir: Path
    artifact_uri: str
    health_route: str
    predict_route: str
    env: Mapping[str, str] = field(default_factory=dict)
    ready_seconds: float = 300.0


@dataclass
class Run:
    """One life of the process."""

    client: UnixHttp
    exited: threading.Event = field(default_factory=threading.Event)
    process: Process | None = None
    exit: Exit | None = None

    def ending(self) -> str:
        """How it ended, in words."""
        return self.exit.describe() if self.exit else "still running"


class ModelServer:
    """Keeps one process alive from `start` to `stop`."""

    def __init__(
        self,
        spec: ServerSpec,
        command: Callable[[ServerSpec, Path], ProcessSpec],
        processes: Processes,
        socket_path: Path,
        on_line: OnLine,
    ) -> None:
        self.spec = spec
        self._command = command
        self._processes = processes
        self._socket_path = socket_path
        self._on_line = on_line
        self._changed = threading.Condition()
        self._client: UnixHttp | None = None
        self._failure: exceptions.GoogleAPICallError | None = None
        self._stopping = False
        self._in_flight = 0
        self._keeper = threading.Thread(target=self._keep, name=f"server-{spec.name}", daemon=True)

    def start(self) -> None:
        """Begin in the background; `wait_ready` tells how it went."""
        self._keeper.start()

    def wait_ready(self, timeout: float | None = None) -> UnixHttp:
        """The client of a healthy server.

        Raises: what the last start failed with; ServiceUnavailable after `timeout` seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._client or self._failure or self._stopping, timeout)
            if self._client is not None:
                return self._client
            if self._failure is not None:
                raise self._failure
        state = "is being undeployed" if self._stopping else f"is still starting after {timeout} s"
        raise exceptions.ServiceUnavailable(f"The model server of {self.spec.name} {state}.")

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply:
        """One request, waiting first for a server that is being restarted; `timeout` in seconds bounds both.

        Raises: ServiceUnavailable, DeadlineExceeded.
        """
        deadline = time.monotonic() + timeout
        with self._counted():
            client = self._ready_client(timeout)
            try:
                return client.request(method, target, body, headers, deadline - time.monotonic())
            except (ConnectionRefusedError, FileNotFoundError):  # it died idle: nothing was sent yet
                return self._successor(client, deadline).request(
                    method, target, body, headers, deadline - time.monotonic()
                )
            except TimeoutError as error:
                raise exceptions.DeadlineExceeded(
                    f"The model server of {self.spec.name} did not answer within {timeout:g} s."
                ) from error
            except OSError as error:
                self._doubt(client)
                raise exceptions.ServiceUnavailable(
                    f"The model server of {self.spec.name} ended while it answered ({error}); it is being restarted."
                ) from error

    @property
    def busy(self) -> bool:
        """Whether a request is in flight."""
        return self._in_flight > 0

    def stop(self, drain: float = DRAIN_SECONDS) -> None:
        """Let requests in flight end (`drain` seconds at most), then end the process; returns when it is gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight == 0, drain)
            self._stopping = True
            self._client = None
            self._changed.notify_all()
        if self._keeper.ident is not None:
            self._keeper.join()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                if not self._in_flight:
                    self._changed.notify_all()

    def _ready_client(self, timeout: float) -> UnixHttp:
        client = self._client
        if client is not None:
            return client
        try:
            return self.wait_ready(timeout)
        except exceptions.ServiceUnavailable:
            raise
        except exceptions.GoogleAPICallError as error:
            text = f"The model server of {self.spec.name} is down: {error.message}"
            raise exceptions.ServiceUnavailable(text) from error

    def _successor(self, client: UnixHttp, deadline: float) -> UnixHttp:
        """The client that comes after one whose server has gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._client is not client, deadline - time.monotonic())
        return self._ready_client(deadline - time.monotonic())

    def _doubt(self, client: UnixHttp) -> None:
        """A connection broke: the next requests wait for the keeper to look, as a dying process still accepts some."""
        with self._changed:
            if self._client is client:
                self._client = None
                self._changed.notify_all()

    def _keep(self) -> None:
        """Start, watch, restart, until told to stop."""
        pause = 0.0
        while not self._stopping:
            begun = time.monotonic()
            self._live()
            steady = time.monotonic() - begun > STEADY_SECONDS
            pause = 0.0 if steady else min(max(pause * 2, FIRST_PAUSE_SECONDS), LAST_PAUSE_SECONDS)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause)

    def _live(self) -> None:
        """One life of the process, to its end."""
        run = Run(UnixHttp(self._socket_path))
        try:
            self._launch(run)
            self._await_health(run)
            self._become(run.client, None)
            self._watch(run)
        except exceptions.GoogleAPICallError as error:
            self._become(None, error)
        except Exception as error:  # noqa: BLE001 - the caller of deploy hears of it, and the keeper goes on
            self._become(None, exceptions.InternalServerError(f"{type(error).__name__}: {error}"))
        finally:
            self._end(run)

    def _launch(self, run: Run) -> None:
        self._socket_path.unlink(missing_ok=True)
        spec = self._command(self.spec, self._socket_path)

        def ended(result: Exit) -> None:
            run.exit = result
            run.exited.set()
            with self._changed:
                self._changed.notify_all()

        run.process = self._processes.start(spec, self._on_line, ended)

    def _await_health(self, run: Run) -> None:
        deadline = time.monotonic() + self.spec.ready_seconds
        while not self._is_healthy(run.client):
            if self._stopping:
                raise exceptions.Cancelled(f"The model server of {self.spec.name} was stopped before it was ready.")
            if run.exited.wait(PROBE_SECONDS):
                raise failed(f"Model server exited unexpectedly ({run.ending()}).", run.exit)
            if time.monotonic() > deadline:
                self._end(run)
                raise failed(f"Model server never became ready in {self.spec.ready_seconds:g} s.", run.exit)

    def _is_healthy(self, client: UnixHttp) -> bool:
        try:
            return client.request("GET", self.spec.health_route, b"", {}, 5.0).status == 200
        except OSError:
            return False  # not listening yet

    def _watch(self, run: Run) -> None:
        """Return when the process has ended or should end."""
        while not (run.exited.is_set() or self._stopping):
            if self._client is None and not run.exited.wait(PROBE_SECONDS) and self._is_healthy(run.client):
                self._become(run.client, None)
            with self._changed:
                self._changed.wait_for(lambda: self._client is None or run.exited.is_set() or self._stopping)
        self._become(None, None)
        if not self._stopping:
            self._on_line("stderr", f"The model server ended ({run.ending()}) and is being restarted.")

    def _become(self, client: UnixHttp | None, failure: exceptions.GoogleAPICallError | None) -> None:
        with self._changed:
            self._client = None if self._stopping else client
            self._failure = failure
            self._changed.notify_all()

    def _end(self, run: Run) -> None:
        run.client.close()
        if run.process is not None:
            run.process.cancel()
            run.process.wait()
        self._socket_path.unlink(missing_ok=True)


def failed(what: str, result: Exit | None) -> exceptions.FailedPrecondition:
    """The error of a server that does not start, with its last words."""
    tail = "\n".join(result.tail[-TAIL_LINES:]) if result and result.tail else "(it printed nothing)"
    advice = "Please validate that your model file or container configuration are valid. Its last log lines:"
    return exceptions.FailedPrecondition(f"{what} {advice}\n{tail}")

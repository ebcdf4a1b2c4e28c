"""One replica of a deployed model: a process that is kept alive and watched from `start` to `end`."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.process import Exit, OnLine, Process, Processes
from gcpmlops.emulator.runtimes.server_spec import Launch, Launcher, ServerSpec, exited, never_ready
from gcpmlops.emulator.runtimes.unix_http import NotSentError, UnixHttp

START_PROBE_SECONDS = 0.02
BUSY_SECONDS = 20.0  # as long as this a process with requests may answer no health route, without computing
COMPUTING = 0.05  # share of one processor
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0  # a process that lived this long, or answered a request, is restarted without a pause


@dataclass
class Life:
    """One life of the process."""

    launch: Launch
    exited: threading.Event = field(default_factory=threading.Event)
    process: Process | None = None
    exit: Exit | None = None
    _seen: tuple[float, float] | None = None

    def computes(self) -> bool:
        """Whether it has used a processor since this was asked last; the first answer is yes."""
        now, spent = time.monotonic(), self.process.cpu_seconds if self.process is not None else 0.0
        (before, had), self._seen = self._seen or (-math.inf, 0.0), (now, spent)
        return math.isinf(before) or spent - had > COMPUTING * (now - before)

    def ending(self) -> str:
        """How it ended, in words."""
        return self.exit.describe() if self.exit else "still running"


class ServerReplica:
    """`changed` is the pool's: it guards what requests and the keeper share, and tells of every change.

    Attributes:
        client: of the process while it is healthy, else None.
        failure: what the last start failed with, until one succeeds.
        in_flight: requests that it has (the pool counts).
        answered: requests that it has answered in this life (the pool counts).
        turn: when it was last chosen (the pool's).
        leaving: the pool sends it nothing more.
    """

    def __init__(
        self, spec: ServerSpec, launcher: Launcher, processes: Processes, on_line: OnLine, changed: threading.Condition
    ) -> None:
        self.client: UnixHttp | None = None
        self.failure: exceptions.GoogleAPICallError | None = None
        self.in_flight = 0
        self.answered = 0
        self.turn = 0
        self.leaving = False
        self._spec = spec
        self._launcher = launcher
        self._processes = processes
        self._on_line = on_line
        self._changed = changed
        self._probe_seconds = min(spec.probe.timeout, spec.ready_seconds)
        self._hangs = f"did not answer within {self._probe_seconds:g} s"
        self._doubted = False
        self._ending = False
        self._life: Life | None = None
        self._keeper = threading.Thread(target=self._keep, name=f"server-{spec.name}", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._keeper.start()

    def end(self) -> None:
        """End the process; returns at once, `join` waits."""
        with self._changed:
            self._ending = self.leaving = True
            self.client = None
            self._changed.notify_all()

    def join(self) -> None:
        """Return when the process is gone."""
        self._keeper.join()

    @property
    def process(self) -> Process | None:
        """The process of this life."""
        return self._life.process if self._life else None

    def doubt(self, client: UnixHttp) -> None:
        """A connection broke, or an answer did not come: nothing more comes here until the keeper has looked.

        A process that dies still accepts connections, and one that hangs would take the next request, too.
        """
        with self._changed:
            if self.client is client:
                self.client = None
            self._doubted = True
            self._changed.notify_all()

    def _keep(self) -> None:
        """Start, watch, restart, until told to end."""
        pause = 0.0
        while not self._ending:
            begun, self.answered = time.monotonic(), 0
            self._live()
            steady = self.answered > 0 or time.monotonic() - begun > STEADY_SECONDS
            pause = 0.0 if steady else min(max(pause * 2, FIRST_PAUSE_SECONDS), LAST_PAUSE_SECONDS)
            with self._changed:
                self._changed.wait_for(lambda: self._ending, pause)

    def _live(self) -> None:
        """One life of the process, to its end."""
        try:
            life = self._life = Life(self._launcher(self._spec))
            try:
                self._begin(life)
                self._await_health(life)
                self._become(life.launch.client, None)
                self._watch(life)
            finally:
                self._bury(life)
        except exceptions.GoogleAPICallError as error:
            self._become(None, error)
        except Exception as error:  # noqa: BLE001 - the caller of deploy hears of it, and the keeper goes on
            self._become(None, exceptions.InternalServerError(f"{type(error).__name__}: {error}"))

    def _begin(self, life: Life) -> None:
        def ended(result: Exit) -> None:
            life.exit = result
            with self._changed:
                life.exited.set()
                if self.client is life.launch.client:
                    self.client = None
                self._changed.notify_all()

        life.process = self._processes.start(life.launch.process, self._on_line, ended)

    def _await_health(self, life: Life) -> None:
        deadline = time.monotonic() + self._spec.ready_seconds
        while problem := self._health(life):
            if self._ending:
                raise exceptions.Cancelled(f"The model server of {self._spec.name} was stopped before it was ready.")
            if life.exited.wait(START_PROBE_SECONDS):
                raise exited(self._spec, life.exit)
            if time.monotonic() > deadline:
                self._bury(life)
                raise never_ready(self._spec, problem, life.exit)

    def _health(self, life: Life) -> str:
        """What is wrong with its health; nothing where its route answers 200."""
        try:
            reply = life.launch.client.request("GET", self._spec.health_path, b"", {}, self._probe_seconds)
        except TimeoutError:
            return self._hangs
        except NotSentError:
            return f"can't be asked: nothing listens on {life.launch.client.where}"
        except OSError as error:
            return f"did not answer: {error}"
        return "" if reply.status == 200 else f"answered {reply.status}"

    def _watch(self, life: Life) -> None:
        """Return when the process has ended, or should end: told to, or unhealthy for too long."""
        usual = patience = self._spec.probe.failures * self._spec.probe.period
        ill_since, looks, problem = math.inf, 0, ""
        while time.monotonic() - ill_since < patience and self._next_look(life, looks):
            begun, problem = time.monotonic(), self._health(life)
            self._become(None if problem else life.launch.client, None)
            looks = looks + 1 if problem else 0
            # A process that works on requests may be too busy for its health route; they have deadlines of their own.
            busy = problem == self._hangs and self.in_flight > 0
            patience = max(usual, BUSY_SECONDS) if busy else usual
            ill_since = min(ill_since, begun) if problem and not (busy and life.computes()) else math.inf
        self._become(None, None)
        if not self._ending:
            ill = f"is unhealthy ({self._spec.health_path} {problem})"
            why = f"ended ({life.ending()})" if life.exited.is_set() else ill
            self._on_line("stderr", f"The model server {why} and is being restarted.")

    def _next_look(self, life: Life, looks: int) -> bool:
        """Whether to look at its health again, once it is time to: soon where the last looks were bad."""
        pause = self._spec.probe.period
        if self.client is None:
            pause = min(pause, START_PROBE_SECONDS * 2.0 ** min(looks, 20))
        with self._changed:
            self._changed.wait_for(lambda: self._doubted or life.exited.is_set() or self._ending, pause)
            self._doubted = False
            return not (life.exited.is_set() or self._ending)

    def _become(self, client: UnixHttp | None, failure: exceptions.GoogleAPICallError | None) -> None:
        with self._changed:
            self.client = None if self._ending or (self._life and self._life.exited.is_set()) else client
            self.failure = failure
            self._changed.notify_all()

    def _bury(self, life: Life) -> None:
        life.launch.client.close()
        if life.process is not None:
            life.process.cancel()
            life.process.wait()
        life.launch.gone()

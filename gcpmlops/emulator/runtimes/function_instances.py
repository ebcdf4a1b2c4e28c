"""The instances of one revision: started by requests, shared out among them, ended when they idle.

Shared by the event loop and by threads that start, end and watch processes; one lock, held for moments.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from gcpmlops.emulator.runtimes.function_instance import Instance
from gcpmlops.emulator.runtimes.function_spec import FunctionSpec
from gcpmlops.emulator.runtimes.process import OnLine, Processes

log = logging.getLogger(__name__)

PENDING_SECONDS = 10.0  # Cloud Run lets a request wait so long for an instance
IDLE_SECONDS = 15 * 60.0  # and keeps an idle instance so long; real time, however the clock is moved
MACHINE_LIMIT = 4 * (os.cpu_count() or 1)  # instances of one revision

_numbers = itertools.count(1)
Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Instance]"]


class NoInstanceError(Exception):
    """All instances that there may be are busy."""


class Instances:
    """One revision's processes.

    Args:
        sockets: a private folder with a short path.
        base: variables that every instance gets beside the revision's own.
        on_line: takes what instances print: the stream and the line.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        processes: Processes,
        sockets: Path,
        base: Mapping[str, str],
        on_line: OnLine,
        *,
        idle_seconds: float = IDLE_SECONDS,
        pending_seconds: float = PENDING_SECONDS,
    ) -> None:
        self.spec = spec
        self._processes = processes
        self._sockets = sockets
        self._base = base
        self._on_line = on_line
        self._idle_seconds = idle_seconds
        self._pending_seconds = pending_seconds
        self._lock = threading.Lock()
        self._ready: list[Instance] = []
        self._starting: set[Instance] = set()
        self._waiting: deque[Waiter] = deque()
        self._timer: threading.Timer | None = None
        self._stopped = False

    @property
    def limit(self) -> int:
        """How many there may be: as declared, and as this machine can bear."""
        return max(1, min(self.spec.maximum or MACHINE_LIMIT, MACHINE_LIMIT))

    @property
    def count(self) -> int:
        """Instances that are ready."""
        return len(self._ready)

    def warm(self) -> None:
        """Starts one instance and returns when it listens, then the rest of the minimum in the background.

        Raises: FailedPrecondition.
        """
        with self._lock:
            instance = self._new()
        self._start(instance)
        with self._lock:
            self._grow(self.spec.minimum)

    def keep_minimum(self) -> None:
        """Starts what is missing of the minimum, in the background."""
        with self._lock:
            self._grow(self.spec.minimum)

    async def lease(self) -> Instance:
        """An instance that has one more request now; ``release`` gives it back.

        Raises: NoInstanceError where none gets free in time; FailedPrecondition where none could be started.
        """
        with self._lock:
            if self._stopped:
                raise NoInstanceError
            found = self._free()
            if found is not None:
                found.in_flight += 1
                return found
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Instance] = loop.create_future()
            self._waiting.append((loop, future))
            self._grow()
            bounded = len(self._ready) >= (self.spec.maximum or math.inf)
        try:
            return await asyncio.wait_for(future, self._pending_seconds if bounded else self.spec.timeout)
        except TimeoutError:
            raise NoInstanceError from None

    def release(self, instance: Instance, *, broken: bool = False) -> None:
        """The request is done with; an instance that hangs or broke off is ended once nobody else uses it."""
        with self._lock:
            instance.in_flight -= 1
            instance.since = time.monotonic()
            if broken and not instance.leaving:
                instance.leaving = True
                self._forget(instance)
            ends = instance.leaving and instance.in_flight <= 0
            self._serve_waiting()
            self._watch_idle()
        if ends:
            instance.end()

    def stop(self, drain: float | None = None) -> None:
        """Takes no more requests; instances end once idle, after ``drain`` seconds at most. Returns at once.

        Without ``drain`` what is under way has as long as a request may take.
        """
        drain = self.spec.timeout if drain is None else drain
        with self._lock:
            self._stopped = True
            leaving = [*self._ready, *self._starting]
            self._ready.clear()
            waiting, self._waiting = list(self._waiting), deque()
            if self._timer is not None:
                self._timer.cancel()
            for instance in leaving:
                instance.leaving = True
        for waiter in waiting:
            _tell(waiter, NoInstanceError())
        for instance in leaving:
            if instance.in_flight <= 0 or drain <= 0:
                instance.end()
            else:
                timer = threading.Timer(drain, instance.end)
                timer.daemon = True
                timer.start()

    def _free(self) -> Instance | None:
        """The fullest that has room: the others may become idle and end."""
        limit = self.spec.concurrency
        best: Instance | None = None
        for instance in self._ready:
            if instance.in_flight < limit and (best is None or instance.in_flight > best.in_flight):
                best = instance
        return best

    def _new(self) -> Instance:
        instance = Instance(self.spec, self._sockets / f"f{next(_numbers)}", self._base)
        self._starting.add(instance)
        return instance

    def _grow(self, least: int = 0) -> None:
        """As many as are needed for what runs and waits."""
        if self._stopped:
            return
        asked = sum(instance.in_flight for instance in self._ready) + len(self._waiting)
        wanted = min(max(math.ceil(asked / self.spec.concurrency), least), max(self.limit, least))
        for _ in range(wanted - len(self._ready) - len(self._starting)):
            instance = self._new()
            threading.Thread(target=self._start_quietly, args=(instance,), name="function", daemon=True).start()

    def _start_quietly(self, instance: Instance) -> None:
        try:
            self._start(instance)
        except Exception as error:  # noqa: BLE001 - those who wait are told
            self._failed(error)

    def _start(self, instance: Instance) -> None:
        try:
            instance.start(self._processes, self._on_line, self._ended)
        except BaseException:
            with self._lock:
                self._starting.discard(instance)
            raise
        with self._lock:
            self._starting.discard(instance)
            if not (self._stopped or instance.is_gone):
                self._ready.append(instance)
                instance.since = time.monotonic()
                self._serve_waiting()
                self._watch_idle()
                return
        instance.end()

    def _failed(self, error: Exception) -> None:
        """Nobody else will serve those who wait where nothing runs."""
        log.info("an instance of %s did not start: %s", self.spec.revision, error)
        with self._lock:
            if self._ready or self._starting:
                return
            waiting, self._waiting = list(self._waiting), deque()
        for waiter in waiting:
            _tell(waiter, error)

    def _ended(self, instance: Instance) -> None:
        with self._lock:
            was_ready = instance in self._ready
            instance.leaving = True
            self._forget(instance)
            if was_ready or self._waiting:
                self._grow(self.spec.minimum)

    def _forget(self, instance: Instance) -> None:
        if instance in self._ready:
            self._ready.remove(instance)

    def _serve_waiting(self) -> None:
        while self._waiting and (found := self._free()) is not None:
            found.in_flight += 1
            loop, future = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(self._give, future, found)
            except RuntimeError:  # the loop is closed: the emulator ends
                found.in_flight -= 1
        if self._waiting:
            self._grow()

    def _give(self, future: asyncio.Future[Instance], instance: Instance) -> None:
        if future.done():  # it gave up meanwhile
            self.release(instance)
        else:
            future.set_result(instance)

    def _watch_idle(self) -> None:
        surplus = len(self._ready) > self.spec.minimum
        if surplus and self._timer is None and not self._stopped:
            self._timer = threading.Timer(self._idle_seconds, self._end_idle)
            self._timer.daemon = True
            self._timer.start()

    def _end_idle(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._timer = None
            idle = [one for one in self._ready if not one.in_flight and now - one.since >= self._idle_seconds]
            ending = idle[: max(0, len(self._ready) - self.spec.minimum)]
            for instance in ending:
                instance.leaving = True
                self._forget(instance)
            self._watch_idle()
        for instance in ending:
            instance.end()


def _tell(waiter: Waiter, error: Exception) -> None:
    loop, future = waiter

    def fail() -> None:
        if not future.done():
            future.set_exception(error)

    try:
        loop.call_soon_threadsafe(fail)
    except RuntimeError:
        log.info("the emulator ends: a request that waits for an instance is not answered")

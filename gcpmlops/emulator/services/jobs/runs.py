"""Whatever runs training code takes its turn here: custom jobs and the trials of searches, first come, first served."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.replicas import OnTaskLine
from gcpmlops.emulator.runtimes.training import Training
from gcpmlops.emulator.runtimes.training_job import OnState, TrainingJob
from gcpmlops.emulator.runtimes.training_spec import State, TrainingSpec

_STOPPED = "The emulator was stopped while the job ran."
_HEAD_START_S = 0.2  # how long one that begins may hold up the next: what takes longer installs or downloads
_WAITED = "The job waited for scheduling.max_wait_duration ({:g} s) and no resources came free."


class Runs:
    """Runs training specs, at most `slots` at a time, in the order in which they were submitted.

    The next one begins once the one before it runs (or has ended, or takes its time to prepare), so that what is
    submitted first also runs first.
    """

    def __init__(self, training: Training, slots: int) -> None:
        self._training = training
        self._free = max(1, slots)
        self._waiting: OrderedDict[str, tuple[TrainingJob, OnState]] = OrderedDict()
        self._running: dict[str, TrainingJob] = {}
        self._starting = ""  # the key of what has begun last, until it runs
        self._lock = threading.Lock()
        self._closing = False

    def check(self, spec: TrainingSpec) -> None:
        """Raises: InvalidArgument for an image that can't run here, NotFound for a missing bucket."""
        self._training.check(spec)

    def submit(
        self, key: str, spec: TrainingSpec, on_state: OnState, on_line: OnTaskLine, *, max_wait_s: float | None = None
    ) -> None:
        """Runs `spec` when its turn comes; `key` is unique among what has not ended.

        `on_state` is told QUEUED (before this returns), PENDING, RUNNING and exactly one final state: CANCELLED at once
        for what is taken back from the queue, FAILED for what waits longer than `max_wait_s`.
        """
        on_state(State.QUEUED, None)
        job = self._training.job(spec, self._following(key, on_state), on_line)
        with self._lock:
            self._waiting[key] = (job, on_state)
            self._advance()
        if max_wait_s is not None:
            self._give_up_later(key, max_wait_s)

    def cancel(self, key: str) -> None:
        """Takes it out of the queue, or asks it to stop; returns at once. What has ended stays as it is."""
        with self._lock:
            waiting, running = self._waiting.pop(key, None), self._running.get(key)
        if waiting is not None:
            waiting[1](State.CANCELLED, None)
        elif running is not None:
            running.cancel()

    def close(self) -> None:
        """Ends what runs: FAILED with that reason. What waits is told nothing."""
        with self._lock:
            self._closing = True
            self._waiting.clear()
            running = list(self._running.values())
        for job in running:
            job.cancel()
        for job in running:
            job.join()

    def _give_up_later(self, key: str, seconds: float) -> None:
        def give_up() -> None:
            with self._lock:
                waiting = self._waiting.pop(key, None)
            if waiting is not None:
                waiting[1](State.FAILED, exceptions.DeadlineExceeded(_WAITED.format(seconds)))

        _later(seconds, give_up)

    def _advance(self) -> None:
        """Starts what slots are free for; the lock is held."""
        while self._free and self._waiting and not self._starting and not self._closing:
            key, (job, _) = self._waiting.popitem(last=False)
            self._free -= 1
            self._running[key] = job
            self._starting = key
            _later(_HEAD_START_S, lambda key=key: self._passed(key))  # type: ignore[misc]
            job.begin()

    def _passed(self, key: str) -> None:
        with self._lock:
            if self._starting == key:
                self._starting = ""
                self._advance()

    def _following(self, key: str, on_state: OnState) -> OnState:
        def told(state: State, error: Exception | None) -> None:
            if state is State.PENDING:
                on_state(state, error)
            elif state is State.RUNNING:
                on_state(state, error)
                self._passed(key)
            elif state is State.CANCELLED and self._closing:
                self._ended(key, lambda: on_state(State.FAILED, exceptions.Aborted(_STOPPED)))
            else:
                self._ended(key, lambda: on_state(state, error))

        return told

    def _ended(self, key: str, tell: Callable[[], None]) -> None:
        try:
            tell()
        finally:
            with self._lock:
                self._running.pop(key, None)
                self._free += 1
                self._starting = "" if self._starting == key else self._starting
                self._advance()


def _later(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()

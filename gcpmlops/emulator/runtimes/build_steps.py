"""The steps of a build in their order: those that wait for nothing at once, each other when its turn comes."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.build_spec import StepEnd, StepSpec, StepState
from gcpmlops.emulator.runtimes.cancellation import Cancellation, Cancelled

log = logging.getLogger(__name__)

RunStep = Callable[[StepSpec, Cancellation], StepEnd]
"""Runs one step to its end; the request to stop ends it early."""
OnStep = Callable[[StepSpec, StepEnd], None]
"""Told when a step begins (WORKING) and how it ended."""


class Outcome(Enum):
    """How all the steps went; the values are the names in `Build.Status`."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"


class Steps:
    """Runs steps; the first that fails ends those that run, and no further one begins."""

    def __init__(self, steps: Sequence[StepSpec], run: RunStep, on_step: OnStep) -> None:
        self._waiting = {step.index: step for step in steps}
        self._run = run
        self._on_step = on_step
        self._running: set[int] = set()
        self._passed: set[int] = set()
        self._stop = Cancellation()
        self._ended: queue.SimpleQueue[tuple[StepSpec, StepEnd] | None] = queue.SimpleQueue()

    def until_done(self, cancellation: Cancellation, timeout_s: float) -> tuple[Outcome, str]:
        """The outcome, and why it was not SUCCESS."""
        deadline = time.monotonic() + timeout_s
        outcome, reason = Outcome.SUCCESS, ""
        with cancellation.calls(lambda: self._ended.put(None)):
            self._begin_ready()
            while self._running:
                found = self._next(deadline if outcome is Outcome.SUCCESS else None)
                if isinstance(found, Outcome):
                    if outcome is Outcome.SUCCESS:
                        outcome = found
                        self._stop.request()
                    continue
                step, end = found
                self._running.discard(step.index)
                self._on_step(step, end)
                if outcome is not Outcome.SUCCESS:
                    continue
                if end.state is StepState.SUCCESS or step.tolerates(end):
                    self._passed.add(step.index)
                    self._begin_ready()
                else:
                    timed_out = end.state is StepState.TIMEOUT
                    outcome, reason = Outcome.TIMEOUT if timed_out else Outcome.FAILURE, end.reason
                    self._stop.request()
        return outcome, reason

    def _next(self, deadline: float | None) -> tuple[StepSpec, StepEnd] | Outcome:
        try:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            return self._ended.get(timeout=left) or Outcome.CANCELLED
        except queue.Empty:
            return Outcome.TIMEOUT

    def _begin_ready(self) -> None:
        for step in [step for step in self._waiting.values() if step.after <= self._passed]:
            del self._waiting[step.index]
            self._running.add(step.index)
            self._on_step(step, StepEnd(StepState.WORKING))
            threading.Thread(target=self._one, args=(step,), name=f"step-{step.index}", daemon=True).start()

    def _one(self, step: StepSpec) -> None:
        try:
            self._stop.check()
            end = self._run(step, self._stop)
        except Cancelled:
            end = StepEnd(StepState.CANCELLED)
        except exceptions.GoogleAPICallError as error:
            end = StepEnd(StepState.FAILURE, reason=str(error.message))
        except Exception as error:
            log.exception("step %d", step.index)
            end = StepEnd(StepState.FAILURE, reason=f"could not be run: {error}")
        self._ended.put((step, end))

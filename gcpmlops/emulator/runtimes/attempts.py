"""A training job's attempts: which failures Vertex AI answers by running the whole job again, and how often.

https://cloud.google.com/vertex-ai/docs/training/understanding-training-service
"""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Callable, Sequence

from gcpmlops.emulator.runtimes.replicas import Prepared, ReplicaFailed, Replicas
from gcpmlops.emulator.runtimes.training_spec import TrainingSpec

_RESTARTS = 3
_TRANSIENT = {
    status
    for number in (signal.SIGABRT, signal.SIGSEGV)
    for status in (int(number), 128 + int(number))  # the second from a custom container
}


class Attempts:
    """Runs the replicas until they succeed, or fail for good.

    Args:
        spec: its timeout spans all attempts.
        replicas: makes what runs one attempt.
        started: called once, when the first attempt's processes have started.
        note: says one line into the job's log.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        replicas: Callable[[], Replicas],
        started: Callable[[], None],
        note: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._replicas = replicas
        self._started = started
        self._note = note
        self._deadline: float | None = None

    def until_done(self, prepared: Sequence[Prepared]) -> None:
        """Raises: Cancelled; DeadlineExceeded, InvalidArgument for a replica that failed."""
        for restart in range(_RESTARTS + 1):
            try:
                self._replicas().until_done(self._with_time_left(prepared), self._begun)
                return
            except ReplicaFailed as failure:
                if restart == _RESTARTS or not self._restarts(failure):
                    raise failure.error() from None
                self._note(f"{failure.describe()} Restarting the job: restart {restart + 1} of {_RESTARTS}.")

    def _restarts(self, failure: ReplicaFailed) -> bool:
        if failure.result.timed_out:
            return False
        return self._spec.restart_on_failure or (self._spec.retry and failure.status in _TRANSIENT)

    def _begun(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + (self._spec.timeout_s or float("inf"))
            self._started()

    def _with_time_left(self, prepared: Sequence[Prepared]) -> Sequence[Prepared]:
        """The processes' own timeouts, counted from the job's first start."""
        if self._spec.timeout_s is None or self._deadline is None:
            return prepared
        left = max(0.001, self._deadline - time.monotonic())
        return [dataclasses.replace(item, spec=dataclasses.replace(item.spec, timeout_s=left)) for item in prepared]

"""Waiting for a job: how often to look, for how long, and what an interrupted wait leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from gcpmlops import _google
from gcpmlops.exceptions import DeadlineExceeded

if TYPE_CHECKING:
    from gcpmlops._jobs.logs import LogLine
    from gcpmlops.clients import Clients

J = TypeVar("J", bound=Any)


def pauses(first: float = 0.1) -> Iterator[float]:
    """Seconds between two looks, a fifth more each time, 5 at most: an end is seen soon, in proportion."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 1.2, 5.0)


def has_ended(state: Any) -> bool:
    """Whether a JobState is final."""
    states = _google.job_state.JobState
    return state in (
        states.JOB_STATE_SUCCEEDED,
        states.JOB_STATE_FAILED,
        states.JOB_STATE_CANCELLED,
        states.JOB_STATE_EXPIRED,
        states.JOB_STATE_PARTIALLY_SUCCEEDED,
    )


class Limit:
    """How long a wait may take; None is for ever."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout

    def within(self, pause: float, job: Any) -> float:
        """The pause, or what is left of the time. Raises DeadlineExceeded when nothing is; the job goes on."""
        if self._end is None:
            return pause
        left = self._end - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(
                f"{job.name} is {job.state.name} after {self._timeout} s",
                resource=job.name,
                next_step=goes_on(job.name),
            )
        return min(pause, left)


def job_states(get: Callable[[], J], *, timeout: float | None) -> Iterator[J]:
    """The job at each look, the last one ended. Raises DeadlineExceeded; the job goes on then."""
    limit = Limit(timeout)
    for pause in pauses():
        job = get()
        yield job
        if has_ended(job.state):
            return
        time.sleep(limit.within(pause, job))


def ended(
    clients: Clients,
    get: Callable[[], J],
    *,
    timeout: float | None,
    on_log: Callable[[LogLine], None] | None,
    on_state: Callable[[J], None] | None,
) -> J:
    """The job when it has ended, whichever way; with `on_log` its lines are followed. Raises DeadlineExceeded."""
    if on_log is None:
        for job in job_states(get, timeout=timeout):
            if on_state is not None:
                on_state(job)
        return job
    from gcpmlops._following import Following  # it brings the log clients

    following = Following(clients, get, timeout=timeout, on_state=on_state)
    for line in following.lines():
        on_log(line)
    return following.job


_GROUPS = {
    "hyperparameterTuningJobs": "tuning",
    "batchPredictionJobs": "batch-predictions",
    "builds": "builds",
}


def group_of(name: str) -> str:
    """The commands that handle a job."""
    kind = name.rpartition("/")[0].rpartition("/")[2]
    return _GROUPS.get(kind, "training")


def goes_on(name: str) -> str:
    """What is true of a job that is no longer waited for."""
    group, job = group_of(name), name.rpartition("/")[2]
    return f"It goes on: `gcpmlops {group} get {job}`; to stop it: `gcpmlops {group} cancel {job}`."


@contextmanager
def interruptible(name: str) -> Iterator[None]:
    """Ctrl-C within the block ends the wait and not the job, which the exception then says."""
    try:
        yield
    except KeyboardInterrupt as exc:
        exc.add_note(f"{name} was not stopped. {goes_on(name)}")
        raise

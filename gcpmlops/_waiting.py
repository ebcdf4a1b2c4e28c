"""Waiting for a job, and saying why it failed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from gcpmlops import _google
from gcpmlops.exceptions import DeadlineExceeded, JobCancelled, JobFailed

if TYPE_CHECKING:
    from gcpmlops._job_logs import JobLogs

J = TypeVar("J", bound=Any)
_TAIL = 20
_EXIT = re.compile(r"(?:exit(?:ed)?|non-zero)[^.\d]{0,40}?(?:status|code)?[^.\d]{0,12}(\d+)", re.IGNORECASE)
_CAUSE = re.compile(r"^\s*(?:[\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*|.*\bNo module named\b.*)$")


def pauses() -> Iterator[float]:
    """Seconds between two looks: 0.1, then a fifth more each time, 5 at most: an end is seen soon, in proportion."""
    pause = 0.1
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


def job_states(get: Callable[[], J], *, timeout: float | None) -> Iterator[J]:
    """The job at each look, the last one ended. Raises DeadlineExceeded; the job goes on then."""
    end = None if timeout is None else time.monotonic() + timeout
    for pause in pauses():
        job = get()
        yield job
        if has_ended(job.state):
            return
        left = pause if end is None else end - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(
                f"{job.name} is {job.state.name} after {timeout} s",
                resource=job.name,
                next_step=f"It goes on: `gcpmlops training get {job.id}`; to stop it: `gcpmlops training cancel`.",
            )
        time.sleep(min(pause, left))


def failure(job: Any, logs: JobLogs) -> JobFailed | None:
    """JobFailed or JobCancelled for a job that ended without success, with its last log lines; None after success."""
    states = _google.job_state.JobState
    if job.state == states.JOB_STATE_SUCCEEDED:
        return None
    kind = JobCancelled if job.state == states.JOB_STATE_CANCELLED else JobFailed
    tail = _last([line.text for line in logs.seen()])
    reason = job.error.message or ("cancelled" if kind is JobCancelled else "no reason given")
    cause = next((line.strip() for line in reversed(tail) if _CAUSE.match(line)), "")
    exit_code = int(match.group(1)) if (match := _EXIT.search(reason)) else None
    message = f"{job.display_name} ({job.name}) ended {job.state.name}: {reason}"
    return kind(
        message,
        job=job.name,
        state=job.state.name,
        exit_code=exit_code,
        cause=cause or reason,
        log_tail=tail,
        next_step=f"All of its log: `gcpmlops training logs {job.name.rpartition('/')[2]}`.",
    )


def _last(lines: list[str]) -> list[str]:
    """The last lines, from the start of the last traceback where there is one."""
    split = [part for line in lines for part in line.splitlines()]
    start = max(
        (n for n, line in enumerate(split) if line.startswith("Traceback (most recent call last)")), default=None
    )
    if start is not None and len(split) - start <= 3 * _TAIL:
        return split[start:]
    return split[-_TAIL:]

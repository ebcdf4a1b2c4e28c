"""What the handles on jobs of all kinds share: the state, and the calls that name the job again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from gcpmlops import _google
from gcpmlops._handle import Named
from gcpmlops._jobs.logs import LogLine


@dataclass(frozen=True)
class JobHandle(Named):
    """A job as it was when asked for; `proto` is Google's message, `_jobs` the module that the job came from."""

    proto: Any
    _jobs: Any = field(repr=False, compare=False)

    @property
    def state(self) -> _google.job_state.JobState:
        """JOB_STATE_PENDING, JOB_STATE_RUNNING, JOB_STATE_SUCCEEDED, ..."""
        state: _google.job_state.JobState = self.proto.state
        return state

    @property
    def created(self) -> datetime | None:
        """When it was submitted."""
        created: datetime | None = self.proto.create_time
        return created

    def refresh(self) -> Self:
        """The job as it is now."""
        job: Self = self._jobs.get(self.name)
        return job

    def cancel(self) -> None:
        """Ask it to stop, and whatever it has started."""
        self._jobs.cancel(self.name)

    def delete(self) -> None:
        """Delete it; it must have ended. Its output stays."""
        self._jobs.delete(self.name)


@dataclass(frozen=True)
class LoggingJob(JobHandle):
    """A job with one log, which is shown while it runs."""

    def wait(
        self,
        *,
        timeout: float | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[Self], None] | None = None,
    ) -> Self:
        """The job when it has ended. Raises JobFailed, JobCancelled, DeadlineExceeded after `timeout` seconds."""
        job: Self = self._jobs.wait(self.name, timeout=timeout, on_log=on_log, on_state=on_state)
        return job

    def logs(self) -> list[LogLine]:
        """Its log lines so far."""
        return list(self._jobs.logs(self.name))

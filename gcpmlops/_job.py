"""The handle on a custom job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from gcpmlops import _google, _html
from gcpmlops._handle import Named
from gcpmlops._job_logs import LogLine

if TYPE_CHECKING:
    from gcpmlops.training import Training


@dataclass(frozen=True)
class Job(Named):
    """A custom job as it was when asked for; `proto` is Google's CustomJob, `state` its JobState."""

    proto: _google.custom_job.CustomJob
    _training: Training = field(repr=False, compare=False)

    @property
    def state(self) -> _google.job_state.JobState:
        """JOB_STATE_PENDING, JOB_STATE_RUNNING, JOB_STATE_SUCCEEDED, ..."""
        return self.proto.state

    @property
    def created(self) -> datetime | None:
        """When it was submitted."""
        created: datetime | None = self.proto.create_time
        return created

    @property
    def output_dir(self) -> str:
        """The gs:// folder of its output."""
        return str(self.proto.job_spec.base_output_directory.output_uri_prefix)

    @property
    def model_dir(self) -> str:
        """What the job sees as AIP_MODEL_DIR."""
        return f"{self.output_dir.rstrip('/')}/model/"

    def refresh(self) -> Job:
        """The job as it is now."""
        return self._training.get(self.name)

    def wait(
        self,
        *,
        timeout: float | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[Job], None] | None = None,
    ) -> Job:
        """The job when it has ended. Raises JobFailed, JobCancelled, DeadlineExceeded after `timeout` seconds."""
        return self._training.wait(self.name, timeout=timeout, on_log=on_log, on_state=on_state)

    def logs(self) -> list[LogLine]:
        """Its log lines so far."""
        return list(self._training.logs(self.name))

    def cancel(self) -> None:
        """Ask it to stop."""
        self._training.cancel(self.name)

    def delete(self) -> None:
        """Delete it; it must have ended."""
        self._training.delete(self.name)

    def _repr_html_(self) -> str:
        error = self.proto.error.message
        return _html.card(
            self.display_name, {"name": self.name, "state": self.state.name, "output": self.output_dir, "error": error}
        )

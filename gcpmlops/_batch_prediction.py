"""The handle on a batch prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from gcpmlops import _google, _html
from gcpmlops._batch_outputs import InstanceError, Outputs
from gcpmlops._handle import Named
from gcpmlops._job_logs import LogLine

if TYPE_CHECKING:
    import pandas

    from gcpmlops.batch_predictions import BatchPredictions


class Counts(NamedTuple):
    """Instances: `incomplete` is -1 where the service does not know."""

    successful: int
    failed: int
    incomplete: int

    def __str__(self) -> str:
        rest = ", the rest was not tried" if self.incomplete < 0 else f", {self.incomplete} not tried"
        return f"{self.successful:,} predicted, {self.failed:,} failed{rest if self.incomplete else ''}"


@dataclass(frozen=True)
class BatchPrediction(Named):
    """A batch prediction as it was when asked for; `proto` is Google's BatchPredictionJob, `state` its JobState."""

    proto: _google.batch_prediction_job.BatchPredictionJob
    _batches: BatchPredictions = field(repr=False, compare=False)

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
    def model(self) -> str:
        """The full name of the model's version that predicts."""
        base = str(self.proto.model).partition("@")[0]
        return f"{base}@{self.proto.model_version_id}" if self.proto.model_version_id else str(self.proto.model)

    @property
    def output_uri(self) -> str:
        """The gs:// folder of the predictions; empty for tables, and before there is one."""
        return self._outputs.uri

    @property
    def output_table(self) -> str:
        """PROJECT.DATASET.TABLE of the predictions; empty for files, and before there is one."""
        return self._outputs.table

    @property
    def counts(self) -> Counts:
        """How many instances succeeded and failed, so far while it runs."""
        stats = self.proto.completion_stats
        return Counts(int(stats.successful_count), int(stats.failed_count), int(stats.incomplete_count))

    def errors(self) -> list[InstanceError]:
        """Every instance that failed: a list of (instance, code, message). Raises FailedPrecondition without output."""
        return self._outputs.errors()

    def to_dataframe(self) -> pandas.DataFrame:
        """Every prediction: a row of the instance's fields, or its `instance` or `key`, and `prediction`.

        Raises FailedPrecondition before there is an output, MissingExtra without pandas.
        """
        return self._outputs.to_dataframe()

    def refresh(self) -> BatchPrediction:
        """The job as it is now."""
        return self._batches.get(self.name)

    def wait(
        self,
        *,
        timeout: float | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[BatchPrediction], None] | None = None,
    ) -> BatchPrediction:
        """The job when it has ended. Raises JobFailed, JobCancelled, DeadlineExceeded after `timeout` seconds."""
        return self._batches.wait(self.name, timeout=timeout, on_log=on_log, on_state=on_state)

    def logs(self) -> list[LogLine]:
        """Its log lines so far."""
        return list(self._batches.logs(self.name))

    def cancel(self) -> None:
        """Ask it to stop."""
        self._batches.cancel(self.name)

    def delete(self) -> None:
        """Delete it; it must have ended. Its output stays."""
        self._batches.delete(self.name)

    @property
    def _outputs(self) -> Outputs:
        return Outputs(self.proto, self._batches._storage, self._batches._bigquery)

    def _repr_html_(self) -> str:
        about = {
            "name": self.name,
            "state": self.state.name,
            "model": self.model,
            "output": self.output_uri or self.output_table,
            "instances": str(self.counts) if any(self.counts) else "",
            "error": self.proto.error.message,
        }
        return _html.card(self.display_name, about)

"""The handle on a batch prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gcpmlops import _google, _html
from gcpmlops._batches.outputs import InstanceError, Outputs
from gcpmlops._jobs.handle import LoggingJob

if TYPE_CHECKING:
    import pandas


class Counts(NamedTuple):
    """Instances: `incomplete` is -1 where the service does not know."""

    successful: int
    failed: int
    incomplete: int

    def __str__(self) -> str:
        rest = ", the rest was not tried" if self.incomplete < 0 else f", {self.incomplete} not tried"
        return f"{self.successful:,} predicted, {self.failed:,} failed{rest if self.incomplete else ''}"


@dataclass(frozen=True)
class BatchPrediction(LoggingJob):
    """A batch prediction as it was when asked for; `proto` is Google's BatchPredictionJob, `state` its JobState."""

    proto: _google.batch_prediction_job.BatchPredictionJob

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

    @property
    def _outputs(self) -> Outputs:
        return Outputs(self.proto, self._jobs._storage, self._jobs._bigquery)

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

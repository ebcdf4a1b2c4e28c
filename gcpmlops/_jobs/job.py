"""The handle on a custom job."""

from __future__ import annotations

from dataclasses import dataclass

from gcpmlops import _google, _html
from gcpmlops._jobs.handle import LoggingJob


@dataclass(frozen=True)
class Job(LoggingJob):
    """A custom job as it was when asked for; `proto` is Google's CustomJob, `state` its JobState."""

    proto: _google.custom_job.CustomJob

    @property
    def output_dir(self) -> str:
        """The gs:// folder of its output."""
        return str(self.proto.job_spec.base_output_directory.output_uri_prefix)

    @property
    def model_dir(self) -> str:
        """What the job sees as AIP_MODEL_DIR."""
        return f"{self.output_dir.rstrip('/')}/model/"

    def _repr_html_(self) -> str:
        error = self.proto.error.message
        return _html.card(
            self.display_name, {"name": self.name, "state": self.state.name, "output": self.output_dir, "error": error}
        )

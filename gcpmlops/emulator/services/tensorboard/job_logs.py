"""Jobs with a TensorBoard: each gets an experiment of its own, named by the job's id."""

from __future__ import annotations

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.tensorboard.ingest import Ingest, Target
from gcpmlops.emulator.services.tensorboard.names import id_of


class JobLogs:
    """What job services tell of their jobs."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def check(self, parent: str, spec: types.CustomJobSpec) -> None:
        """Raises: NotFound for a tensorboard that isn't there, InvalidArgument for one of another location."""
        self._ingest.check(spec.tensorboard, names.location_of(parent))

    def begin(self, job: types.CustomJob, folder: str) -> None:
        """The logs are followed, while the job runs."""
        experiment = f"{job.job_spec.tensorboard}/experiments/{id_of(job.name)}"
        self._ingest.follow(job.name, Target(experiment, job.display_name, job.name, folder))

    def end(self, job: types.CustomJob) -> None:
        """The rest is taken in. Raises: what stood in the way."""
        error = self._ingest.end(job.name)
        if error is not None:
            raise error

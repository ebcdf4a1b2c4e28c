"""Jobs with a TensorBoard: each gets an experiment, named by its id. A tuning job has a run in it for each trial."""

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

    def begin(self, job: types.CustomJob, folder: str, trial_of: types.HyperparameterTuningJob | None = None) -> None:
        """The logs are followed, while the job runs. Those of a trial (`JOB-TRIAL`) are runs of its tuning job."""
        own = id_of(job.name)
        owner, run = (job, "") if trial_of is None else (trial_of, own.removeprefix(f"{id_of(trial_of.name)}-"))
        experiment = f"{job.job_spec.tensorboard}/experiments/{id_of(owner.name)}"
        self._ingest.follow(job.name, Target(experiment, owner.display_name, owner.name, folder, run))

    def end(self, job: types.CustomJob) -> None:
        """The rest is taken in. Raises: what stood in the way."""
        error = self._ingest.end(job.name)
        if error is not None:
            raise error

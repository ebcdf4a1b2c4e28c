"""Vertex AI JobService: hyperparameter tuning jobs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable

from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, names
from gcpmlops.emulator.kernel.access import act_as
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.jobs import running, tuning_specs
from gcpmlops.emulator.services.jobs.custom_jobs import TensorboardLogs
from gcpmlops.emulator.services.jobs.log import JobLog
from gcpmlops.emulator.services.jobs.rows import FINAL, RESTARTED, JobRows
from gcpmlops.emulator.services.jobs.runs import Runs
from gcpmlops.emulator.services.jobs.trials import TrialRows
from gcpmlops.emulator.services.jobs.tuning_run import Means, TuningRun
from gcpmlops.emulator.services.logging.writer import WriteLog

Job = types.HyperparameterTuningJob
OnEnd = Callable[[types.HyperparameterTuningJob], None]


class HyperparameterTuningJobs(Service):
    """Tuning jobs. What an earlier emulator left unfinished is FAILED with that reason; finished trials are kept."""

    proto = "google.cloud.aiplatform.v1.JobService"

    def __init__(
        self, context: Context, runs: Runs, write_log: WriteLog, tensorboards: TensorboardLogs | None = None
    ) -> None:
        super().__init__(context)
        self._rows: JobRows[Job] = JobRows(context, Job, "hyperparameterTuningJobs")
        self._trials = TrialRows(context)
        self._log = JobLog(write_log, context.settings)
        self._runs = runs
        self._means = Means(
            self._rows,
            self._trials,
            runs,
            self._log,
            context.clock,
            context.settings.project_number,
            context.settings.data_dir / "trials",
            tensorboards,
        )
        self._searches: dict[str, TuningRun] = {}
        self._lock = threading.Lock()
        self._fail_unfinished()

    def create_hyperparameter_tuning_job(self, request: types.CreateHyperparameterTuningJobRequest) -> Job:
        return self.create(request.parent, request.hyperparameter_tuning_job)

    def check(self, parent: str, given: Job) -> None:
        """Raises what `create` would, and stores nothing."""
        names.parse("projects/{project}/locations/{location}", parent)
        tuning_specs.check(given)
        act_as(self.access, given.trial_job_spec.service_account, parent)
        probe = Job(name=f"{parent}/hyperparameterTuningJobs/0", trial_job_spec=given.trial_job_spec)
        if self._means.tensorboards is not None and given.trial_job_spec.tensorboard:
            self._means.tensorboards.check(parent, given.trial_job_spec)
        self._runs.check(tuning_specs.training_spec(probe, self.settings.project_number, "0"))

    def create(self, parent: str, given: Job, on_end: OnEnd | None = None) -> Job:
        """Stores and begins a search; `on_end` is called once, with the job as it ended."""
        self.check(parent, given)
        clean = Job(given)
        clean.trials = []
        job = self._rows.insert(parent, clean)
        self._log.state(job.name, State.QUEUED)
        for note in running.notes(job.trial_job_spec):
            self._log.service(job.name, note, "WARNING")
        search = TuningRun(job, self._means, lambda ended: self._ended(ended, on_end))
        with self._lock:
            self._searches[job.name] = search
        search.begin()
        return self._whole(self._rows.get(job.name))

    def get_hyperparameter_tuning_job(self, request: types.GetHyperparameterTuningJobRequest) -> Job:
        return self._whole(self._rows.get(request.name))

    def list_hyperparameter_tuning_jobs(
        self, request: types.ListHyperparameterTuningJobsRequest
    ) -> types.ListHyperparameterTuningJobsResponse:
        """Newest first."""
        found, token = self._rows.page(request)
        jobs = [masks.part(self._whole(job), request.read_mask) for job in found]
        return types.ListHyperparameterTuningJobsResponse(hyperparameter_tuning_jobs=jobs, next_page_token=token)

    def cancel_hyperparameter_tuning_job(self, request: types.CancelHyperparameterTuningJobRequest) -> empty_pb2.Empty:
        """Asynchronous; a job that has ended stays as it is. Trials that run are ended and INFEASIBLE."""
        job = self._rows.get(request.name)
        if self._rows.state(job) not in FINAL:
            self._rows.update(request.name, State.CANCELLING)
        with self._lock:
            search = self._searches.get(request.name)
        if search is not None:
            search.cancel()
        return empty_pb2.Empty()

    def delete_hyperparameter_tuning_job(
        self, request: types.DeleteHyperparameterTuningJobRequest
    ) -> operations_pb2.Operation:
        operation = self._rows.delete_ended(request.name)
        self._trials.delete_all(request.name)
        return operation

    def close(self) -> None:
        """Ends every search, and its trials."""
        with self._lock:
            searches = list(self._searches.values())
        for search in searches:
            search.close()
        for search in searches:
            search.join()

    def _ended(self, search: TuningRun, on_end: OnEnd | None) -> None:
        with self._lock:
            self._searches.pop(search.name, None)
        if on_end is not None:
            on_end(self._whole(self._rows.get(search.name)))

    def _whole(self, job: Job) -> Job:
        """With its trials."""
        job.trials = self._trials.of(job.name)
        return job

    def _fail_unfinished(self) -> None:
        for job in self._rows.unfinished():
            self._trials.end_all(job.name, RESTARTED)
        for job in self._rows.fail_unfinished():
            self._log.service(job.name, RESTARTED, "ERROR")
        shutil.rmtree(self._means.directory, ignore_errors=True)

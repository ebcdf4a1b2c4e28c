"""Vertex AI JobService: custom jobs, run by the training runtime."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, names
from gcpmlops.emulator.kernel.access import act_as
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.jobs import running, specs
from gcpmlops.emulator.services.jobs.log import JobLog
from gcpmlops.emulator.services.jobs.rows import FINAL, JobRows
from gcpmlops.emulator.services.jobs.runs import Runs
from gcpmlops.emulator.services.logging.writer import WriteLog

log = logging.getLogger(__name__)

OnEnd = Callable[[types.CustomJob], None]
"""Called once with a job that has ended, as it is stored."""


class TensorboardLogs(Protocol):
    """Takes in what a job with a TensorBoard writes into its log directory: `services/tensorboard`."""

    def check(self, parent: str, spec: types.CustomJobSpec) -> None:
        """Raises: NotFound for a TensorBoard that isn't there, InvalidArgument for one of another location."""
        ...

    def begin(self, job: types.CustomJob, folder: str, trial_of: types.HyperparameterTuningJob | None = None) -> None:
        """The job, or a trial as a job `JOB-TRIAL`, runs; its log directory is `folder`, a gs:// URI."""
        ...

    def end(self, job: types.CustomJob) -> None:
        """The job has run, which nobody has been told yet. Raises: what stood in the way of an upload."""
        ...


class Experiments(Protocol):
    """Knows the experiments that jobs log into: `services/metadata`."""

    def check(self, spec: types.CustomJobSpec) -> None:
        """Raises: NotFound for an experiment or run that isn't there."""
        ...

    def attach(self, job: types.CustomJob) -> str:
        """The run that a job logs into, made where the job names none."""
        ...


class CustomJobs(Service):
    """Custom jobs. What an earlier emulator left unfinished is FAILED with that reason.

    `tensorboards` follows the logs of jobs with a TensorBoard, `experiments` gives a run to those with an experiment;
    assign them before jobs are made.
    """

    proto = "google.cloud.aiplatform.v1.JobService"

    def __init__(self, context: Context, runs: Runs, write_log: WriteLog) -> None:
        super().__init__(context)
        self._runs = runs
        self._log = JobLog(write_log, context.settings)
        self._rows: JobRows[types.CustomJob] = JobRows(context, types.CustomJob, "customJobs")
        self._said: set[str] = set()
        self.tensorboards: TensorboardLogs | None = None
        self.experiments: Experiments | None = None
        self._rows.fail_unfinished()

    def create_custom_job(self, request: types.CreateCustomJobRequest) -> types.CustomJob:
        return self.create(request.parent, request.custom_job)

    def get_custom_job(self, request: types.GetCustomJobRequest) -> types.CustomJob:
        return self._rows.get(request.name)

    def list_custom_jobs(self, request: types.ListCustomJobsRequest) -> types.ListCustomJobsResponse:
        """Newest first."""
        found, token = self._rows.page(request)
        jobs = [masks.part(job, request.read_mask) for job in found]
        return types.ListCustomJobsResponse(custom_jobs=jobs, next_page_token=token)

    def cancel_custom_job(self, request: types.CancelCustomJobRequest) -> empty_pb2.Empty:
        """Asynchronous and best effort, as in the cloud: a job that has ended stays as it is."""
        self.cancel(request.name)
        return empty_pb2.Empty()

    def delete_custom_job(self, request: types.DeleteCustomJobRequest) -> operations_pb2.Operation:
        return self._rows.delete_ended(request.name)

    def create(self, parent: str, custom_job: types.CustomJob, on_end: OnEnd | None = None) -> types.CustomJob:
        """Stores and submits a job.

        Raises: InvalidArgument naming the field; NotFound for a missing bucket.
        """
        self.check(parent, custom_job)
        job = self._with_run(self._rows.insert(parent, custom_job))
        self._say_ignored(job)
        self._runs.submit(
            job.name,
            running.training_spec(job.name, job.job_spec, self.settings.project_number),
            self._on_state(job.name, on_end),
            self._on_line(job.name),
            max_wait_s=running.max_wait_s(job.job_spec),
        )
        return self._rows.get(job.name)

    def check(self, parent: str, custom_job: types.CustomJob) -> None:
        """Raises what `create` would, and stores nothing.

        A pipeline's job is created in the background: who makes the pipeline is asked here whether they may act as the
        account.
        """
        names.parse("projects/{project}/locations/{location}", parent)
        specs.check(custom_job)
        act_as(self.access, custom_job.job_spec.service_account, parent)
        if self.tensorboards is not None and custom_job.job_spec.tensorboard:
            self.tensorboards.check(parent, custom_job.job_spec)
        if self.experiments is not None:
            self.experiments.check(custom_job.job_spec)
        number = self.settings.project_number
        self._runs.check(running.training_spec(f"{parent}/customJobs/0", custom_job.job_spec, number))

    def _with_run(self, job: types.CustomJob) -> types.CustomJob:
        """A job of an experiment knows its run."""
        if self.experiments is None or not job.job_spec.experiment:
            return job
        run = self.experiments.attach(job)
        return self._rows.change(job.name, lambda row: setattr(row.job_spec, "experiment_run", run))

    def cancel(self, name: str) -> None:
        """Takes a job out of the queue, or asks it to stop; returns at once. Raises: NotFound."""
        if self._rows.state(self._rows.get(name)) not in (State.QUEUED, *FINAL):
            self._rows.update(name, State.CANCELLING)
        self._runs.cancel(name)

    def _on_state(self, name: str, on_end: OnEnd | None) -> Callable[[State, Exception | None], None]:
        def on_state(state: State, error: Exception | None) -> None:
            if state in FINAL:
                self._end(name, state, error, on_end)
                return
            self._log.state(name, state)
            if state is State.RUNNING:
                self._begin_logs(self._rows.update(name, state, start_time=self.clock.now()))
            elif state is not State.QUEUED:  # as which it was stored
                self._rows.update(name, state)

        return on_state

    def _end(self, name: str, state: State, error: Exception | None, on_end: OnEnd | None) -> None:
        self._end_logs(self._rows.get(name))
        self._log.state(name, state, error)
        job = self._rows.finish(name, state, error)
        if on_end is not None:
            on_end(job)

    def _begin_logs(self, job: types.CustomJob) -> None:
        if self.tensorboards is not None and job.job_spec.tensorboard:
            prefix = job.job_spec.base_output_directory.output_uri_prefix
            self.tensorboards.begin(job, f"{prefix.rstrip('/')}/logs/")

    def _end_logs(self, job: types.CustomJob) -> None:
        if self.tensorboards is None or not job.job_spec.tensorboard or job.start_time is None:
            return
        try:
            self.tensorboards.end(job)
        except Exception as error:
            log.exception("the TensorBoard logs of %s", job.name)
            self._log.service(job.name, f"The TensorBoard logs could not be uploaded: {error}", "WARNING")

    def _on_line(self, name: str) -> Callable[[str, str, str], None]:
        return lambda task, stream, text: self._log.line(name, task, stream, text)

    def _say_ignored(self, job: types.CustomJob) -> None:
        """Into the job's log what it will miss, and once into the emulator's what has no meaning here."""
        for note in running.notes(job.job_spec):
            self._log.service(job.name, note, "WARNING")
        fields = [field for field in running.ignored(job.job_spec) if field not in self._said]
        if fields:
            self._said.update(fields)
            log.info("kept, but without meaning on this machine: CustomJob %s", ", ".join(fields))

"""Vertex AI JobService: custom jobs, run by the training runtime (other kinds of jobs answer UNIMPLEMENTED)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import status_pb2

from gcpmlops.emulator.kernel import filters, names, paging
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.training import Training, TrainingJob
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services import job_specs
from gcpmlops.emulator.services.job_queue import JobQueue
from gcpmlops.emulator.services.logging.entries import WriteLog

log = logging.getLogger(__name__)

_PARENT = "projects/{project}/locations/{location}"
_NAME = _PARENT + "/customJobs/{job}"
_JobState: Any = types.JobState
_FINAL = {
    _JobState.JOB_STATE_SUCCEEDED,
    _JobState.JOB_STATE_FAILED,
    _JobState.JOB_STATE_CANCELLED,
    _JobState.JOB_STATE_EXPIRED,
}
_STATES = {state: getattr(_JobState, f"JOB_STATE_{state.value}") for state in State}
_SEVERITIES = {"stdout": "INFO", "stderr": "ERROR"}
_CANCELLED = status_pb2.Status(code=1, message="CANCELED")
_RESTARTED = "The emulator was restarted while the job ran."
_STOPPED = "The emulator was stopped while the job ran."


class JobService(Service):
    """Custom jobs. What an earlier emulator left unfinished is FAILED with that reason."""

    proto = "google.cloud.aiplatform.v1.JobService"

    def __init__(self, context: Context, training: Training, write_log: WriteLog) -> None:
        super().__init__(context)
        self._training = training
        self._write_log = write_log
        self._jobs: Any = self.store.collection(types.CustomJob)
        self._queue = JobQueue(self.settings.max_jobs)
        self._running: dict[str, TrainingJob] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._said: set[str] = set()
        self._fail_unfinished()

    def create_custom_job(self, request: types.CreateCustomJobRequest) -> types.CustomJob:
        names.parse(_PARENT, request.parent)
        job_specs.check(request.custom_job)
        job = types.CustomJob(request.custom_job)
        job.name = f"{request.parent}/customJobs/{names.new_id()}"
        job.state = _JobState.JOB_STATE_QUEUED
        job.create_time = job.update_time = self.clock.now()
        for output_only in ("start_time", "end_time", "error", "web_access_uris"):
            setattr(job, output_only, None)
        spec = job_specs.training_spec(job, self.settings.project_number)
        self._training.check(spec)
        self._say_ignored(job)
        self._jobs.insert(job.name, job, parent=request.parent)
        self._queue.submit(job.name, lambda: self._start(job.name))
        found: types.CustomJob = self._jobs.get(job.name)
        return found

    def get_custom_job(self, request: types.GetCustomJobRequest) -> types.CustomJob:
        names.parse(_NAME, request.name)
        found: types.CustomJob = self._jobs.get(request.name)
        return found

    def list_custom_jobs(self, request: types.ListCustomJobsRequest) -> types.ListCustomJobsResponse:
        """Newest first."""
        names.parse(_PARENT, request.parent)
        jobs = [job for job in reversed(self._jobs.list(request.parent)) if filters.matches(request.filter, job)]
        items, token = paging.page(jobs, request)
        return types.ListCustomJobsResponse(custom_jobs=items, next_page_token=token)

    def cancel_custom_job(self, request: types.CancelCustomJobRequest) -> empty_pb2.Empty:
        """Asynchronous and best effort, as in the cloud: a job that has ended stays as it is."""
        job = self.get_custom_job(types.GetCustomJobRequest(name=request.name))
        if self._queue.withdraw(job.name):
            self._finish(job.name, State.CANCELLED, None)
        elif job.state not in _FINAL:
            self._update(job.name, state=_JobState.JOB_STATE_CANCELLING)
            with self._lock:
                running = self._running.get(job.name)
            if running is not None:
                running.cancel()
        return empty_pb2.Empty()

    def delete_custom_job(self, request: types.DeleteCustomJobRequest) -> operations_pb2.Operation:
        job = self.get_custom_job(types.GetCustomJobRequest(name=request.name))
        if job.state not in _FINAL:
            raise exceptions.FailedPrecondition(
                f"{job.name} is in state {job.state.name} and can't be deleted: cancel it first."
            )
        self._jobs.delete(job.name)
        return self.operations.finished(
            parent=job.name.partition("/customJobs/")[0], metadata=types.DeleteOperationMetadata(), response=None
        )

    def close(self) -> None:
        """Ends what runs; those jobs are FAILED with the reason, those in the queue will be at the next start."""
        self._closing = True
        self._queue.clear()
        with self._lock:
            running = list(self._running.values())
        for job in running:
            job.cancel()
        for job in running:
            job.join()

    def _start(self, name: str) -> None:
        """A slot is free for the job."""
        job = self._jobs.get(name)
        self._update(name, state=_JobState.JOB_STATE_PENDING)
        spec = job_specs.training_spec(job, self.settings.project_number)
        with self._lock:
            running = self._running[name] = self._training.start(spec, self._on_state(name), self._on_line(name))
        if self._jobs.get(name).state == _JobState.JOB_STATE_CANCELLING:  # asked before it could be found
            running.cancel()

    def _on_state(self, name: str) -> Callable[[State, Exception | None], None]:
        def on_state(state: State, error: Exception | None) -> None:
            if state is State.RUNNING:
                self._update(name, state=_STATES[state], start_time=self.clock.now())
            elif state is not State.PENDING:
                self._ended(name, state, error)

        return on_state

    def _ended(self, name: str, state: State, error: Exception | None) -> None:
        try:
            if self._closing and state is State.CANCELLED:
                self._finish(name, State.FAILED, exceptions.Aborted(_STOPPED))
            else:
                self._finish(name, state, error)
        finally:
            with self._lock:
                self._running.pop(name, None)
            self._queue.released()

    def _finish(self, name: str, state: State, error: Exception | None) -> None:
        status = to_status(error) if error is not None else _CANCELLED if state is State.CANCELLED else None
        if error is not None:
            self._log(name, "service", "ERROR", str(getattr(error, "message", error)).partition("\n")[0])
        self._update(name, state=_STATES[state], end_time=self.clock.now(), error=status)

    def _update(self, name: str, **fields: Any) -> None:
        """Sets fields, but never takes a job out of a final state or from CANCELLING back to RUNNING."""

        def change(job: types.CustomJob) -> types.CustomJob:
            late = job.state == _JobState.JOB_STATE_CANCELLING and fields["state"] not in _FINAL
            if job.state not in _FINAL:
                kept = {key: value for key, value in fields.items() if not (late and key == "state")}
                for key, value in {**kept, "update_time": self.clock.now()}.items():
                    setattr(job, key, value)
            return job

        self._jobs.update(name, change)

    def _on_line(self, name: str) -> Callable[[str, str, str], None]:
        return lambda task, stream, text: self._log(name, task, _SEVERITIES[stream], text)

    def _log(self, name: str, task: str, severity: str, text: str) -> None:
        """One line of a job's log, in the form that Vertex AI gives it."""
        project = names.project_of(name)
        if project == str(self.settings.project_number):
            project = self.settings.project
        labels = {"job_id": name.rpartition("/")[2], "task_name": task, "project_id": project}
        payload = {"message": text, "levelname": severity, "attrs": {"tag": task}}
        self._write_log(f"projects/{project}/logs/{task}", ("ml_job", labels), severity, payload)

    def _say_ignored(self, job: types.CustomJob) -> None:
        fields = [field for field in job_specs.ignored(job.job_spec) if field not in self._said]
        if fields:
            self._said.update(fields)
            log.info("kept, but without meaning on this machine: CustomJob %s", ", ".join(fields))

    def _fail_unfinished(self) -> None:
        for job in self._jobs.list():
            if job.state not in _FINAL:
                self._finish(job.name, State.FAILED, exceptions.Aborted(_RESTARTED))

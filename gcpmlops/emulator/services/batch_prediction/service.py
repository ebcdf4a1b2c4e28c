"""Vertex AI JobService: batch prediction jobs."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, names
from gcpmlops.emulator.kernel.access import act_as
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.runtimes.cancellation import Cancelled
from gcpmlops.emulator.runtimes.process import OnLine
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.batch_prediction import checks
from gcpmlops.emulator.services.batch_prediction.explaining import spec_of
from gcpmlops.emulator.services.batch_prediction.run import Outcome, Run, Task
from gcpmlops.emulator.services.batch_prediction.served import JobServers, is_prebuilt, replicas
from gcpmlops.emulator.services.datasets.sources import Sources
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.jobs.log import JobLog
from gcpmlops.emulator.services.jobs.rows import FINAL, JobRows
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.model_rows import ModelRows

_AT_ONCE = 2
_TASK = "prediction-container"
_PROGRESS_S = 1.0  # how often a running job's counts are stored
_UNKNOWN = -1
_STOPPED = "The emulator was stopped while the job ran."


class BatchPredictionJobs(Service):
    """Each job has a model server of its own while it runs. What an earlier emulator left unfinished is FAILED."""

    proto = "google.cloud.aiplatform.v1.JobService"

    def __init__(
        self, context: Context, deployments: Deployments, artifacts: Artifacts, sources: Sources, write_log: WriteLog
    ) -> None:
        super().__init__(context)
        self._sources = sources
        self._models = ModelRows(context.store)
        self._servers = JobServers(deployments, artifacts, self._models)
        self._log = JobLog(write_log, context.settings)
        self._rows: JobRows[types.BatchPredictionJob] = JobRows(
            context, types.BatchPredictionJob, "batchPredictionJobs"
        )
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="batch")
        self._begun: set[str] = set()
        self._closing = False
        self._rows.fail_unfinished()

    def create_batch_prediction_job(self, request: types.CreateBatchPredictionJobRequest) -> types.BatchPredictionJob:
        names.parse("projects/{project}/locations/{location}", request.parent)
        act_as(self.access, request.batch_prediction_job.service_account, request.parent)
        version = checks.check(request.batch_prediction_job, self._models, self._sources)
        job = self._rows.insert(request.parent, _input_only(request.batch_prediction_job, version.version_id))
        self._log.state(job.name, State.QUEUED)
        self._pool.submit(self._run, job.name)
        return self._rows.get(job.name)

    def get_batch_prediction_job(self, request: types.GetBatchPredictionJobRequest) -> types.BatchPredictionJob:
        return self._rows.get(request.name)

    def list_batch_prediction_jobs(
        self, request: types.ListBatchPredictionJobsRequest
    ) -> types.ListBatchPredictionJobsResponse:
        """Newest first."""
        items, token = self._rows.page(request)
        shown = [masks.part(job, request.read_mask) for job in items]
        return types.ListBatchPredictionJobsResponse(batch_prediction_jobs=shown, next_page_token=token)

    def cancel_batch_prediction_job(self, request: types.CancelBatchPredictionJobRequest) -> empty_pb2.Empty:
        """Takes effect at once, a request under way is cut off; nothing is written. One that has ended stays so."""
        name = request.name
        self._rows.get(name)
        self._rows.update(name, State.CANCELLING)
        if name not in self._begun:
            self._end(name, State.CANCELLED)
        else:
            threading.Thread(target=self._servers.stop, args=(name,), name="batch-cancel", daemon=True).start()
        return empty_pb2.Empty()

    def delete_batch_prediction_job(self, request: types.DeleteBatchPredictionJobRequest) -> operations_pb2.Operation:
        """Of a job that has ended; its output stays."""
        return self._rows.delete_ended(request.name)

    def close(self) -> None:
        """Ends what runs: FAILED with that reason."""
        self._closing = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for name in list(self._begun):
            self._servers.stop(name)
        self._pool.shutdown(wait=True)

    def _run(self, name: str) -> None:
        self._begun.add(name)
        try:
            self._check(name)
            self._log.state(name, State.RUNNING)
            job = self._rows.update(name, State.RUNNING, start_time=self.clock.now())
            self._finish(name, Run(self._task(job), self._sources)())
        except Cancelled:
            self._end(name, State.CANCELLED)
        except Exception as error:  # noqa: BLE001 - it is the job's error
            self._failed(name, error)
        finally:
            self._begun.discard(name)

    def _task(self, job: types.BatchPredictionJob) -> Task:
        name, version = job.name, self._servers.version(job)
        return Task(
            job=job,
            model_name=self._servers.display_name(job),
            replicas=replicas(job),
            prebuilt=is_prebuilt(version, self.settings.images),
            check=lambda: self._check(name),
            progress=_Progress(self._rows, name),
            serve=lambda: self._servers.serving(job, self._on_line(job), started=lambda: self._check(name)),
            explained_by=spec_of(job, version) if job.generate_explanation else None,
        )

    def _on_line(self, job: types.BatchPredictionJob) -> OnLine:
        def on_line(stream: str, text: str) -> None:
            if not job.disable_container_logging:
                self._log.line(job.name, _TASK, stream, text)

        return on_line

    def _failed(self, name: str, error: Exception) -> None:
        if self._closing:
            self._end(name, State.FAILED, exceptions.Aborted(_STOPPED))
        elif self._rows.state(self._rows.get(name)) is State.CANCELLING:  # whose server was stopped for that
            self._end(name, State.CANCELLED)
        else:
            self._end(name, State.FAILED, error)

    def _end(self, name: str, state: State, error: Exception | None = None) -> None:
        if self._rows.state(self._rows.get(name)) not in FINAL:
            self._log.state(name, state, error)
            self._rows.finish(name, state, error)

    def _finish(self, name: str, outcome: Outcome) -> None:
        failures = [to_status(error) for error in outcome.failures]
        stats = types.CompletionStats(
            successful_count=outcome.succeeded,
            failed_count=outcome.failed,
            incomplete_count=_UNKNOWN if outcome.stopped else 0,
        )
        self._rows.update(name, output_info=outcome.output, completion_stats=stats, partial_failures=failures)
        first = f" The first error: {failures[0].message}" if failures else ""
        if outcome.stopped:
            self._end(name, State.FAILED, exceptions.InvalidArgument(f"{outcome.stopped}{first}"))
        elif outcome.failed and not outcome.succeeded:
            error = exceptions.InvalidArgument(f"All {outcome.failed} instances failed.{first}")
            self._end(name, State.FAILED, error)
        else:
            self._end(name, State.SUCCEEDED)

    def _check(self, name: str) -> None:
        if self._closing:
            raise exceptions.Aborted(_STOPPED)
        if self._rows.state(self._rows.get(name)) in (State.CANCELLING, State.CANCELLED):
            raise Cancelled


class _Progress:
    """Stores a running job's counts now and then."""

    def __init__(self, rows: JobRows[types.BatchPredictionJob], name: str) -> None:
        self._rows = rows
        self._name = name
        self._told = time.monotonic()

    def __call__(self, succeeded: int, failed: int) -> None:
        if time.monotonic() - self._told >= _PROGRESS_S:
            self._told = time.monotonic()
            stats = types.CompletionStats(successful_count=succeeded, failed_count=failed, incomplete_count=_UNKNOWN)
            self._rows.update(self._name, completion_stats=stats)


def _input_only(given: types.BatchPredictionJob, version_id: str) -> types.BatchPredictionJob:
    """Without what only the service may say."""
    job = types.BatchPredictionJob(given)
    raw = types.BatchPredictionJob.pb(job)
    for field in ("output_info", "partial_failures", "resources_consumed", "completion_stats"):
        raw.ClearField(field)
    job.model_version_id = version_id
    return job

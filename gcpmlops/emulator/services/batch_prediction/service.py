"""Vertex AI JobService: batch prediction jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, names
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.cancellation import Cancelled
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.batch_prediction import checks
from gcpmlops.emulator.services.batch_prediction.run import Outcome, Run
from gcpmlops.emulator.services.datasets.sources import Sources
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.jobs.rows import JobRows
from gcpmlops.emulator.services.model_rows import ModelRows

_AT_ONCE = 2
_DEPLOYED = "batch"
_STOPPED = "The emulator was stopped while the job ran."


class BatchPredictionJobs(Service):
    """Each job has a model server of its own while it runs. What an earlier emulator left unfinished is FAILED."""

    proto = "google.cloud.aiplatform.v1.JobService"

    def __init__(self, context: Context, deployments: Deployments, sources: Sources) -> None:
        super().__init__(context)
        self._deployments = deployments
        self._sources = sources
        self._models = ModelRows(context.store)
        self._rows: JobRows[types.BatchPredictionJob] = JobRows(
            context, types.BatchPredictionJob, "batchPredictionJobs"
        )
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="batch")
        self._running: set[str] = set()
        self._closing = False
        self._rows.fail_unfinished()

    def create_batch_prediction_job(self, request: types.CreateBatchPredictionJobRequest) -> types.BatchPredictionJob:
        names.parse("projects/{project}/locations/{location}", request.parent)
        version = checks.check(request.batch_prediction_job, self._models, self._sources)
        job = self._rows.insert(request.parent, _input_only(request.batch_prediction_job, version))
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
        """Takes effect between two batches; nothing is written then. A job that has ended stays as it is."""
        self._rows.get(request.name)
        self._rows.update(request.name, State.CANCELLING)
        return empty_pb2.Empty()

    def delete_batch_prediction_job(self, request: types.DeleteBatchPredictionJobRequest) -> operations_pb2.Operation:
        """Of a job that has ended; its output stays."""
        return self._rows.delete_ended(request.name)

    def close(self) -> None:
        """Ends what runs: FAILED with that reason."""
        self._closing = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for name in list(self._running):
            self._deployments.stop(name, _DEPLOYED, 0.0)
        self._pool.shutdown(wait=True)

    def _run(self, name: str) -> None:
        try:
            self._check(name)
            job = self._rows.update(name, State.RUNNING, start_time=self.clock.now())
            self._finish(name, self._predict(job))
        except Cancelled:
            self._rows.finish(name, State.CANCELLED)
        except Exception as error:  # noqa: BLE001 - it is the job's error
            self._rows.finish(name, State.FAILED, exceptions.Aborted(_STOPPED) if self._closing else error)

    def _predict(self, job: types.BatchPredictionJob) -> Outcome:
        model = job.model.partition("@")[0]
        deployed = types.DeployedModel(
            id=_DEPLOYED,
            model=model,
            model_version_id=job.model_version_id,
            disable_container_logging=job.disable_container_logging,
            dedicated_resources={"machine_spec": job.dedicated_resources.machine_spec},
        )
        server = self._deployments.start(job.name, deployed)
        self._running.add(job.name)
        try:
            display_name = self._models.head(model).display_name
            return Run(job, server, self._sources, lambda: self._check(job.name))(display_name)
        finally:
            self._running.discard(job.name)
            self._deployments.stop(job.name, _DEPLOYED, 0.0)

    def _finish(self, name: str, outcome: Outcome) -> None:
        stats = types.CompletionStats(successful_count=outcome.succeeded, failed_count=outcome.failed)
        failures = [to_status(error) for error in outcome.failures]
        fields: dict[str, Any] = {
            "output_info": outcome.output,
            "completion_stats": stats,
            "partial_failures": failures,
            "end_time": self.clock.now(),
        }
        if outcome.failed and not outcome.succeeded:
            what = f"All {outcome.failed} instances failed. The first error: {failures[0].message}"
            self._rows.update(name, **fields)
            self._rows.finish(name, State.FAILED, exceptions.InvalidArgument(what))
        else:
            self._rows.update(name, State.SUCCEEDED, **fields)

    def _check(self, name: str) -> None:
        if self._closing:
            raise exceptions.Aborted(_STOPPED)
        if self._rows.state(self._rows.get(name)) is State.CANCELLING:
            raise Cancelled


def _input_only(given: types.BatchPredictionJob, version: types.Model) -> types.BatchPredictionJob:
    """Without what only the service may say."""
    job = types.BatchPredictionJob(given)
    raw = types.BatchPredictionJob.pb(job)
    for field in ("output_info", "partial_failures", "resources_consumed", "completion_stats"):
        raw.ClearField(field)
    job.model_version_id = version.version_id
    return job

"""Batch predictions of Vertex AI: `submit` returns at once, `run` waits and shows how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from gcpmlops import _google, _staging
from gcpmlops._batches import request as batch_request
from gcpmlops._batches.outputs import InstanceError
from gcpmlops._batches.prediction import BatchPrediction, Counts
from gcpmlops._batches.request import Source
from gcpmlops._batches.settings import BatchRequest, BatchSettings
from gcpmlops._jobs.failures import failure
from gcpmlops._jobs.job import Job
from gcpmlops._jobs.logs import JobLogs, LogLine
from gcpmlops._models import files as model_files
from gcpmlops._models.model import Model
from gcpmlops._serving import Server
from gcpmlops._waiting import ended, interruptible
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, translated
from gcpmlops.types import GsUri, Path_, check_labels

if TYPE_CHECKING:
    from gcpmlops.bigquery import BigQuery, Table
    from gcpmlops.models import Models
    from gcpmlops.storage import Storage
    from gcpmlops.types import Rows

__all__ = ["BatchPrediction", "BatchPredictions", "BatchSettings", "Counts", "InstanceError"]

Instances: TypeAlias = "Path_ | Sequence[str] | Table | Rows"

_log = logging.getLogger("gcpmlops.batch_predictions")
_LIST_HINT = "See the jobs with `gcpmlops batch-predictions list`."


class BatchPredictions:
    """`client.batch_predictions`. API: Vertex AI v1 JobService (BatchPredictionJobs); Cloud Logging for the logs."""

    def __init__(self, clients: Clients, storage: Storage, bigquery: BigQuery, models: Models) -> None:
        self._clients = clients
        self._storage = storage
        self._bigquery = bigquery
        self._models = models

    def submit(
        self, model: str | Model | Job, *, source: Instances, **settings: Unpack[BatchSettings]
    ) -> BatchPrediction:
        """Start to predict every instance of a source, and return at once (CreateBatchPredictionJob).

        Args:
            model: `flights`, `flights@2`, `flights@champion`, an id, a full name, or a Model; or the training job that
                made a model which no registry has yet (unmanaged_container_model).
            source: gs:// URIs (one `*` in each is allowed), a table (`dataset.table`, bq://... or a Table), a local
                file, a DataFrame or a list of instances. The last three are put into the staging bucket; a DataFrame's
                columns go to the model as an array in their order, unless `instance_type` is "object".
            **settings: any of

                destination: a gs:// folder, or for tables `dataset`, `dataset.table` or bq://PROJECT; the staging
                    bucket otherwise. Files go into a new folder below it, tables are new.
                instances_format: jsonl, csv, bigquery, file-list, tf-record or tf-record-gzip; follows from the name.
                predictions_format: jsonl (as without it) or csv for files, bigquery for tables.
                display_name: the model's name otherwise.
                parameters: what is sent with every request.
                instance_type: "object" or "array": what the model gets of a row with named fields.
                key_field: is not sent; the output names instances by it.
                included_fields, excluded_fields: one of the two: which fields are sent; included ones in this order.
                machine_type, accelerator_type, accelerator_count: of a replica.
                replicas: so many servers share the work.
                batch_size: instances of one request (64 otherwise).
                explain: also feature attributions, for a model with an explanation specification.
                labels, service_account: as in the API.
                staging_bucket: where local data is put, and the output without a destination.
                server: image, env, ... of the container for a training job's model, as `models.upload` takes them.
                dry_run: nothing is put anywhere or started; the job returned has the request in `.proto`.

        Raises InvalidArgument, NotFound for a missing model or bucket.
        """
        request = BatchRequest(**settings)
        given = Source.of(source, request.instances_format, project=self._project)
        name = request.display_name or (model.rpartition("/")[2] if isinstance(model, str) else model.display_name)
        folder = self._folder(name, request, needed=request.destination is None or not given.is_there)
        job = _google.batch_prediction_job.BatchPredictionJob(
            display_name=name[:128],
            **self._predictor(model, request),
            output_config=batch_request.destination_of(
                request.destination or folder, request.predictions_format, project=self._project
            ),
            instance_config=batch_request.instance_config(given, request),
            dedicated_resources=batch_request.resources(request),
            manual_batch_tuning_parameters={"batch_size": request.batch_size or 0},
            generate_explanation=request.explain,
            labels=check_labels(request.labels),
            service_account=request.service_account or self._clients.config.account_for("serving") or "",
            **batch_request.parameters_value(request.parameters),
        )
        job.input_config = self._placed(given, folder, dry_run=request.dry_run).config()
        return BatchPrediction(job if request.dry_run else self._create(job), self)

    def _predictor(self, model: str | Model | Job, request: BatchRequest) -> dict[str, Any]:
        """The fields that say what predicts."""
        if not isinstance(model, Job):
            if request.server:
                raise InvalidArgument(
                    "a registered model has its server", field="server", allowed="with a training job as the model"
                )
            return {"model": model.versioned_name if isinstance(model, Model) else self._models.resolve(model)}
        with model_files.opened(model.model_dir, self._storage) as files:
            container = Server.of(model.model_dir, files.names, request.server).container()
        return {"unmanaged_container_model": {"artifact_uri": model.model_dir, "container_spec": container}}

    def run(
        self,
        model: str | Model | Job,
        *,
        source: Instances,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[BatchPrediction], None] | None = None,
        wait_timeout: float | None = None,
        **settings: Unpack[BatchSettings],
    ) -> BatchPrediction:
        """`submit` (same arguments), then wait for its end.

        Each log line goes to `on_log` as it comes; without one, to the logger gcpmlops.batch_predictions. `on_state`
        gets the job at each look. Ctrl-C ends the wait, not the job. Raises JobFailed with the cause, JobCancelled,
        DeadlineExceeded. Instances that failed alone are no failure: see `.counts` and `.errors()`.
        """
        job = self.submit(model, source=source, **settings)
        if settings.get("dry_run"):
            return job
        return job.wait(timeout=wait_timeout, on_log=on_log or _to_logger, on_state=on_state)

    def get(self, name: str) -> BatchPrediction:
        """The job, by full name or id (GetBatchPredictionJob). Raises NotFound."""
        with translated(f"batch prediction {name}", next_step=_LIST_HINT):
            proto = self._clients.jobs.get_batch_prediction_job(name=self._full(name), **self._clients.idempotent)
        return BatchPrediction(proto, self)

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[BatchPrediction], None] | None = None,
    ) -> BatchPrediction:
        """The job when it has ended; Ctrl-C ends the wait, not the job.

        Raises JobFailed with the cause and the last log lines, JobCancelled, DeadlineExceeded after `timeout` seconds.
        """
        full = self._full(name)
        with interruptible(full):
            job = ended(self._clients, lambda: self.get(full), timeout=timeout, on_log=on_log, on_state=on_state)
        error = failure(job.proto, JobLogs(self._clients, job.name))
        if error is not None:
            raise error
        return job

    def logs(self, name: str) -> Iterator[LogLine]:
        """The job's log lines so far, the model server's among them, oldest first (ListLogEntries). Raises NotFound."""
        yield from JobLogs(self._clients, self.get(name).name).new_lines()

    def errors(self, name: str) -> list[InstanceError]:
        """Every instance that failed. Raises NotFound, FailedPrecondition before there is an output."""
        return self.get(name).errors()

    def cancel(self, name: str) -> None:
        """Ask the job to stop (CancelBatchPredictionJob); `wait` to see it stopped. Raises NotFound."""
        with translated(f"batch prediction {name}", next_step=_LIST_HINT):
            self._clients.jobs.cancel_batch_prediction_job(name=self._full(name), **self._clients.idempotent)

    def delete(self, name: str) -> None:
        """Delete a job that has ended, and wait for it (DeleteBatchPredictionJob); its output stays.

        Raises NotFound, FailedPrecondition.
        """
        with translated(f"batch prediction {name}", next_step=_LIST_HINT):
            operation = self._clients.jobs.delete_batch_prediction_job(name=self._full(name), **self._clients.once)
        self._clients.finish(operation, timeout=self._clients.config.timeout, resource=f"batch prediction {name}")

    def list(self, *, filter: str | None = None, limit: int | None = None) -> list[BatchPrediction]:  # noqa: A002 - the API calls it so
        """The location's jobs, newest first (ListBatchPredictionJobs); `filter` as in the API: `labels.a="b"`."""
        request = _google.job_service.ListBatchPredictionJobsRequest(parent=self._clients.parent, filter=filter or "")
        jobs: list[BatchPrediction] = []
        with translated(f"batch predictions of {self._clients.parent}"):
            for proto in self._clients.jobs.list_batch_prediction_jobs(request=request, **self._clients.idempotent):
                jobs.append(BatchPrediction(proto, self))
                if limit is not None and len(jobs) >= limit:
                    break
        return jobs

    @property
    def _project(self) -> str:
        return self._clients.config.require("project")

    def _folder(self, name: str, request: BatchRequest, *, needed: bool) -> GsUri:
        make = needed and not request.dry_run
        if make:
            kind, bucket = "batch-predictions", request.staging_bucket
            return _staging.folder(self._clients, self._storage, kind, name, bucket=bucket)
        return _staging.new_folder(self._clients, "batch-predictions", name, bucket=request.staging_bucket)

    def _placed(self, source: Source, folder: GsUri, *, dry_run: bool) -> Source:
        """The same where the service can read it: what is at hand as an object in the folder."""
        if source.is_there:
            return source
        uri = str(folder / (source.file.name if source.file else "instances.jsonl"))
        if not dry_run:
            self._storage.upload(source.file or source.content(), destination=uri)
        return Source(source.format, uris=[uri])

    def _create(
        self, job: _google.batch_prediction_job.BatchPredictionJob
    ) -> _google.batch_prediction_job.BatchPredictionJob:
        with translated(f"batch prediction {job.display_name}"):
            return self._clients.jobs.create_batch_prediction_job(
                parent=self._clients.parent, batch_prediction_job=job, **self._clients.once
            )

    def _full(self, name: str) -> str:
        if name.startswith("projects/"):
            return name
        if not name or "/" in name:
            raise InvalidArgument(
                f"{name!r} is not a batch prediction", field="name", value=name, allowed="an id or the full name"
            )
        return f"{self._clients.parent}/batchPredictionJobs/{name}"


def _to_logger(line: LogLine) -> None:
    _log.info("%s", line.text)

"""Vertex AI JobService: model deployment monitoring jobs.

https://cloud.google.com/vertex-ai/docs/model-monitoring/using-model-monitoring
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.model_monitoring import checks
from gcpmlops.emulator.services.model_monitoring.rounds import Job, Rounds, Stats
from gcpmlops.emulator.services.model_monitoring.telling import Telling
from gcpmlops.emulator.services.model_monitoring.training_data import TrainingData
from gcpmlops.emulator.services.model_monitoring.windows import first, table_uri

log = logging.getLogger(__name__)

State = types.JobState
_OUTPUT_ONLY = (
    *("name", "state", "schedule_state", "latest_monitoring_pipeline_metadata", "bigquery_tables", "create_time"),
    *("update_time", "next_schedule_time", "error", "satisfies_pzs", "satisfies_pzi"),
)
_IMMUTABLE = (*_OUTPUT_ONLY, "endpoint", "encryption_spec", "stats_anomalies_base_directory")
_CONFIGS = "model_deployment_monitoring_objective_configs"
_PREDICT = types.ModelDeploymentMonitoringBigQueryTable(
    log_source="SERVING", log_type="PREDICT", request_response_logging_schema_version="v1"
)


class ModelDeploymentMonitoringJobs(Service):
    """Each endpoint has one job at most."""

    proto = "google.cloud.aiplatform.v1.JobService"

    def __init__(self, context: Context, rounds: Rounds, training: TrainingData, telling: Telling) -> None:
        super().__init__(context)
        self._rounds = rounds
        self._training = training
        self._telling = telling
        self._rows: Any = context.store.collection(Job)
        self._stats: Any = context.store.collection(Stats)
        self._endpoints: Any = context.store.collection(types.Endpoint)
        context.agenda.on_back.append(self._begin_again)

    def resume(self) -> None:
        """Goes on with the jobs that are stored: what became due meanwhile is looked at in order."""
        for job in self._rows.list():
            if job.state == State.JOB_STATE_RUNNING:
                self._rounds.appoint(job)

    def create_model_deployment_monitoring_job(self, request: types.CreateModelDeploymentMonitoringJobRequest) -> Job:
        """Answers a job that is PENDING; it is RUNNING a moment later, its first window ends at a full hour."""
        names.parse(checks.LOCATION, request.parent)
        validate.require(request, "model_deployment_monitoring_job.endpoint")
        job = Job(request.model_deployment_monitoring_job)
        endpoint = self._endpoint(request.parent, job.endpoint)
        checks.check(raw(job), raw(endpoint), self._training)
        with self.locks(job.endpoint):
            self._check_free(self._endpoints.get(job.endpoint))
            made: Job = self._insert(request.parent, job)
        for field in checks.unused(raw(job)):
            log.warning("%s: %s is kept and returned, but has no meaning in this emulator", job.name, field)
        self._rounds.begin(job)
        self._telling.event(raw(job), f"Model monitoring is set up: job {job.name}")
        return made

    def get_model_deployment_monitoring_job(self, request: types.GetModelDeploymentMonitoringJobRequest) -> Job:
        return self._get(request.name)

    def list_model_deployment_monitoring_jobs(
        self, request: types.ListModelDeploymentMonitoringJobsRequest
    ) -> types.ListModelDeploymentMonitoringJobsResponse:
        """Newest first."""
        names.parse(checks.LOCATION, request.parent)
        found = [job for job in reversed(self._rows.list(request.parent)) if filters.matches(request.filter, job)]
        jobs, token = paging.page(found, request)
        shown = [masks.part(job, request.read_mask) for job in jobs]
        return types.ListModelDeploymentMonitoringJobsResponse(
            model_deployment_monitoring_jobs=shown, next_page_token=token
        )

    def update_model_deployment_monitoring_job(
        self, request: types.UpdateModelDeploymentMonitoringJobRequest
    ) -> operations_pb2.Operation:
        """What the mask names; `objective_configs...` in it means all of them, as Google's clients send it."""
        given = request.model_deployment_monitoring_job
        validate.require(request, "model_deployment_monitoring_job.name", "update_mask.paths")
        job = self._get(given.name)
        mask = _whole(request.update_mask)
        changed = Job(job)
        masks.apply(mask, changed, given, immutable=_IMMUTABLE)
        checks.check(raw(changed), raw(self._endpoints.get(job.endpoint)), self._training)
        metadata = types.UpdateModelDeploymentMonitoringJobOperationMetadata()
        return self.operations.start(parent=job.name, metadata=metadata, run=lambda: self._update(given, mask, job))

    def pause_model_deployment_monitoring_job(
        self, request: types.PauseModelDeploymentMonitoringJobRequest
    ) -> empty_pb2.Empty:
        """No more looks, and nothing is logged for it. Raises FailedPrecondition for a job that does not run."""
        self._get(request.name)
        self._rows.update(request.name, _paused)
        self._rounds.end(request.name)
        return empty_pb2.Empty()

    def resume_model_deployment_monitoring_job(
        self, request: types.ResumeModelDeploymentMonitoringJobRequest
    ) -> empty_pb2.Empty:
        """From now on, as a new one. Raises FailedPrecondition for a job that is not paused."""
        job = self._get(request.name)
        if job.state != State.JOB_STATE_PAUSED:
            raise exceptions.FailedPrecondition(f"{job.name} is in state {job.state.name}: only a paused job resumes.")
        self._rounds.begin(job)
        return empty_pb2.Empty()

    def delete_model_deployment_monitoring_job(
        self, request: types.DeleteModelDeploymentMonitoringJobRequest
    ) -> operations_pb2.Operation:
        """A paused one, with its statistics; logged requests and files stay. Raises FailedPrecondition."""
        job = self._get(request.name)
        if job.state == State.JOB_STATE_RUNNING:
            raise exceptions.FailedPrecondition(f"{job.name} is running and can't be deleted: pause it first.")
        self._rounds.end(job.name)
        self._rows.delete(job.name)
        self._stats.delete_below(job.name)
        self._watch(job.endpoint, "")
        parent = job.name.partition("/modelDeploymentMonitoringJobs/")[0]
        return self.operations.finished(parent=parent, metadata=types.DeleteOperationMetadata(), response=None)

    def search_model_deployment_monitoring_stats_anomalies(
        self, request: types.SearchModelDeploymentMonitoringStatsAnomaliesRequest
    ) -> types.SearchModelDeploymentMonitoringStatsAnomaliesResponse:
        """One result for each objective, with every feature's history, oldest first."""
        name = request.model_deployment_monitoring_job
        self._get(name)
        validate.require(request, "deployed_model_id", "objectives")
        wanted = [objective.type_ for objective in request.objectives]
        rows = [row for row in self._stats.list(name) if row.deployed_model_id == request.deployed_model_id]
        found = [_merged([row for row in rows if row.objective == objective], request) for objective in wanted]
        page, token = paging.page([each for each in found if each is not None], request)
        return types.SearchModelDeploymentMonitoringStatsAnomaliesResponse(monitoring_stats=page, next_page_token=token)

    def _begin_again(self) -> None:
        """The clock was set back: what was to be looked at lies far ahead."""
        for job in self._rows.list():
            if job.state == State.JOB_STATE_RUNNING:
                self._rounds.begin(job)

    def _get(self, name: str) -> Job:
        names.parse(checks.JOB, name)
        found: Job = self._rows.get(name)
        return found

    def _endpoint(self, parent: str, name: str) -> types.Endpoint:
        names.parse(f"{checks.LOCATION}/endpoints/{{endpoint}}", name)
        if not name.startswith(f"{parent}/"):
            field = "model_deployment_monitoring_job.endpoint"
            raise validate.invalid(field, f"{name} is not in {parent}.")
        found: types.Endpoint = self._endpoints.get(name)
        return found

    def _check_free(self, endpoint: types.Endpoint) -> None:
        there = endpoint.model_deployment_monitoring_job
        if there and self._rows.find(there) is not None:
            raise exceptions.AlreadyExists(f"Endpoint {endpoint.name} is monitored already, by {there}.")

    def _insert(self, parent: str, job: Any) -> Any:
        for field in _OUTPUT_ONLY:
            raw(job).ClearField(field)
        now = self.clock.now()
        job.name = f"{parent}/modelDeploymentMonitoringJobs/{names.new_id()}"
        job.state, job.schedule_state = State.JOB_STATE_PENDING, Job.MonitoringScheduleState.OFFLINE
        job.create_time = job.update_time = now
        job.next_schedule_time = first(job, now)
        table = types.ModelDeploymentMonitoringBigQueryTable(_PREDICT)
        table.bigquery_table_path = table_uri(job.endpoint, names.project_of(job.name))
        job.bigquery_tables = [table]
        self._rows.insert(job.name, job, parent=parent)
        self._watch(job.endpoint, job.name)
        return job

    def _watch(self, endpoint: str, job: str) -> None:
        def change(row: types.Endpoint) -> types.Endpoint:
            row.model_deployment_monitoring_job = job
            return row

        if self._endpoints.find(endpoint) is not None:
            self._endpoints.update(endpoint, change)

    def _update(self, given: Job, mask: Any, before: Job) -> Job:
        def change(row: Job) -> Job:
            masks.apply(mask, row, given, immutable=_IMMUTABLE)
            row.update_time = self.clock.now()
            if row.model_deployment_monitoring_schedule_config != before.model_deployment_monitoring_schedule_config:
                row.next_schedule_time = first(row, self.clock.now())
            return row

        job: Job = self._rows.update(before.name, change)
        if job.state == State.JOB_STATE_RUNNING:
            self._rounds.appoint(job)
        self._telling.event(raw(job), f"The configuration of model monitoring job {job.name} has changed")
        return job


def _whole(mask: Any) -> Any:
    """The mask with `objective_configs`, and what is below them, as the whole field."""
    paths = [
        _CONFIGS if path.split(".")[0] in ("objective_configs", _CONFIGS) else path for path in masks.snake(mask).paths
    ]
    return type(mask)(paths=list(dict.fromkeys(paths)))


def _paused(row: Any) -> Any:
    if row.state != State.JOB_STATE_RUNNING:
        raise exceptions.FailedPrecondition(f"{row.name} is in state {row.state.name}: only a running job is paused.")
    row.state = State.JOB_STATE_PAUSED
    row.schedule_state = Job.MonitoringScheduleState.MONITORING_SCHEDULE_STATE_UNSPECIFIED
    row.next_schedule_time = None
    return row


def _merged(rows: Iterable[Stats], request: Any) -> Stats | None:
    """The windows of one objective within the request's time, as one message; None: there are none."""
    found: Stats | None = None
    features: dict[str, Any] = {}
    for row in rows:
        shown = [each for each in row.feature_stats if _is_wanted(each, request)]
        if not shown:
            continue
        if found is None:
            found = Stats(objective=row.objective, deployed_model_id=row.deployed_model_id)
        for each in shown:
            _add(features, each)
    if found is not None:
        found.feature_stats = list(features.values())
        found.anomaly_count = sum(
            0 < point.anomaly_detection_threshold < point.distribution_deviation
            for each in features.values()
            for point in each.prediction_stats
        )
    return found


def _add(features: dict[str, Any], each: Any) -> None:
    known = features.get(each.feature_display_name)
    if known is None:
        features[each.feature_display_name] = each
    else:
        known.prediction_stats.extend(each.prediction_stats)
        known.threshold = each.threshold


def _is_wanted(each: Any, request: Any) -> bool:
    if request.feature_display_name and each.feature_display_name != request.feature_display_name:
        return False
    end = each.prediction_stats[0].end_time
    after = request.start_time is None or end >= request.start_time
    return after and (request.end_time is None or end <= request.end_time)

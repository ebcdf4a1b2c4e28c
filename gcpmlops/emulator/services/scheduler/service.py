"""google.cloud.scheduler.v1.CloudScheduler."""

from __future__ import annotations

from typing import Any

from google.cloud.scheduler_v1 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, names, paging
from gcpmlops.emulator.kernel.access import act_as
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.scheduler import checks
from gcpmlops.emulator.services.scheduler.checks import ENABLED, PAUSED
from gcpmlops.emulator.services.scheduler.timetable import Timetable, reschedule

_OUTPUT_ONLY = ("name", "user_update_time", "state", "status", "schedule_time", "last_attempt_time")
_PARENT = "projects/{project}/locations/{location}"
_PAGE = 500


class CloudScheduler(Service):
    """Jobs; `Timetable` runs them."""

    proto = "google.cloud.scheduler.v1.CloudScheduler"

    def __init__(self, context: Context, timetable: Timetable) -> None:
        super().__init__(context)
        self._rows: Any = context.store.collection(types.Job)
        self._timetable = timetable

    def list_jobs(self, request: types.ListJobsRequest) -> types.ListJobsResponse:
        names.parse(_PARENT, request.parent)
        jobs, token = paging.page(self._rows.list(request.parent), request, default=_PAGE, maximum=_PAGE)
        return types.ListJobsResponse(jobs=jobs, next_page_token=token)

    def get_job(self, request: types.GetJobRequest) -> types.Job:
        return self._get(request.name)

    def create_job(self, request: types.CreateJobRequest) -> types.Job:
        names.parse(_PARENT, request.parent)
        job = types.Job(request.job)
        job.name = job.name or f"{request.parent}/jobs/{names.new_id()}"
        if not job.name.startswith(f"{request.parent}/jobs/"):
            raise invalid("job.name", f"{job.name} is not below {request.parent}.")
        for field in _OUTPUT_ONLY[1:]:
            setattr(job, field, None)
        checks.completed(job)
        self._act_as(job)
        job.state, job.user_update_time = ENABLED, self.clock.now()
        reschedule(job, after=self.clock.now())
        self._rows.insert(job.name, job, parent=request.parent)
        self._timetable.keep(job)
        return job

    def _act_as(self, job: types.Job) -> None:
        """Whoever makes a job call as an account must be allowed to act as it."""
        target = job.http_target
        for token in (target.oidc_token, target.oauth_token):
            act_as(self.access, token.service_account_email, job.name)

    def update_job(self, request: types.UpdateJobRequest) -> types.Job:
        self._get(request.job.name)
        self._act_as(request.job)

        def change(job: types.Job) -> None:
            before = (job.schedule, job.time_zone)
            mask = request.update_mask if request.update_mask.paths else None
            kept = _maps(job)
            masks.apply(mask, job, request.job, immutable=_OUTPUT_ONLY)
            _merge_maps(job, request, kept)
            checks.completed(job)
            job.user_update_time = self.clock.now()
            if (job.schedule, job.time_zone) != before:
                reschedule(job, after=self.clock.now())

        return self._change(request.job.name, change)

    def delete_job(self, request: types.DeleteJobRequest) -> empty_pb2.Empty:
        self._get(request.name)
        self._rows.delete(request.name)
        self._timetable.drop(request.name)
        return empty_pb2.Empty()

    def pause_job(self, request: types.PauseJobRequest) -> types.Job:
        def change(job: types.Job) -> None:
            checks.require_state(job, ENABLED)
            job.state = PAUSED

        return self._change(request.name, change)

    def resume_job(self, request: types.ResumeJobRequest) -> types.Job:
        """Runs that were missed meanwhile are not made up for."""

        def change(job: types.Job) -> None:
            checks.require_state(job, PAUSED)
            job.state = ENABLED
            reschedule(job, after=self.clock.now())

        return self._change(request.name, change)

    def run_job(self, request: types.RunJobRequest) -> types.Job:
        job = self._get(request.name)
        self._timetable.force(job.name)
        return job

    def _get(self, name: str) -> types.Job:
        names.parse(checks.JOB, name)
        job: types.Job = self._rows.get(name)
        return job

    def _change(self, name: str, change: Any) -> types.Job:
        names.parse(checks.JOB, name)
        with self.locks(name):  # the timetable hears of changes in their order
            job: types.Job = self._rows.update(name, change)
            self._timetable.keep(job)
        return job


def _maps(job: types.Job) -> dict[str, dict[str, str]]:
    return {
        "http_target.headers": dict(job.http_target.headers),
        "app_engine_http_target.headers": dict(job.app_engine_http_target.headers),
        "pubsub_target.attributes": dict(job.pubsub_target.attributes),
    }


def _merge_maps(job: types.Job, request: types.UpdateJobRequest, before: dict[str, dict[str, str]]) -> None:
    """Entries that an update gives are laid over those that are there, as gcloud expects; none clears them all."""
    for path in masks.snake(request.update_mask).paths:
        target, _, field = path.partition(".")
        entries = before.get(path)
        if entries and target in job and getattr(getattr(request.job, target), field):
            given = dict(getattr(getattr(request.job, target), field))
            setattr(getattr(job, target), field, entries | given)

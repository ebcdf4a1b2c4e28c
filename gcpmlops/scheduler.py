"""Jobs of Cloud Scheduler: calls of a URL, or messages to a topic, at the times of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gcpmlops._durations import Duration
from gcpmlops._scheduler.jobs import ScheduledJob as ScheduledJob
from gcpmlops._scheduler.requests import (
    Retries as Retries,
)
from gcpmlops._scheduler.requests import Target, check_id, check_schedule, check_time_zone, deadline
from gcpmlops.clients import Clients
from gcpmlops.exceptions import AlreadyExists, NotFound, translated

if TYPE_CHECKING:
    from gcpmlops._google import scheduler_job

__all__ = ["Retries", "ScheduledJob", "Scheduler"]

_HINT = "See the jobs with `gcpmlops scheduler list`."
_CHANGED = ("schedule", "time_zone", "description", "retry_config")


class Scheduler:
    """`client.scheduler`. API: Cloud Scheduler v1.

    Wherever a job is named, its id or its full resource name does; an id is of the client's project and location.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def ensure_job(
        self,
        name: str,
        *,
        schedule: str,
        time_zone: str = "Etc/UTC",
        http: str | None = None,
        topic: str | None = None,
        http_method: str = "POST",
        body: bytes | str | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        service_account: str | None = None,
        audience: str | None = None,
        retries: int | Retries = 0,
        attempt_deadline: Duration = "3m",
        description: str = "",
    ) -> ScheduledJob:
        """A job that calls `http`, or publishes to `topic`, made or changed to this (jobs.create, jobs.patch).

        A job that is paused stays so.

        Args:
            name: the job's id.
            schedule: unix-cron, such as "0 6 * * 1-5", by the clock of `time_zone`.
            time_zone: a name of the tz database. In UTC no time is ever skipped or repeated.
            http: the URL to call.
            topic: id or full name of the topic, instead.
            http_method: POST, GET, HEAD, PUT, DELETE, PATCH or OPTIONS.
            body: of the call or the message; a mapping is sent as JSON.
            headers: of the call.
            attributes: of the message.
            service_account: whose token the call carries: an access token to *.googleapis.com, else an identity token.
            audience: of the identity token; default the URL.
            retries: further attempts after a failed one, 5 at most, or `Retries` with its pauses.
            attempt_deadline: how long a call may take, 15 s to 30 min.
            description: for people, 500 characters at most.

        Raises InvalidArgument, before anything is asked where that is certain; PermissionDenied.
        """
        from gcpmlops._google import scheduler_job

        config = retries if isinstance(retries, Retries) else Retries(count=retries)
        target = Target(http, topic, http_method, body, headers or {}, attributes or {}, service_account, audience)
        job = scheduler_job.Job(
            name=self._resolve(name),
            schedule=check_schedule(schedule),
            time_zone=check_time_zone(time_zone),
            description=description,
            retry_config=config.message(),
            **target.message(self._clients.config.require("project")),
        )
        if http is not None:
            job.attempt_deadline = deadline(attempt_deadline)
        try:
            return self._update(job)
        except NotFound:
            return self._create(job)

    def get(self, name: str) -> ScheduledJob:
        """The job (jobs.get). Raises NotFound."""
        full = self._resolve(name)
        with translated(full, next_step=_HINT):
            return ScheduledJob(self._clients.scheduler.get_job(name=full, **self._clients.idempotent))

    def list(self) -> list[ScheduledJob]:
        """All jobs of the location (jobs.list)."""
        parent = self._clients.parent
        with translated(parent):
            return [
                ScheduledJob(job)
                for job in self._clients.scheduler.list_jobs(parent=parent, **self._clients.idempotent)
            ]

    def pause(self, name: str) -> ScheduledJob:
        """It does not run until it is resumed; a job that is paused stays so (jobs.pause). Raises NotFound."""
        job = self.get(name)
        if job.state == "PAUSED":
            return job
        with translated(job.name):
            return ScheduledJob(self._clients.scheduler.pause_job(name=job.name, **self._clients.once))

    def resume(self, name: str) -> ScheduledJob:
        """It runs again, from its next time on; a job that is enabled stays so (jobs.resume). Raises NotFound."""
        job = self.get(name)
        if job.state == "ENABLED":
            return job
        with translated(job.name):
            return ScheduledJob(self._clients.scheduler.resume_job(name=job.name, **self._clients.once))

    def run(self, name: str) -> ScheduledJob:
        """It runs now, whatever its schedule; returns before that has ended (jobs.run). Raises NotFound."""
        full = self._resolve(name)
        with translated(full, next_step=_HINT):
            return ScheduledJob(self._clients.scheduler.run_job(name=full, **self._clients.once))

    def delete(self, name: str) -> None:
        """It is gone (jobs.delete). Raises NotFound."""
        full = self._resolve(name)
        with translated(full, next_step=_HINT):
            self._clients.scheduler.delete_job(name=full, **self._clients.once)

    def _resolve(self, name: str) -> str:
        """The full resource name. Raises InvalidArgument."""
        return name if name.startswith("projects/") else f"{self._clients.parent}/jobs/{check_id(name)}"

    def _update(self, job: scheduler_job.Job) -> ScheduledJob:
        kind = "http_target" if "http_target" in job else "pubsub_target"
        paths = [*_CHANGED, kind, *(["attempt_deadline"] if kind == "http_target" else [])]
        with translated(job.name):
            return ScheduledJob(
                self._clients.scheduler.update_job(job=job, update_mask={"paths": paths}, **self._clients.idempotent)
            )

    def _create(self, job: scheduler_job.Job) -> ScheduledJob:
        parent = job.name.rpartition("/jobs/")[0]
        try:
            with translated(job.name):
                return ScheduledJob(self._clients.scheduler.create_job(parent=parent, job=job, **self._clients.once))
        except AlreadyExists:  # somebody else was quicker
            return self._update(job)

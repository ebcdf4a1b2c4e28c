"""What a retraining is made of on Google Cloud: one function, a schedule for each trigger, a topic for alerts."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops import _staging
from gcpmlops._retraining import source
from gcpmlops._retraining.alerts import Alerts
from gcpmlops._retraining.recipe import Recipe
from gcpmlops._retraining.timeline import Event
from gcpmlops._retraining.triggers import KINDS, OnAlert, cron_of
from gcpmlops._scheduler.requests import check_schedule, check_time_zone
from gcpmlops.exceptions import NotFound
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops.clients import Clients
    from gcpmlops.functions import Functions
    from gcpmlops.monitoring import Monitoring
    from gcpmlops.scheduler import Scheduler

FUNCTION = "gcpmlops-retraining"
_TICK = "*/10 * * * *"
_CALL = 1800  # seconds: the longest that Cloud Scheduler waits
_FUNCTION = 3600  # seconds: the longest that a function may take
WORK = "work"
_PASSED_ON = ("staging_bucket", "service_account", "serving_service_account")  # settings that the function has as well


@dataclass(frozen=True)
class Wiring:
    """Makes, changes and removes the parts."""

    clients: Clients
    functions: Functions
    scheduler: Scheduler
    monitoring: Monitoring

    def deploy(self, *, runtime: str, memory: str) -> str:
        """The one function of all retrainings of the project and location; its URL. Unchanged source is left alone."""
        config = self.clients.config
        env = {"GCPMLOPS_LOCATION": config.location, "GOOGLE_CLOUD_PROJECT": config.require("project")}
        for name in _PASSED_ON:
            if value := getattr(config, name):
                env[f"GCPMLOPS_{name.upper()}"] = value
        with tempfile.TemporaryDirectory(prefix="gcpmlops-function-") as folder:
            made = self.functions.deploy(
                FUNCTION,
                source=source.write(Path(folder)),
                entry_point="retrain",
                runtime=runtime,
                memory=memory,
                timeout=_FUNCTION,
                env=env,
                service_account=config.account_for("retraining"),
                # a project's set-up has given its scheduler account the role already
                invokers=[] if config.scheduler_service_account else [f"serviceAccount:{self._caller}"],
            )
        return made.url

    def connect(self, recipe: Recipe, url: str) -> list[str]:
        """A schedule for each trigger that is looked at by the clock, and what brings alerts; the schedules' names."""
        names = [self._schedule(recipe, url, *each) for each in self._schedules(recipe)]
        policies = [each.policy for each in recipe.triggers if isinstance(each, OnAlert)]
        if policies:
            self._alerts.listen(recipe.name, url, policies)
        else:
            self._alerts.stop(recipe.name)
        for job in self.scheduler.list():
            if _is_of(job.id, recipe.name) and job.id not in names:
                self.scheduler.delete(job.id)
        return names

    def check(self, recipe: Recipe) -> None:
        """Whether `connect` could: before anything is changed. Raises InvalidArgument, NotFound for an alert policy."""
        for _, cron, zone, _ in self._schedules(recipe):
            check_schedule(cron)
            check_time_zone(zone)
        for trigger in recipe.triggers:
            if isinstance(trigger, OnAlert):
                self._alerts.policy(trigger.policy)

    def pause(self, name: str) -> None:
        """Nothing sets it off any more, but people; what is under way is ended."""
        for job in self._jobs(name):
            if job != tick(name):
                self.scheduler.pause(job)

    def resume(self, name: str) -> None:
        """The other way."""
        for job in self._jobs(name):
            if job != tick(name):
                self.scheduler.resume(job)

    def remove(self, name: str) -> None:
        """The schedules, and what brings alerts; the function stays, others use it."""
        for job in self._jobs(name):
            self.scheduler.delete(job)
        self._alerts.stop(name)

    def incidents(self, model: str, *, since: datetime) -> Iterator[Event]:
        """What alerts about this model opened since then, and closed."""
        for each in self.monitoring.incidents(since=since):
            if each.labels.get("model") != model:
                continue
            about = ", ".join(
                f"{key}={value}" for key, value in sorted(each.labels.items()) if key != "model" and value
            )
            yield Event(each.opened, "INCIDENT_OPENED", f"{each.policy}: {about}", facts={"incident": each.name})
            if each.closed is not None:
                yield Event(each.closed, "INCIDENT_CLOSED", f"{each.policy}: {about}", facts={"incident": each.name})

    def kick(self, name: str) -> None:
        """Has the function look now for what is left to do, without waiting for it."""
        self.scheduler.run(tick(name))

    def ticking(self, name: str, on: bool) -> None:
        """Whether the function looks every ten minutes for what is left to do."""
        try:
            (self.scheduler.resume if on else self.scheduler.pause)(tick(name))
        except NotFound:
            return  # deleted meanwhile

    def _schedules(self, recipe: Recipe) -> Iterator[tuple[str, str, str, str]]:
        """Id, cron, time zone, and which trigger is meant."""
        yield tick(recipe.name), _TICK, "UTC", WORK
        for index, trigger in enumerate(recipe.triggers):
            when = cron_of(trigger)
            if when is not None:
                yield f"retraining-{recipe.name}-{index}-{trigger.kind}", *when, str(index)

    def _schedule(self, recipe: Recipe, url: str, job: str, cron: str, zone: str, which: str) -> str:
        new = job == tick(recipe.name) and not self._exists(job)
        self.scheduler.ensure_job(
            job,
            schedule=cron,
            time_zone=zone,
            http=url,
            body={"retraining": recipe.name, "trigger": which},
            service_account=self._caller,
            attempt_deadline=_CALL,
            description=f"gcpmlops: retraining {recipe.name}",
        )
        if new:
            self.scheduler.pause(job)
        return job

    def _exists(self, job: str) -> bool:
        try:
            self.scheduler.get(job)
        except NotFound:
            return False
        return True

    @property
    def _alerts(self) -> Alerts:
        bucket = self.clients.config.staging_bucket or _staging.default_bucket(self.clients)
        return Alerts(self.clients, self.monitoring, self._caller, GsUri.parse(bucket).bucket)

    def _jobs(self, name: str) -> list[str]:
        return [job.id for job in self.scheduler.list() if _is_of(job.id, name)]

    @property
    def _caller(self) -> str:
        """The service account whose token calls carry: the configured one, else the caller, where that is one.

        Raises ConfigError where neither is.
        """
        account = self.clients.config.account_for("scheduler") or self.clients.caller
        return account if account.endswith(".gserviceaccount.com") else self.clients.config.require("service_account")


def tick(name: str) -> str:
    """The schedule that goes on with what is left to do."""
    return f"retraining-{name}-{WORK}"


def _is_of(job: str, name: str) -> bool:
    return re.fullmatch(rf"retraining-{re.escape(name)}-({WORK}|\d+-({'|'.join(KINDS)}))", job) is not None

"""What a retraining is made of on Google Cloud: one function, a schedule for each trigger, a topic for alerts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops._retraining import source
from gcpmlops._retraining.recipe import Recipe
from gcpmlops._retraining.timeline import Event
from gcpmlops._retraining.triggers import OnAlert, cron_of
from gcpmlops.exceptions import NotFound, translated

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
        if config.staging_bucket:
            env["GCPMLOPS_STAGING_BUCKET"] = config.staging_bucket
        with tempfile.TemporaryDirectory(prefix="gcpmlops-function-") as folder:
            made = self.functions.deploy(
                FUNCTION,
                source=source.write(Path(folder)),
                entry_point="retrain",
                runtime=runtime,
                memory=memory,
                timeout=_FUNCTION,
                env=env,
                service_account=config.service_account,
                invokers=[f"serviceAccount:{self._caller}"],
            )
        return made.url

    def connect(self, recipe: Recipe, url: str) -> list[str]:
        """A schedule for each trigger that is looked at by the clock, and what brings alerts; the schedules' names."""
        names = [self._schedule(recipe, url, *each) for each in self._schedules(recipe)]
        for index, trigger in enumerate(recipe.triggers):
            if isinstance(trigger, OnAlert):
                self._listen(recipe, url, index, trigger)
        for job in self.scheduler.list():
            if _is_of(job.id, recipe.name) and job.id not in names:
                self.scheduler.delete(job.id)
        return names

    def pause(self, name: str) -> None:
        """Nothing sets it off any more, but people."""
        for job in self._jobs(name):
            self.scheduler.pause(job)

    def resume(self, name: str) -> None:
        """The other way; the tick stays as it is."""
        for job in self._jobs(name):
            if job != tick(name):
                self.scheduler.resume(job)

    def remove(self, name: str) -> None:
        """The schedules, topic and subscription; the function stays, others use it."""
        for job in self._jobs(name):
            self.scheduler.delete(job)
        project = self.clients.config.require("project")
        for delete, field, resource in (
            (
                self.clients.subscriber.delete_subscription,
                "subscription",
                f"projects/{project}/subscriptions/{topic(name)}",
            ),
            (self.clients.publisher.delete_topic, "topic", f"projects/{project}/topics/{topic(name)}"),
        ):
            try:
                with translated(resource):
                    delete(request={field: resource}, **self.clients.once)
            except NotFound:
                continue  # only a retraining that listens to alerts has them

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
        (self.scheduler.resume if on else self.scheduler.pause)(tick(name))

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

    def _listen(self, recipe: Recipe, url: str, index: int, trigger: OnAlert) -> None:
        """Alert policy -> Pub/Sub channel -> topic -> push subscription -> function."""
        from gcpmlops.monitoring import PubSub

        project = self.clients.config.require("project")
        name = f"projects/{project}/topics/{topic(recipe.name)}"
        self._ensure(self.clients.publisher.create_topic, {"name": name})
        push: dict[str, Any] = {
            "push_endpoint": f"{url}?retraining={recipe.name}&trigger={index}",
            "oidc_token": {"service_account_email": self._caller, "audience": url},
        }
        subscription = f"projects/{project}/subscriptions/{topic(recipe.name)}"
        request = {"name": subscription, "topic": name, "push_config": push, "ack_deadline_seconds": 600}
        self._ensure(self.clients.subscriber.create_subscription, request)
        channel = self.monitoring.ensure_channel(f"retraining {recipe.name}", PubSub(topic=name))
        self._add_channel(trigger.policy, channel.name)

    def _add_channel(self, policy: str, channel: str) -> None:
        parent = f"projects/{self.clients.config.require('project')}"
        with translated(f"alert policy {policy}", next_step="Make it with client.monitoring.ensure_alert."):
            listed = self.clients.alert_policies.list_alert_policies(
                request={"name": parent, "filter": f'display_name="{policy}"'}, **self.clients.idempotent
            )
            found = next(iter(listed), None)
            if found is None:
                raise NotFound(f"there is no alert policy {policy!r}", resource=policy)
            if channel not in found.notification_channels:
                found.notification_channels.append(channel)
                mask = {"paths": ["notification_channels"]}
                self.clients.alert_policies.update_alert_policy(
                    request={"alert_policy": found, "update_mask": mask}, **self.clients.once
                )

    def _ensure(self, create: Any, request: dict[str, Any]) -> None:
        from google.api_core.exceptions import AlreadyExists

        with translated(request["name"]):
            try:
                create(request=request, **self.clients.once)
            except AlreadyExists:
                return  # as it should be

    def _jobs(self, name: str) -> list[str]:
        return [job.id for job in self.scheduler.list() if _is_of(job.id, name)]

    @property
    def _caller(self) -> str:
        """The service account whose token calls carry: the configured one, else the caller, where that is one.

        Raises ConfigError where neither is.
        """
        account = self.clients.config.service_account or self.clients.caller
        return account if account.endswith(".gserviceaccount.com") else self.clients.config.require("service_account")


def tick(name: str) -> str:
    """The schedule that goes on with what is left to do."""
    return f"retraining-{name}-{WORK}"


def topic(name: str) -> str:
    """Where alerts are published for it."""
    return f"retraining-{name}-alerts"


def _is_of(job: str, name: str) -> bool:
    rest = job.removeprefix(f"retraining-{name}-")
    return rest != job and (rest == WORK or rest.partition("-")[0].isdigit())

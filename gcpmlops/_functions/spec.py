"""What a function is to be, as Google's message; and whether it is that already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gcpmlops._durations import Duration, seconds_of
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    from gcpmlops._google import functions_types

Event = Literal["finalized", "deleted", "archived", "metadataUpdated"]
SOURCE_LABEL = "gcpmlops-source"
EVENTS = ("finalized", "deleted", "archived", "metadataUpdated")
_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MEMORY = re.compile(r"(\d+)\s*(k|ki|m|mi|g|gi)?b?", re.IGNORECASE)


@dataclass(frozen=True)
class Spec:
    """The arguments of `deploy` that shape the function."""

    entry_point: str
    runtime: str
    topic: str | None = None
    bucket: str | None = None
    event: Event = "finalized"
    retry: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: Duration = 60.0
    memory: str | None = None
    cpu: str | None = None
    concurrency: int | None = None
    min_instances: int = 0
    max_instances: int | None = None
    service_account: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    def check(self, name: str) -> None:
        """Raises InvalidArgument for what can't be right."""
        if not _ID.fullmatch(name):
            allowed = "63 lower-case letters, digits and - at most, a letter first"
            raise InvalidArgument(f"name: {name!r} is not allowed", field="name", value=name, allowed=allowed)
        if not self.entry_point.isidentifier():
            raise InvalidArgument(
                f"entry_point: {self.entry_point!r} is no name of a Python function", field="entry_point"
            )
        if self.topic and self.bucket:
            raise InvalidArgument("topic and bucket: a function has one trigger", field="topic", allowed="one of them")
        if self.event not in EVENTS:
            raise InvalidArgument(field="event", value=self.event, allowed=", ".join(EVENTS))
        seconds = seconds_of(self.timeout, field="timeout")
        limit = 540 if self.topic or self.bucket else 3600
        if not 1 <= seconds <= limit:
            raise InvalidArgument(field="timeout", value=self.timeout, allowed=f"1 s to {limit} s for this trigger")
        if self.memory and not _MEMORY.fullmatch(self.memory.strip()):
            raise InvalidArgument(field="memory", value=self.memory, allowed="such as 256M, 512Mi, 1Gi")
        if self.max_instances is not None and self.min_instances > self.max_instances:
            raise InvalidArgument(field="min_instances", value=self.min_instances, allowed="at most max_instances")

    def message(self, name: str, *, project: str, location: str, digest: str) -> functions_types.Function:
        """The function, without its source."""
        from gcpmlops._google import functions_types as types

        labels = {**self.labels, **({SOURCE_LABEL: digest} if digest else {})}
        function = types.Function(name=name, description=self.description, labels=labels)
        types.Function.pb(function).environment = types.Environment.GEN_2
        function.build_config = types.BuildConfig(runtime=self.runtime, entry_point=self.entry_point)
        function.service_config = self._service(types)
        if self.topic or self.bucket:
            function.event_trigger = self._trigger(types, project, location)
        return function

    def _service(self, types: Any) -> Any:
        config = types.ServiceConfig(
            timeout_seconds=round(seconds_of(self.timeout, field="timeout")),
            environment_variables=dict(self.env),
            min_instance_count=self.min_instances,
            all_traffic_on_latest_revision=True,
        )
        optional = {
            "available_memory": self.memory.strip() if self.memory else None,
            "available_cpu": self.cpu,
            "max_instance_request_concurrency": self.concurrency,
            "max_instance_count": self.max_instances,
            "service_account_email": self.service_account,
        }
        for key, value in optional.items():
            if value is not None:
                setattr(config, key, value)
        return config

    def _trigger(self, types: Any, project: str, location: str) -> Any:
        policy = types.EventTrigger.RetryPolicy
        retry = policy.RETRY_POLICY_RETRY if self.retry else policy.RETRY_POLICY_DO_NOT_RETRY
        trigger = types.EventTrigger(trigger_region=location, retry_policy=retry)
        if self.service_account:
            trigger.service_account_email = self.service_account
        if self.topic:
            trigger.event_type = _PUBLISHED
            topic = self.topic
            trigger.pubsub_topic = topic if topic.startswith("projects/") else f"projects/{project}/topics/{topic}"
        else:
            trigger.event_type = f"google.cloud.storage.object.v1.{self.event}"
            bucket = str(self.bucket).removeprefix("gs://").rstrip("/")
            trigger.event_filters = [types.EventFilter(attribute="bucket", value=bucket)]
        return trigger


def changes(wanted: functions_types.Function, there: functions_types.Function) -> list[str]:
    """The mask of what is to be changed: fields that are given and differ."""
    want, have = type(wanted).pb(wanted), type(there).pb(there)
    paths = [name for name in ("description", "labels") if getattr(want, name) != getattr(have, name)]
    for part in ("build_config", "service_config"):
        for given, _ in getattr(want, part).ListFields():
            if getattr(getattr(want, part), given.name) != getattr(getattr(have, part), given.name):
                paths.append(f"{part}.{given.name}")
    config, before = want.service_config, have.service_config
    if not config.environment_variables and before.environment_variables:
        paths.append("service_config.environment_variables")
    if config.min_instance_count != before.min_instance_count and not config.min_instance_count:
        paths.append("service_config.min_instance_count")
    if _listens(want) != _listens(have):
        paths.append("event_trigger")
    return paths


def _listens(message: Any) -> tuple[Any, ...]:
    trigger = message.event_trigger
    filters = sorted((found.attribute, found.value) for found in trigger.event_filters)
    topic = trigger.pubsub_topic if trigger.event_type == _PUBLISHED else ""
    return (trigger.event_type, topic, filters, trigger.retry_policy if trigger.event_type else 0)

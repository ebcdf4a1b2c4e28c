"""Alerting in this process, on a clock that stands still until it travels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api import metric_pb2
from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.monitoring.alerting.alerting import Alerting
from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros
from gcpmlops.emulator.services.outbound import Answer, UnreachableError
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
PROJECT = "projects/p1"
METRIC = "custom.googleapis.com/load"
FILTER = f'metric.type = "{METRIC}" AND resource.type = "global"'
MINUTE = timedelta(minutes=1)


@dataclass
class Web:
    """A webhook's server: answers with what it is told to."""

    status: int = 200
    posts: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)

    def send(self, method: str, url: str, *, headers: Any = None, body: bytes = b"", timeout: float) -> Answer:
        self.posts.append((url, dict(headers), json.loads(body)))
        if self.status == 0:
            raise UnreachableError(f"no answer within {timeout:g} s")
        return Answer(self.status, {}, b"")


@dataclass
class Topics:
    """Pub/Sub's publisher."""

    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def publish(self, request: Any) -> None:
        if request.topic.endswith("/gone"):
            raise exceptions.NotFound(f"{request.topic} is not found.")
        self.messages += [(request.topic, json.loads(each.data)) for each in request.messages]


@dataclass
class Run:
    """The services and what they stand on."""

    clock: TravelClock
    agenda: Agenda
    store: Store
    points: Points
    entries: Entries
    alerting: Alerting
    web: Web
    topics: Topics
    logs: list[tuple[Any, ...]]
    data: Path

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def create(self, *conditions: dict[str, Any], **fields: Any) -> types.AlertPolicy:
        """A policy."""
        policy = types.AlertPolicy(**{"display_name": "p", "combiner": "OR", "conditions": conditions, **fields})
        request = types.CreateAlertPolicyRequest(name=PROJECT, alert_policy=policy)
        made = self.alerting.policies.create_alert_policy(request)
        self.settle()
        return made

    def webhook(self, url: str = "http://127.0.0.1:1/hook") -> str:
        """A channel's name."""
        return self.channel("webhook_tokenauth", url=url)

    def channel(self, kind: str, **labels_: str) -> str:
        channel = types.NotificationChannel(type_=kind, labels=labels_)
        request = types.CreateNotificationChannelRequest(name=PROJECT, notification_channel=channel)
        return self.alerting.channels.create_notification_channel(request).name

    def write(self, value: float, at: datetime | None = None, metric: str = METRIC, **metric_labels: str) -> None:
        """A point of a gauge; returns when policies have looked at it."""
        self.write_quietly(value, at, metric, **metric_labels)
        self.settle()

    def write_quietly(self, value: float, at: datetime | None = None, metric: str = METRIC, **pairs: str) -> None:
        resource = {"project_id": "p1"} | ({"zone": pairs.pop("zone")} if "zone" in pairs else {})
        series = Series("p1", metric, labels(pairs), "global", labels(resource), "GAUGE", "DOUBLE")
        end = micros(at or self.now)
        self.points.add([(series, Point(end, end, value))])

    def settle(self) -> None:
        """Until nothing is in flight, and all that is due now is done."""
        self.agenda.travel(self.now, patience=30)

    def advance(self, **by: float) -> None:
        self.agenda.travel(self.now + timedelta(**by), patience=30)

    def incidents(self, **query: str) -> list[dict[str, Any]]:
        """As the API lists them."""
        found: list[dict[str, Any]] = self.alerting.alerts.list({"project": "p1", **query})["alerts"]
        return found

    def history(self) -> list[tuple[float, float | None]]:
        """When incidents opened and closed, in minutes since the start, oldest first."""
        return [(_minute(each["openTime"]), _minute(each.get("closeTime"))) for each in reversed(self.incidents())]


def _minute(text: str | None) -> Any:
    return None if text is None else (datetime.fromisoformat(text) - START) / MINUTE


def threshold(above: float = 5, seconds: int = 0, *, period: int = 60, **fields: Any) -> dict[str, Any]:
    """A condition: the mean of a period is above a value."""
    spec = {
        "filter": FILTER,
        "comparison": "COMPARISON_GT",
        "threshold_value": above,
        "duration": {"seconds": seconds},
        "aggregations": [{"alignment_period": {"seconds": period}, "per_series_aligner": "ALIGN_MEAN"}],
        **fields,
    }
    return {"display_name": "load is high", "condition_threshold": spec}


def absence(seconds: int = 300, **fields: Any) -> dict[str, Any]:
    """A condition: no point for a time."""
    aggregations = [{"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_MEAN"}]
    spec = {"filter": FILTER, "duration": {"seconds": seconds}, "aggregations": aggregations, **fields}
    return {"display_name": "no load", "condition_absent": spec}


@contextmanager
def running(folder: Path, at: datetime = START, web: Web | None = None) -> Iterator[Run]:
    """One emulator's life; another in the same folder goes on where it ended."""
    clock, pool = TravelClock(frozen=at), ThreadPoolExecutor(8)
    store, agenda = Store(folder / "state.db", now=clock.now), Agenda(clock, pool)
    settings = Settings(data_dir=folder, project="p1")
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    context = Context(store, clock, operations, Locks(), settings, agenda)
    points, entries, metrics = Points(store), Entries(store, clock), MetricTypes(store)
    gauge, double = metric_pb2.MetricDescriptor.GAUGE, metric_pb2.MetricDescriptor.DOUBLE
    for kind in (METRIC, METRIC + "/all"):
        metrics.put("p1", metric_pb2.MetricDescriptor(type=kind, metric_kind=gauge, value_type=double))
    logs: list[tuple[Any, ...]] = []
    web, topics = web or Web(), Topics()
    alerting = Alerting(
        context,
        points=points,
        reading=Reading(points),
        metrics=metrics,
        entries=entries,
        write_log=lambda *entry: logs.append(entry),
        outbound=web,  # type: ignore[arg-type]  # it sends
        publisher=lambda: topics,
    )
    alerting.resume()
    agenda.travel(at, patience=30)
    yield Run(clock, agenda, store, points, entries, alerting, web, topics, logs, folder)
    alerting.close()
    agenda.close()
    pool.shutdown()
    store.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running(tmp_path) as made:
        yield made

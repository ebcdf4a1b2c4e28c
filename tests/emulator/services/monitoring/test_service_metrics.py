"""Metrics of Cloud Logging, Cloud Run and Pub/Sub, on a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.services.monitoring.backlog_gauges import BacklogGauges, Waiting
from gcpmlops.emulator.services.monitoring.entry_counts import EntryCounts
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import micros
from gcpmlops.emulator.state.store import Store

from .conftest import START


@dataclass
class Metrics:
    points: Points
    agenda: Agenda

    def pass_by(self, seconds: float) -> None:
        self.agenda.travel(self.agenda.clock.now() + timedelta(seconds=seconds))

    def read(self, metric: str, key: str = "") -> dict[str, list[Any]]:
        """Seconds and values by a label, oldest first."""
        now = micros(self.agenda.clock.now())
        found = Reading(self.points).lines("p1", f'metric.type = "{metric}"', 0, now)
        start = micros(START)
        return {
            dict(line.series.metric_labels).get(key, ""): [
                ((p.end - start) / 1e6, p.value) for p in reversed(line.points)
            ]
            for line in found
        }


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[Metrics]:
    clock = TravelClock(frozen=START)
    store, pool = Store(tmp_path / "state.db", now=clock.now), ThreadPoolExecutor(2)
    agenda = Agenda(clock, pool)
    yield Metrics(Points(store), agenda)
    agenda.close()
    pool.shutdown()
    store.close()


def entry(text: str = "", log: str = "app", severity: str = "INFO", status: int = 0, ms: int = 0) -> Any:
    made = LogEntry(log_name=f"projects/p1/logs/{log}", severity=severity, text_payload=text)
    made.resource = {"type": "global", "labels": {"project_id": "p1"}}
    if status:
        made.resource = {"type": "cloud_run_revision", "labels": {"service_name": "retrain"}}
        made.http_request = {"status": status, "latency": timedelta(milliseconds=ms)}
    return LogEntry.pb(made)


def test_log_entries_by_the_minute(metrics: Metrics) -> None:
    counts = EntryCounts(metrics.points, metrics.agenda)
    told: list[int] = []
    metrics.points.on_add.append(lambda series: told.append(len(series)))
    for _ in range(3):
        counts.stored([entry("a"), entry("b", severity="ERROR")])
        metrics.pass_by(15)
    assert metrics.read("logging.googleapis.com/log_entry_count", "severity") == {"INFO": [(45, 3)], "ERROR": [(45, 3)]}
    counts.stored([entry("c")])
    metrics.pass_by(3600)
    assert told == [4, 2]  # nothing was to be stored in the rest of the hour
    assert metrics.read("logging.googleapis.com/log_entry_count", "severity")["INFO"] == [(45, 3), (60, 1)]
    size = metrics.read("logging.googleapis.com/byte_count", "severity")["INFO"]
    assert size[-1] == (60, entry("c").ByteSize())


def test_a_clock_that_is_set_back(metrics: Metrics) -> None:
    counts = EntryCounts(metrics.points, metrics.agenda)
    counts.stored([entry("a")])
    for listener in metrics.agenda.on_back:
        metrics.agenda.clock.set(START - timedelta(days=365))
        listener()
    counts.stored([entry("b")])
    metrics.pass_by(61)
    text = 'metric.type = "logging.googleapis.com/log_entry_count"'
    (line,) = Reading(metrics.points).lines("p1", text, 0, micros(START))
    assert [point.value for point in line.points] == [1, 1]


def test_requests_of_cloud_run(metrics: Metrics) -> None:
    counts = EntryCounts(metrics.points, metrics.agenda)
    counts.received([entry("printed")])
    counts.received([entry(status=200, ms=20), entry(status=200, ms=30), entry(status=503, ms=1)])
    metrics.pass_by(60)
    by_class = metrics.read("run.googleapis.com/request_count", "response_code_class")
    assert by_class == {"2xx": [(60, 2)], "5xx": [(60, 1)]}
    ((_, latencies),) = metrics.read("run.googleapis.com/request_latencies", "response_code")["200"]
    assert (latencies.count, latencies.mean) == (2, pytest.approx(25))


def test_what_waits_in_a_subscription(metrics: Metrics) -> None:
    waiting: list[Waiting] = []
    gauges = BacklogGauges(metrics.points, metrics.agenda, lambda: waiting)
    name = "pubsub.googleapis.com/subscription/num_undelivered_messages"
    assert metrics.read(name) == {}
    waiting.append(("projects/p1/subscriptions/s", 5, START.timestamp()))
    told: list[Any] = []
    metrics.points.on_add.append(lambda _: told.append(metrics.read(name)))  # as policies do, which then read again
    assert metrics.read(name) == {"": [(0, 5)]}
    assert len(told) == 1
    metrics.pass_by(120)
    waiting[0] = ("projects/p1/subscriptions/s", 0, None)
    metrics.pass_by(60)
    assert metrics.read(name) == {"": [(0, 5), (60, 5), (120, 5), (180, 0)]}
    (ages,) = metrics.read("pubsub.googleapis.com/subscription/oldest_unacked_message_age").values()
    assert ages == [(0, 0), (60, 60), (120, 120), (180, 0)]
    metrics.pass_by(10_000)  # zeros, ever more seldom, and then none
    times = [second for second, _ in metrics.read(name)[""][3:]]
    assert times == [180, 240, 360, 600, 1080, 2040, 3960, 7560]
    assert metrics.agenda.travel(metrics.agenda.clock.now() + timedelta(days=300)) < 30
    gauges.wake()
    waiting[0] = ("projects/p1/subscriptions/s", 2, metrics.agenda.clock.now().timestamp())
    metrics.pass_by(60)
    waiting[0] = ("projects/p1/subscriptions/s", 0, None)
    metrics.pass_by(60)
    assert [value for _, value in metrics.read(name)[""]][-2:] == [2, 0]

"""Checks at their times: every period a probe for each checker, its results as time series and, if it failed, a log."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from google.cloud import monitoring_v3

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.agenda import Agenda, Appointment
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.monitoring.descriptors import UPTIME
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Point, Series, Value, ValueType, labels, micros
from gcpmlops.emulator.services.monitoring.uptime.probes import Outcome, Prober
from gcpmlops.emulator.services.monitoring.uptime.regions import locations

_AT_ONCE = 6  # probes: one check's checkers


class Rounds:
    """Makes the appointments of all checks.

    Args:
        store: holds the configurations.
        agenda: decides when.
        prober: makes probes.
        points: take the results.
        write_log: takes what failed.
    """

    def __init__(
        self, store: ResourceStore, agenda: Agenda, prober: Prober, points: Points, write_log: WriteLog
    ) -> None:
        self._configs: Any = store.collection(monitoring_v3.UptimeCheckConfig)
        self._agenda = agenda
        self._prober = prober
        self._points = points
        self._write_log = write_log
        self._lock = threading.Lock()
        self._next: dict[str, Appointment] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="uptime")
        agenda.on_back.append(self.resume)

    def resume(self) -> None:
        """Every check goes on, from now."""
        for config in self._configs.list():
            self.begin(config.name)

    def begin(self, name: str) -> None:
        """The first round of a check is at once, also where it goes on already."""
        self._appoint(name, self._agenda.clock.now())

    def end(self, name: str) -> None:
        """No more rounds."""
        with self._lock:
            if name in self._next:
                self._next.pop(name).cancel()

    def close(self) -> None:
        """Waits for the probes that are under way."""
        with self._lock:
            while self._next:
                self._next.popitem()[1].cancel()
        self._pool.shutdown(cancel_futures=True)
        self._prober.close()

    def _appoint(self, name: str, when: datetime) -> None:
        with self._lock:
            if name in self._next:
                self._next[name].cancel()
            self._next[name] = self._agenda.at(when, lambda: self._round(name, when), name=name)

    def _round(self, name: str, when: datetime) -> None:
        config = self._configs.find(name)
        if config is None:
            return
        now = self._agenda.clock.now()
        try:
            self._probe(config, now)
        finally:
            late = self._agenda.clock.now() - when  # a slow target, or a machine that slept, takes its time
            missed = max(0, late // config.period)
            with self._lock:
                goes_on = name in self._next
            if goes_on:
                self._appoint(name, when + config.period * (missed + 1))

    def _probe(self, config: Any, now: datetime) -> None:
        message, places = raw(config), locations(config.selected_regions)
        outcomes = self._pool.map(lambda _: self._prober.probe(message), places)
        found = list(zip(places, outcomes, strict=True))
        self._points.add([row for place, each in found for row in _rows(message, place, each, now)])
        self._log(message, [(place, each) for place, each in found if not each.passed])

    def _log(self, config: Any, failed: Sequence[tuple[str, Outcome]]) -> None:
        project, check = names.project_of(config.name), config.name.rpartition("/")[2]
        for place, outcome in failed:
            payload = {
                "message": f"Uptime check {config.display_name} failed: {outcome.reason}.",
                "checkId": check,
                "checkerLocation": place,
                "status": outcome.status or 0,
                "latencyMs": round(outcome.milliseconds, 3),
            }
            self._write_log(
                f"projects/{project}/logs/monitoring.googleapis.com%2Fuptime_checks",
                (config.monitored_resource.type, {**config.monitored_resource.labels, "project_id": project}),
                "WARNING",
                payload,
                {"check_id": check},
            )


def _rows(config: Any, place: str, outcome: Outcome, now: datetime) -> Iterator[tuple[Series, Point]]:
    project = names.project_of(config.name)
    metric = labels({"check_id": config.name.rpartition("/")[2], "checker_location": place})
    resource = labels({**config.monitored_resource.labels, "project_id": project})
    end = micros(now)
    for name, value_type, value in _values(outcome):
        kind = config.monitored_resource.type
        series = Series(project, UPTIME + name, metric, kind, resource, "GAUGE", value_type)
        yield series, Point(end, end, value)


def _values(outcome: Outcome) -> Iterator[tuple[str, ValueType, Value]]:
    yield "check_passed", "BOOL", outcome.passed
    yield "request_latency", "DOUBLE", outcome.milliseconds
    if outcome.status is not None:
        yield "http_status", "INT64", outcome.status
    if outcome.mismatch is not None:
        yield "content_mismatch", "BOOL", outcome.mismatch
    if outcome.certificate_days is not None:
        yield "time_until_ssl_cert_expires", "DOUBLE", outcome.certificate_days

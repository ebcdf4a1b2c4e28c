"""How many log entries come, and how large they are: Cloud Logging's own metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from google.logging.type import log_severity_pb2

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.monitoring.descriptors import LOGGING
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Labels, Point, Series, labels, micros

_MINUTE = timedelta(minutes=1)
_Key = tuple[str, str, str, str, Labels]  # project, log, severity, the resource's type and labels


class LogCounts:
    """Counts entries as they are stored; points are made each minute that has some, and when somebody queries.

    Args:
        points: where they are stored.
        clock: the emulator's.
    """

    def __init__(self, points: Points, clock: Clock) -> None:
        self._points = points
        self._clock = clock
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._counts: dict[_Key, list[int]] = {}
        points.before_read.append(self.flush)

    def count(self, entries: Sequence[Any]) -> None:
        """`LogEntry` messages (protobuf) that were stored."""
        with self._lock:
            now = self._clock.now()
            if self._since is not None and not self._since <= now < self._since + _MINUTE:
                self._store()
            self._since = self._since or now
            for entry in entries:
                tally = self._counts.setdefault(_key(entry), [0, 0])
                tally[0] += 1
                tally[1] += entry.ByteSize()

    def flush(self) -> None:
        """Returns when what was counted so far is stored."""
        with self._lock:
            self._store()

    def _store(self) -> None:
        counts, since, self._counts, self._since = self._counts, self._since, {}, None
        if since is not None:
            self._points.add(list(_rows(counts, since, min(self._clock.now(), since + _MINUTE))))


def _key(entry: Any) -> _Key:
    severity = log_severity_pb2.LogSeverity.Name(entry.severity)
    project, _, log = entry.log_name.partition("/logs/")
    return names.project_of(project), unquote(log), severity, entry.resource.type, labels(entry.resource.labels)


def _rows(counts: dict[_Key, list[int]], since: datetime, now: datetime) -> Iterator[tuple[Series, Point]]:
    end = micros(now)
    start = min(micros(since), end - 1)
    for (project, log, severity, kind, resource), tally in counts.items():
        metric = labels({"log": log, "severity": severity})
        for name, count in zip(("log_entry_count", "byte_count"), tally, strict=True):
            series = Series(project, LOGGING + name, metric, kind, resource, "DELTA", "INT64")
            yield series, Point(start, end, count)

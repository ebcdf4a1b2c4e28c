"""Metrics that log entries tell: how many there are, and what Cloud Run services, functions among them, answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from google.logging.type import log_severity_pb2

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.services.monitoring.descriptors import LOGGING, RUN
from gcpmlops.emulator.services.monitoring.latencies import Latencies
from gcpmlops.emulator.services.monitoring.minutes import Minutes
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Labels, Series, Value, labels

Values = Iterator[tuple[Series, Value]]
_Log = tuple[str, str, str, str, Labels]  # project, log, severity, the resource's type and labels
_Answer = tuple[str, int, Labels]  # project, status, the revision's labels

_REVISION = "cloud_run_revision"


class EntryCounts:
    """Counts entries.

    Args:
        points: where time series are stored.
        agenda: tells the time, and when a minute is over.
    """

    def __init__(self, points: Points, agenda: Agenda) -> None:
        self._entries: Minutes[_Log] = Minutes(points, agenda, _of_log, name="counts of log entries")
        self._requests: Minutes[_Answer] = Minutes(points, agenda, _of_requests, name="counts of requests")

    def stored(self, entries: Sequence[Any]) -> None:
        """`LogEntry` messages (protobuf) that readers see."""

        def edit(tallies: dict[_Log, Any]) -> None:
            for entry in entries:
                tally = tallies.setdefault(_log(entry), [0, 0])
                tally[0] += 1
                tally[1] += entry.ByteSize()

        self._entries.change(edit)

    def received(self, entries: Sequence[Any]) -> None:
        """Those that are excluded, too."""
        found = [each for each in entries if each.resource.type == _REVISION and each.http_request.status]
        if not found:
            return

        def edit(tallies: dict[_Answer, Any]) -> None:
            for entry in found:
                project = names.project_of(entry.log_name)
                key = (project, entry.http_request.status, labels(entry.resource.labels))
                tallies.setdefault(key, Latencies()).add(entry.http_request.latency.ToNanoseconds() / 1e6)

        self._requests.change(edit)


def _log(entry: Any) -> _Log:
    severity = log_severity_pb2.LogSeverity.Name(entry.severity)
    project, log = names.project_of(entry.log_name), unquote(entry.log_name.partition("/logs/")[2])
    given = dict(entry.resource.labels)
    own = given if "resource_container" in given else {"project_id": project, **given}
    return project, log, severity, entry.resource.type, labels(own)


def _of_log(key: _Log, tally: Any) -> Values:
    project, log, severity, kind, resource = key
    metric = labels({"log": log, "severity": severity})
    for name, count in zip(("log_entry_count", "byte_count"), tally, strict=True):
        yield Series(project, LOGGING + name, metric, kind, resource, "DELTA", "INT64"), count


def _of_requests(key: _Answer, tally: Latencies) -> Values:
    project, status, resource = key
    metric = labels({"response_code": str(status), "response_code_class": f"{status // 100}xx"})
    for name, kind, value in (
        ("request_count", "INT64", tally.count),
        ("request_latencies", "DISTRIBUTION", tally.distribution()),
    ):
        yield Series(project, RUN + name, metric, _REVISION, resource, "DELTA", kind), value  # type: ignore[arg-type]  # of the two

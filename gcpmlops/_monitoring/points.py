"""Points that are written: checked first, then in batches as the API takes them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from gcpmlops import _google
from gcpmlops._monitoring.descriptors import Descriptors, Metric, metric_type, project_of
from gcpmlops.clients import Clients
from gcpmlops.exceptions import GcpMlopsError, InvalidArgument, translated

BATCH = 200  # time series that one request may have
_FIELDS = {
    "DOUBLE": "double_value",
    "INT64": "int64_value",
    "BOOL": "bool_value",
    "STRING": "string_value",
    "DISTRIBUTION": "distribution_value",
}
_ALLOWED = {
    "DOUBLE": "a finite number",
    "INT64": "an integer of 64 bits",
    "BOOL": "True or False",
    "STRING": "a text",
    "DISTRIBUTION": "a google.api.distribution_pb2.Distribution",
}


@dataclass(frozen=True)
class Resource:
    """What a point is about: `Resource("generic_task", {...})`; without one it is the project (`global`)."""

    type: str = "global"
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def task(cls, job: str, *, task_id: str = "0", namespace: str = "gcpmlops", location: str = "global") -> Resource:
        """A generic_task: a part of a program that runs somewhere."""
        labels = {"location": location, "namespace": namespace, "job": job, "task_id": task_id}
        return cls("generic_task", labels)


@dataclass(frozen=True)
class Point:
    """One value to write.

    Attributes:
        metric: name or full type.
        value: of the metric's value type.
        labels: of the metric.
        resource: what it is about; the project where it isn't said.
        at: when it was true, with its time zone; the service's time otherwise.
        since: where a CUMULATIVE metric began to count.
    """

    metric: str
    value: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    resource: Resource = field(default_factory=Resource)
    at: datetime | None = None
    since: datetime | None = None


class Writing:
    """API: MetricService.CreateTimeSeries."""

    def __init__(self, clients: Clients, descriptors: Descriptors) -> None:
        self._clients = clients
        self._descriptors = descriptors

    def write(self, points: Iterable[Point]) -> int:
        """Write them, in order of time; how many. All are checked before the first is sent.

        Raises InvalidArgument (also for what the service refuses), NotFound for a metric that isn't there.
        """
        given = list(points)
        checked = [self._checked(point, number) for number, point in enumerate(given)]
        if any(point.at is None for point in given):
            now = self._clients.now()
            checked = [point if point.at else replace(point, at=now) for point in checked]
        written = 0
        for batch in batches(checked):
            self._send([self._message(point) for point in batch], written, len(checked))
            written += len(batch)
        return written

    def _send(self, series: list[Any], written: int, total: int) -> None:
        before = f"{written} of {total} points were written before. " if written else ""
        try:
            with translated(f"points of {series[0].metric.type}"):
                self._clients.metrics.create_time_series(
                    name=project_of(self._clients), time_series=series, **self._clients.once
                )
        except GcpMlopsError as exc:
            if before:
                exc.add_note(before)
            raise

    def _checked(self, point: Point, number: int) -> Point:
        metric = self._descriptors.of(point.metric)
        where = f"points[{number}] of {metric.type}"
        for name, moment in (("at", point.at), ("since", point.since)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidArgument(
                    f"{where}: {name} has no time zone", field=name, value=moment, allowed="datetime.now(UTC)"
                )
        if (metric.kind == "CUMULATIVE") != (point.since is not None):
            allowed = "the time at which it began to count" if metric.kind == "CUMULATIVE" else "None: it is a gauge"
            raise InvalidArgument(f"{where}: since", field="since", value=point.since, allowed=allowed)
        labels = checked_labels(metric, point.labels, where)
        return replace(point, value=checked_value(metric, point.value, where), labels=labels)

    def _message(self, point: Point) -> Any:
        types = _google.monitoring_metric
        metric = self._descriptors.get(point.metric)
        interval = {"end_time": point.at, **({"start_time": point.since} if point.since else {})}
        value = {_FIELDS[metric.value_type]: point.value}
        resource = {"project_id": self._clients.config.require("project"), **point.resource.labels}
        return types.TimeSeries(
            metric={"type": metric.type, "labels": dict(point.labels)},
            resource={"type": point.resource.type, "labels": resource},
            points=[types.Point(interval=interval, value=value)],
        )


def batches(points: Iterable[Point]) -> Iterator[list[Point]]:
    """As the API takes them: at most 200, no time series twice in one request, each in order of time."""
    series: dict[Any, list[Point]] = {}
    for point in sorted(points, key=lambda point: point.at or datetime.min.replace(tzinfo=UTC)):
        series.setdefault(_series(point), []).append(point)
    for number in range(max(map(len, series.values()), default=0)):
        row = iter([points[number] for points in series.values() if number < len(points)])
        while batch := list(islice(row, BATCH)):
            yield batch


def _series(point: Point) -> Any:
    labels = (tuple(sorted(each.items())) for each in (point.labels, point.resource.labels))
    return metric_type(point.metric), point.resource.type, *labels


def checked_labels(metric: Metric, labels: Mapping[str, str], where: str) -> dict[str, str]:
    """A plain copy, numbers as text. Raises InvalidArgument for a key that the metric doesn't have."""
    known = metric.labels
    for key in labels:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known) or 'none'}."
            raise InvalidArgument(
                f"{where}: the metric has no label {key!r}", field="labels", value=key, next_step=hint
            )
    return {key: str(value) for key, value in labels.items()}


def checked_value(metric: Metric, value: Any, where: str) -> Any:
    """The value as the API takes it; NumPy's numbers too. Raises InvalidArgument for one of another type."""
    plain = value.item() if hasattr(value, "item") and not hasattr(value, "DESCRIPTOR") else value
    kind = metric.value_type
    good = {
        "DOUBLE": isinstance(plain, (int, float)) and not isinstance(plain, bool) and math.isfinite(plain),
        "INT64": isinstance(plain, int) and not isinstance(plain, bool) and -(2**63) <= plain < 2**63,
        "BOOL": isinstance(plain, bool),
        "STRING": isinstance(plain, str),
        "DISTRIBUTION": hasattr(plain, "bucket_counts"),
    }[kind]
    if not good:
        raise InvalidArgument(
            f"{where}: {value!r} is not {_ALLOWED[kind]}", field="value", value=value, allowed=_ALLOWED[kind]
        )
    return float(plain) if kind == "DOUBLE" else plain

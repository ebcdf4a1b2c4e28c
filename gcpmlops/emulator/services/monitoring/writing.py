"""Points that clients write: what is checked of each, and how they are stored."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.api import metric_pb2
from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.monitoring import distributions, metric_types, write_errors
from gcpmlops.emulator.services.monitoring.metric_types import MetricKind, MetricTypes, ValueType
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.resource_types import RESOURCES
from gcpmlops.emulator.services.monitoring.series import FIELDS, Point, Series, labels, micros

_MOST = 200  # time series a request
_SECOND = 1_000_000  # microseconds
_OLDEST = (25 * 3600 + 10) * _SECOND
_FUTURE = 5 * 60 * _SECOND
_APART = 5 * _SECOND  # ends of two points of a series
_LONGEST_VALUE = 1024  # of a label
_TWICE = "Duplicate TimeSeries encountered. Only one point can be written per TimeSeries per request."
_TYPES = {field: name for name, field in FIELDS.items()}


class Writing:
    """Writes what can be written of a request, and raises for the rest.

    Args:
        points: where they are stored.
        metrics: descriptors; those of users' metrics are made by the first point, and get labels by later ones.
        clock: tells what is too old, or in the future.
    """

    def __init__(self, points: Points, metrics: MetricTypes, clock: Clock) -> None:
        self._points = points
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()  # of order: who writes later finds what was written before

    def write(self, project: str, given: Sequence[Any]) -> None:
        """`TimeSeries` messages (protobuf) with one point each.

        Raises: InvalidArgument; with a `CreateTimeSeriesSummary` where some, or all, were not written.
        """
        if not 1 <= len(given) <= _MOST:
            raise validate.invalid("time_series", f"{len(given)} of them: 1 to {_MOST} a request.")
        with self._lock:
            good: dict[Series, Point] = {}
            failed: dict[int, exceptions.GoogleAPICallError] = {}
            for index, message in enumerate(given):
                try:
                    series, point = self._checked(project, message, f"timeSeries[{index}]")
                    if series in good:
                        raise _invalid(f"timeSeries[{index}]", _TWICE)
                    good[series] = point
                except exceptions.InvalidArgument as error:
                    failed[index] = error
            if good:
                self._points.add(list(good.items()))
        if failed:
            raise write_errors.summary(given, failed)

    def _checked(self, project: str, message: Any, field: str) -> tuple[Series, Point]:
        if len(message.points) != 1:
            raise _invalid(f"{field}.points", f"{len(message.points)} points: exactly one is written of each series.")
        resource, resource_labels = _resource(project, message.resource, f"{field}.resource")
        metric, value = message.metric, message.points[0].value
        metric_types.check_type(metric.type, f"{field}.metric.type")
        _check_labels(metric.labels, f"{field}.metric.labels")
        given = value.WhichOneof("value")
        if given is None:
            raise _invalid(f"{field}.points[0].value", "a value is required.")
        if message.value_type not in (0, ValueType.Value(_TYPES[given])):
            said = ValueType.Name(message.value_type)
            raise _invalid(f"{field}.value_type", f"{said}, but the point's value is {_TYPES[given]}.")
        descriptor = self._descriptor(project, message, _TYPES[given])
        kind, value_type = MetricKind.Name(descriptor.metric_kind), ValueType.Name(descriptor.value_type)
        own = labels(metric.labels)
        series = Series(project, metric.type, own, resource, resource_labels, kind, value_type)
        interval = f"{field}.points[0].interval"
        start, end = self._interval(message.points[0].interval, kind, metric.type, interval)
        self._check_order(series, start, end, message.resource)
        found = getattr(value, given)
        if value_type == "DISTRIBUTION":
            distributions.check(found, f"{field}.points[0].value.distribution_value")
        if not descriptor.name:
            self._metrics.put(project, descriptor)
        return series, Point(start, end, found)

    def _descriptor(self, project: str, message: Any, value_type: str) -> metric_pb2.MetricDescriptor:
        """The metric's; one without a name is to be made, or given new labels, once the point is found good."""
        kind = message.metric.type
        known = self._metrics.find(project, kind)
        if known is None:
            made = metric_pb2.MetricDescriptor(
                type=kind,
                metric_kind=message.metric_kind or MetricKind.GAUGE,
                value_type=ValueType.Value(value_type),
                unit=message.unit,
                description=message.description,
            )
            _add_labels(made, message.metric.labels)
            metric_types.check(made, "timeSeries")
            return made
        wanted = ValueType.Name(known.value_type)
        if value_type != wanted:
            raise exceptions.InvalidArgument(f"Value type for metric {kind} must be {wanted}, but is {value_type}.")
        if message.metric_kind not in (0, known.metric_kind):
            names = MetricKind.Name(known.metric_kind), MetricKind.Name(message.metric_kind)
            raise exceptions.InvalidArgument(f"Metric kind for metric {kind} must be {names[0]}, but is {names[1]}.")
        if message.metric.labels.keys() - {label.key for label in known.labels}:
            more = metric_pb2.MetricDescriptor()
            more.CopyFrom(known)
            _add_labels(more, message.metric.labels)
            metric_types.check(more, "timeSeries")
            more.name = ""
            return more
        return known

    def _interval(self, interval: Any, kind: str, metric: str, field: str) -> tuple[int, int]:
        """Start and end in microseconds."""
        if not interval.HasField("end_time"):
            raise _invalid(f"{field}.end_time", "required, but missing.")
        end = interval.end_time.ToMicroseconds()
        start = interval.start_time.ToMicroseconds() if interval.HasField("start_time") else end
        now, shown = micros(self._clock.now()), interval.end_time.ToJsonString()
        if end < now - _OLDEST:
            raise _bad_time(f"{field}.end_time", shown, "Data points cannot be written more than 25h10s in the past.")
        if end > now + _FUTURE:
            raise _bad_time(f"{field}.end_time", shown, "Data points cannot be written more than 5m in the future.")
        if kind == "GAUGE" and start != end:
            text = f"The start time must be equal to the end time ({shown}) for the gauge metric '{metric}'."
            raise _bad_time(f"{field}.start_time", interval.start_time.ToJsonString(), text)
        if kind != "GAUGE" and start >= end:
            text = f"The start time must be before the end time ({shown}) for the non-gauge metric '{metric}'."
            raise _bad_time(f"{field}.start_time", interval.start_time.ToJsonString(), text)
        return start, end

    def _check_order(self, series: Series, start: int, end: int, resource: Any) -> None:
        """After the newest point of the series, and not too soon."""
        newest = self._points.newest(series)
        if newest is None:
            return
        before, last = newest
        if end <= last:
            raise _unordered(resource, "had an older end time than the most recent point.")
        if series.kind == "CUMULATIVE" and start != before and start <= last:
            raise _unordered(resource, "had an older start time than the most recent point.")
        if end < last + _APART:
            times = f"Youngest Existing: '{_shown(last)}', New: '{_shown(end)}'"
            raise exceptions.InvalidArgument(
                f"write for resource={_named(resource)} failed with: One or more points were written more frequently "
                f"than the maximum sampling period configured for the metric. {{Metric: {series.metric}, "
                f"Timestamps: {{{times}}}}}"
            )


def _resource(project: str, resource: Any, field: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Type, which is `global` if nothing is said, and labels."""
    kind = resource.type or "global"
    known = RESOURCES.get(kind)
    if known is None or not known.is_users:
        allowed = ", ".join(sorted(each.type for each in RESOURCES.values() if each.is_users))
        raise _invalid(f"{field}.type", f"{kind!r}: points of user-defined metrics are about one of {allowed}.")
    unknown = resource.labels.keys() - known.labels.keys() - {"project_id"}
    if unknown:
        raise _invalid(f"{field}.labels", f"{kind} has no label {sorted(unknown)[0]!r}.")
    _check_labels(resource.labels, f"{field}.labels")
    return kind, labels({**dict.fromkeys(known.labels, ""), **resource.labels, "project_id": project})


def _check_labels(values: Any, field: str) -> None:
    for key, value in values.items():
        if len(value) > _LONGEST_VALUE:
            raise _invalid(f"{field}.{key}", f"{len(value)} characters: {_LONGEST_VALUE} at most.")


def _add_labels(descriptor: metric_pb2.MetricDescriptor, given: Any) -> None:
    known = {label.key for label in descriptor.labels}
    for key in sorted(given):
        if key not in known:
            descriptor.labels.add(key=key)


def _invalid(field: str, text: str) -> exceptions.InvalidArgument:
    return exceptions.InvalidArgument(f"Field {field} had an invalid value: {text}")


def _bad_time(field: str, value: str, text: str) -> exceptions.InvalidArgument:
    return exceptions.InvalidArgument(f'Field {field} had an invalid value of "{value}": {text}')


def _unordered(resource: Any, text: str) -> exceptions.InvalidArgument:
    return exceptions.InvalidArgument(
        f"write for resource={_named(resource)} failed with: Points must be written in order. "
        f"One or more of the points specified {text}"
    )


def _named(resource: Any) -> str:
    own = ",".join(f"{key}:{value}" for key, value in sorted(resource.labels.items()))
    return f"{resource.type or 'global'}{{{own}}}"


def _shown(moment: int) -> str:
    return datetime.fromtimestamp(moment / _SECOND, UTC).strftime("%Y/%m/%d-%H:%M:%S.%f")[:-3]

"""Time series with their points, aligned to common times and reduced to fewer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.monitoring.aggregation import ALIGNERS, REDUCERS, operation
from gcpmlops.emulator.services.monitoring.series import Labels, Point, Series

_SHORTEST_S = 60
_FIELD = re.compile(r"(?:(metric|resource)\.)?(type|project|labels?\.(.+))")
_MICROS = 1_000_000


@dataclass(frozen=True)
class Line:
    """A time series and its points, newest first."""

    series: Series
    points: Sequence[Point]


def aggregated(lines: Sequence[Line], aggregation: Any, end: int, field: str) -> list[Line]:
    """Aligned, then reduced, as an `Aggregation` says.

    Args:
        lines: what is aggregated.
        aggregation: the message.
        end: where the last period ends, in microseconds since 1970.
        field: of the request, for errors.

    Raises: InvalidArgument, MethodNotImplemented.
    """
    aligner, reducer = aggregation.per_series_aligner.name, aggregation.cross_series_reducer.name
    if aligner == "ALIGN_NONE":
        if reducer != "REDUCE_NONE":
            raise validate.invalid(f"{field}.per_series_aligner", f"required with {reducer}.")
        return list(lines)
    period = _period(aggregation, f"{field}.alignment_period")
    lines = [_aligned(line, aligner, period, end) for line in lines]
    if reducer == "REDUCE_NONE":
        return list(lines)
    return _reduced(lines, reducer, [_parsed(name, field) for name in aggregation.group_by_fields], period)


def _period(aggregation: Any, field: str) -> int:
    seconds = aggregation.alignment_period.total_seconds()
    if seconds < _SHORTEST_S:
        raise validate.invalid(field, f"{seconds:g} s: at least {_SHORTEST_S} s are required.")
    return int(seconds * _MICROS)


def _aligned(line: Line, name: str, period: int, end: int) -> Line:
    align, series = operation(name, ALIGNERS), line.series
    align.check(name, series.kind, series.value_type)
    changed = replace(
        series,
        kind=series.kind if align.keeps_kind else "GAUGE",
        value_type=align.result or series.value_type,
    )
    points = []
    for back, group in groupby(line.points, key=lambda point: (end - point.end) // period):
        until = end - back * period
        value = align.run([point.value for point in group], period / _MICROS)
        points.append(Point(until - period if changed.kind == "DELTA" else until, until, value))
    return Line(changed, points)


def _reduced(lines: Sequence[Line], name: str, fields: Sequence[tuple[str, str]], period: int) -> list[Line]:
    reduce = operation(name, REDUCERS)
    groups: dict[Series, list[Line]] = {}
    for line in lines:
        reduce.check(name, line.series.kind, line.series.value_type)
        groups.setdefault(_kept(line.series, fields), []).append(line)
    found = []
    for kept, members in groups.items():
        kind = kept.kind if reduce.keeps_kind else "GAUGE"
        series = replace(kept, kind=kind, value_type=reduce.result or kept.value_type)
        points = [
            Point(until - period if kind == "DELTA" else until, until, reduce.run(values, period / _MICROS))
            for until, values in _by_end(members)
        ]
        found.append(Line(series, points))
    return found


def _by_end(lines: Iterable[Line]) -> list[tuple[int, list[Any]]]:
    """The values of each time, newest first."""
    values: dict[int, list[Any]] = {}
    for line in lines:
        for point in line.points:
            values.setdefault(point.end, []).append(point.value)
    return sorted(values.items(), reverse=True)


def _parsed(name: str, field: str) -> tuple[str, str]:
    """(`metric` or `resource`, label); no label for a type. Raises InvalidArgument."""
    match = _FIELD.fullmatch(name)
    if match is None or (match[1] is None) != (match[2] == "project"):
        expected = "metric.labels.KEY, resource.labels.KEY, metric.type, resource.type or project"
        raise validate.invalid(f"{field}.group_by_fields", f"{name!r}: expected {expected}.")
    return match[1] or "", (match[3] or "").strip('"')


def _kept(series: Series, fields: Sequence[tuple[str, str]]) -> Series:
    """What identifies the group of a time series; a resource always tells its project."""
    metric = {key for part, key in fields if part == "metric"}
    resource = {key for part, key in fields if part == "resource"} | {"project_id"}
    return replace(
        series,
        metric_labels=_only(series.metric_labels, metric),
        resource_labels=_only(series.resource_labels, resource),
    )


def _only(labels: Labels, keys: set[str]) -> Labels:
    return tuple(label for label in labels if label[0] in keys)

"""Aligned time series made fewer: one for each group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.monitoring.aggregation import REDUCERS, Segments, operation
from gcpmlops.emulator.services.monitoring.frames import Frame
from gcpmlops.emulator.services.monitoring.series import Labels, Series

_FIELD = re.compile(r"(?:(metric|resource)\.)?(type|project|labels?\.(.+))")


def reduced(frame: Frame, name: str, fields: Sequence[tuple[str, str]], period: int) -> Frame:
    """One series for each group, with a point wherever one of its members has one.

    Args:
        frame: aligned.
        name: of the reducer.
        fields: what groups keep: see `parsed`.
        period: of the alignment, in microseconds.

    Raises: InvalidArgument, MethodNotImplemented.
    """
    reduce = operation(name, REDUCERS)
    reduce.check(name, frame.kind, frame.value_type)
    groups: dict[Series, int] = {}
    group = np.array([groups.setdefault(_kept(series, fields), len(groups)) for series in frame.series], np.int64)
    row = group[frame.row] if len(frame.row) else frame.row
    order = np.lexsort((frame.ends, row))
    row, ends, values = row[order], frame.ends[order], frame.values[order]
    cut = np.flatnonzero(np.concatenate(([True], (row[1:] != row[:-1]) | (ends[1:] != ends[:-1])))[: len(row)])
    kind = frame.kind if reduce.keeps_kind else "GAUGE"
    until = ends[cut]
    return Frame(
        series=list(groups),
        kind=kind,
        value_type=reduce.result or frame.value_type,
        row=row[cut],
        starts=until - period if kind == "DELTA" else until,
        ends=until,
        values=reduce.run(Segments(values, cut)) if len(cut) else values,
    )


def parsed(name: str, field: str) -> tuple[str, str]:
    """(`metric` or `resource`, label) of a field to group by; no label for a type. Raises InvalidArgument."""
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
    """All of them for `resource.label.*`, as the console writes it for uptime checks."""
    return labels if "*" in keys else tuple(label for label in labels if label[0] in keys)

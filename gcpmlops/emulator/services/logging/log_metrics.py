"""Log-based metrics: entries become points of `logging.googleapis.com/user/NAME`, as they arrive."""

from __future__ import annotations

import logging
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.api import label_pb2, metric_pb2
from google.api_core import exceptions
from google.cloud.logging_v2 import types

from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.logging import buckets, extractors, named, query
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.extractors import Extractor
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros

log = logging.getLogger(__name__)

PREFIX = "logging.googleapis.com/user/"

_DAY_US, _AHEAD_US = 86_400_000_000, 600_000_000  # entries that are older, or further ahead, are not counted
_SECOND_US = 1_000_000
_LONGEST_LABEL = 1024
_LabelType = label_pb2.LabelDescriptor.ValueType


@dataclass(frozen=True)
class Compiled:
    """A metric that can be asked of entries."""

    name: str
    matches: Callable[[Any], bool]
    value: Extractor | None
    labels: Mapping[str, Extractor]
    kinds: Mapping[str, int]  # of the labels
    options: Any = None

    def amount(self, entry: Any) -> float | None:
        """What it adds to a distribution; None: the entry doesn't count."""
        text = self.value(entry) if self.value is not None else "1"
        try:
            number = math.nan if text is None else float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None


@dataclass
class _Tally:
    """Entries of one series in one second."""

    series: Series
    start: int
    end: int
    options: Any  # the buckets; None: they are counted
    values: list[float] = field(default_factory=list)


Tallies = dict[tuple[str, tuple[str, ...], str, bytes, int], _Tally]  # metric, its labels, project, resource, second


class LogMetrics:
    """Counts entries as they are received, whether they are stored or excluded.

    Args:
        context: the services' own.
        entries: the log.
        points: the time series.
    """

    def __init__(self, context: Context, entries: Entries, points: Points) -> None:
        self._store = context.store
        self._clock = context.clock
        self._points = points
        self._lock = threading.Lock()
        self._metrics: dict[str, list[Compiled]] = {}
        self._entries = entries
        self._load()
        entries.on_receive.append(self.count)

    def refresh(self) -> None:
        """Metrics have changed; what was written before counts by the old ones."""
        self._entries.before_read()
        self._load()

    def _load(self) -> None:
        metrics: dict[str, list[Compiled]] = defaultdict(list)
        for parent, metric in named.all_of(self._store, types.LogMetric):
            if metric.disabled:
                continue
            try:
                metrics[parent].append(compiled(metric))
            except exceptions.GoogleAPICallError as error:  # made by another version
                log.error("log-based metric %s counts nothing: %s", metric.name, error.message)
        with self._lock:
            self._metrics = dict(metrics)

    def count(self, entries: Sequence[Any]) -> None:
        """Adds entries to the metrics of their projects."""
        if not self._metrics:
            return
        now = micros(self._clock.now())
        tallies: Tallies = {}
        for entry in entries:
            project = entry.log_name.split("/", 2)[1]
            at = entry.timestamp.seconds * _SECOND_US + entry.timestamp.nanos // 1000
            if now - _DAY_US <= at <= now + _AHEAD_US:
                for metric in self._metrics.get(f"projects/{project}", ()):
                    _add(tallies, metric, project, entry, at)
        if tallies:
            self._points.add(list(_points(tallies)))


def compiled(metric: types.LogMetric) -> Compiled:
    """Raises InvalidArgument for a filter or an extractor that doesn't parse."""
    message = raw(metric)
    found = {key: extractors.parse(text, f"label_extractors.{key}") for key, text in metric.label_extractors.items()}
    value = extractors.parse(metric.value_extractor, "value_extractor") if metric.value_extractor else None
    is_distribution = message.metric_descriptor.value_type == metric_pb2.MetricDescriptor.DISTRIBUTION
    return Compiled(
        metric.name,
        query.compiled(metric.filter),
        value,
        found,
        {label.key: label.value_type for label in message.metric_descriptor.labels},
        message.bucket_options if is_distribution else None,
    )


def _add(tallies: Tallies, metric: Compiled, project: str, entry: Any, at: int) -> None:
    if not metric.matches(entry):
        return
    amount = metric.amount(entry) if metric.options is not None else 1.0
    if amount is None:
        return
    values = tuple(_label(get(entry), metric.kinds.get(key, 0)) for key, get in metric.labels.items())
    key = (metric.name, values, project, entry.resource.SerializeToString(deterministic=True), at // _SECOND_US)
    tally = tallies.get(key)
    if tally is None:
        series = _series(metric, values, project, entry.resource)
        tally = tallies[key] = _Tally(series, at, at, metric.options)
    tally.start, tally.end = min(tally.start, at), max(tally.end, at)
    tally.values.append(amount)


def _series(metric: Compiled, values: Sequence[str], project: str, resource: Any) -> Series:
    return Series(
        project=project,
        metric=PREFIX + metric.name,
        metric_labels=labels(dict(zip(metric.labels, values, strict=True))),
        resource=resource.type,
        resource_labels=labels(_resource_labels(project, resource.labels)),
        kind="DELTA",
        value_type="INT64" if metric.options is None else "DISTRIBUTION",
    )


def _resource_labels(project: str, given: Mapping[str, str]) -> dict[str, str]:
    """With the project: every resource has it, under one name or the other."""
    return dict(given) if "resource_container" in given else {"project_id": project, **given}


def _label(text: str | None, kind: int) -> str:
    """As its type has it; what can't be converted is the type's default."""
    if kind == _LabelType.Value("BOOL"):
        return "true" if str(text).lower() == "true" else "false"
    if kind == _LabelType.Value("INT64"):
        return str(int(text)) if text is not None and text.lstrip("-").isdigit() else "0"
    return (text or "")[:_LONGEST_LABEL]


def _points(tallies: Tallies) -> Iterator[tuple[Series, Point]]:
    for tally in tallies.values():
        value: Any = len(tally.values)
        if tally.options is not None:
            value = buckets.of_values(tally.values, tally.options)
        yield tally.series, Point(tally.start, tally.end, value)

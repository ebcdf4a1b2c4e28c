"""The queries of a dashboard's widgets and of conditions, answered: named lines over time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gcpmlops import _google
from gcpmlops._monitoring.readings import Reading, Series, plain
from gcpmlops.exceptions import NotFound, Unimplemented

_POINTS = 240  # that a line has at most
_PERIODS = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400)  # seconds
_TEMPLATE = re.compile(r"\$\{(metric|resource)\.labels?\.([\w.]+)\}")


@dataclass(frozen=True)
class Line:
    """A name, and (time, value) oldest first."""

    name: str
    points: Sequence[tuple[datetime, float]]

    def renamed(self, names: Mapping[str, str]) -> Line:
        """With what is known instead of ids."""
        words = (names.get(word, word) for word in self.name.split(" "))
        return replace(self, name=" ".join(words))


class Queries:
    """Answers queries for one time; the same one twice is asked once."""

    def __init__(self, reading: Reading, start: datetime, end: datetime) -> None:
        self._reading = reading
        self._start = start
        self._end = end
        self._known: dict[str, list[Series]] = {}
        least = (end - start).total_seconds() / _POINTS
        self._period = next((each for each in _PERIODS if each >= least), math.ceil(least / 86400) * 86400)

    def lines(self, data: Any) -> Iterator[Line]:
        """Of a chart's data set, or a scorecard. Raises Unimplemented for query languages."""
        query = data.time_series_query
        kind = type(query).pb(query).WhichOneof("source")
        template = getattr(data, "legend_template", "")
        if kind == "time_series_filter":
            spec = query.time_series_filter
            found = self._list(spec.filter, spec.aggregation, spec.secondary_aggregation)
            yield from (Line(_named(each, template), _points(each)) for each in found)
        elif kind == "time_series_filter_ratio":
            spec = query.time_series_filter_ratio
            upper = self._list(spec.numerator.filter, spec.numerator.aggregation, None)
            lower = self._list(spec.denominator.filter, spec.denominator.aggregation, None)
            yield from _divided(upper, lower, template)
        else:
            raise Unimplemented(f"queries by {kind} are not drawn here")

    def watched(self, spec: Any) -> Iterator[Line]:
        """What a condition of an alert policy looks at."""
        steps = [*spec.aggregations, None, None]
        upper = self._list(spec.filter, steps[0], steps[1])
        if not getattr(spec, "denominator_filter", ""):
            same = _shared(upper)
            yield from (Line(_named(each, "", same), _points(each)) for each in upper)
            return
        below = [*spec.denominator_aggregations, None, None]
        yield from _divided(upper, self._list(spec.denominator_filter, below[0], below[1]), "")

    def _list(self, where: str, first: Any, second: Any) -> list[Series]:
        steps = [self._step(each) for each in (first, second)]
        key = f"{where} {steps}"
        if key not in self._known:
            self._known[key] = []
            with suppress(NotFound):  # a metric that nobody has written yet is no data
                found = self._reading.list(
                    where, start=self._start, end=self._end, aggregation=steps[0], secondary=steps[1]
                )
                self._known[key] = [*found]
        return self._known[key]

    def _step(self, given: Any) -> Any:
        """Monitoring's Aggregation, of a longer period where the time is long; None for one that does nothing."""
        if given is None or not given.per_series_aligner:
            return None
        kind = _google.monitoring_common.Aggregation
        seconds = max(int(given.alignment_period.total_seconds()), self._period)
        return kind(
            alignment_period={"seconds": seconds},
            per_series_aligner=given.per_series_aligner.name,
            cross_series_reducer=given.cross_series_reducer.name,
            group_by_fields=list(given.group_by_fields),
        )


def _points(series: Series) -> list[tuple[datetime, float]]:
    return [(at, float(plain(value))) for at, value in series.points]


def _divided(upper: Sequence[Series], lower: Sequence[Series], template: str) -> Iterator[Line]:
    """For each line of the lower ones; where the upper one has nothing, it is 0."""
    above = {_key(each): dict(each.points) for each in upper}
    for each in lower:
        counts = above.get(_key(each), {})
        points = [(at, float(counts.get(at, 0)) / float(value)) for at, value in each.points if value]
        yield Line(_named(each, template), points)


def _key(series: Series) -> Any:
    return tuple(sorted(series.labels.items())), tuple(sorted(series.resource_labels.items()))


def _shared(series: Sequence[Series]) -> set[tuple[str, str]]:
    """Labels that all have: they tell none from another."""
    labels = [set(each.labels.items()) for each in series]
    return set.intersection(*labels) if len(labels) > 1 else set()


def _named(series: Series, template: str, same: set[tuple[str, str]] | None = None) -> str:
    """By the legend's template; else by the labels that tell it from others."""
    parts = {"metric": series.labels, "resource": series.resource_labels}
    if template:
        return _TEMPLATE.sub(lambda match: parts[match[1]].get(match[2], ""), template).strip()
    own = [f"{key}={value}" for key, value in series.labels.items() if value and (key, value) not in (same or ())]
    return ", ".join(own) or series.metric.rpartition("/")[2]

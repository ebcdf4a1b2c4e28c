"""What an alert policy reads of a metric: the aligned value of each time series now, and until when it stays so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gcpmlops.emulator.services.monitoring.alerting.states import MINUTE, earliest
from gcpmlops.emulator.services.monitoring.lines import Line
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Kind, Point, Series, ValueType, labels

_AHEAD = 5 * MINUTE  # as far in the future points may be
_STEP = 10_000_000  # windows that slide are looked at this often at most
Fields = Sequence[tuple[str, Any]]  # `Aggregation` messages, each with its field's name


@dataclass(frozen=True)
class Sample:
    """A time series at a moment; `value` is None where its window is empty, `last` is its newest point's end."""

    series: Series
    value: float | None
    last: int


def key_of(series: Series) -> str:
    """What tells the time series of one condition apart."""
    return json.dumps(
        [series.metric, dict(series.metric_labels), series.resource, dict(series.resource_labels)], ensure_ascii=False
    )


def series_of(project: str, key: str) -> Series:
    """What a key was made of, as far as it tells."""
    metric, metric_labels, resource, resource_labels = json.loads(key)
    return Series(project, metric, labels(metric_labels), resource, labels(resource_labels), "GAUGE", "DOUBLE")


class Sampler:
    """One filter with its aggregations.

    Args:
        reading: of time series.
        project: whose.
        text: a monitoring filter.
        aggregations: applied one after the other.
    """

    def __init__(self, reading: Reading, project: str, text: str, aggregations: Fields) -> None:
        self._reading = reading
        self._project = project
        self._text = text
        self._aggregations = [(name, each) for name, each in aggregations if _period(each)]
        periods = [_period(each) for _, each in self._aggregations] or [MINUTE]
        self.period = periods[0]
        self.span = max(periods)
        self._groups: dict[Series, tuple[Series, str]] = {}
        self._results: set[tuple[Kind, ValueType]] = set()  # of the aggregations

    def read(self, now: int, since: int | None = None) -> tuple[dict[str, Sample], int | None]:
        """Samples by their keys, and when they change next although no point comes.

        Args:
            now: microseconds since 1970.
            since: series with a point after it are told too; default: those with one in their windows.
        """
        start = min(now - self.span - self.period, now if since is None else since)
        found = self._reading.lines(self._project, self._text, start, now + _AHEAD)
        past = [(line.series, last) for line in found if (last := _newest(line, now)) is not None]
        values = self._values(past, start if since is not None else now - self.span, now)
        samples: dict[str, Sample] = {}
        for raw, point in past:
            if group := self._group(raw, values):
                series, key = group
                newest = max(point.end, samples[key].last if key in samples else 0)
                samples[key] = Sample(series, self._value(values.get(series), now), newest)
        return samples, self._changes(found, now)

    def _values(self, past: Sequence[tuple[Series, Point]], start: int, now: int) -> dict[Series, Point]:
        """The newest value of each aggregated time series."""
        if not self._aggregations or not past:
            return dict(past)
        made = self._reading.lines(self._project, self._text, start, now, self._aggregations)
        return {line.series: line.points[0] for line in made if line.points}

    def _value(self, point: Point | None, now: int) -> float | None:
        """Of the newest window, or of the newest point where nothing is aligned."""
        is_current = point is not None and (point.end == now if self._aggregations else point.end > now - self.period)
        return _number(point.value) if point is not None and is_current else None

    def _group(self, raw: Series, made: Mapping[Series, Point]) -> tuple[Series, str] | None:
        """The aggregated time series that one is a part of, and its key; None where that was not seen yet."""
        if raw not in self._groups:
            whole = self._whole(raw, made)
            if whole is None:
                return None
            self._groups[raw] = whole, key_of(whole)
        return self._groups[raw]

    def _whole(self, raw: Series, made: Mapping[Series, Point]) -> Series | None:
        for each in self._results:  # what an aligner makes of it
            alike = replace(raw, kind=each[0], value_type=each[1])
            if alike in made:
                return alike
        found = max((each for each in made if _is_part(raw, each)), key=_breadth, default=None)
        if found is not None:
            self._results.add((found.kind, found.value_type))
        return found

    def _changes(self, found: Sequence[Line], now: int) -> int | None:
        """When the next point enters a window, goes on to the next one, or leaves the last."""
        times: list[int] = []
        for line in found:
            for point in line.points:
                if point.end > now:
                    times.append(point.end)
                else:
                    steps = (now - point.end) // self.period + 1
                    if steps * self.period <= self.span:
                        times.append(-(-(point.end + steps * self.period) // _STEP) * _STEP)
        return earliest(times, now)


class Ratio:
    """One metric by another, where they have the same labels."""

    def __init__(self, numerator: Sampler, denominator: Sampler) -> None:
        self._parts = numerator, denominator
        self.period = numerator.period

    def read(self, now: int, since: int | None = None) -> tuple[dict[str, Sample], int | None]:
        """As a `Sampler`; without a denominator, or with one of 0, there is no value."""
        (above, first), (below, second) = (part.read(now, since) for part in self._parts)
        divisors = {_labels(sample.series): sample.value for sample in below.values()}
        samples = {key: _divided(sample, divisors.get(_labels(sample.series))) for key, sample in above.items()}
        return samples, earliest([first, second], now)


def _divided(sample: Sample, divisor: float | None) -> Sample:
    value = sample.value / divisor if sample.value is not None and divisor else None
    return Sample(sample.series, value, sample.last)


def _labels(series: Series) -> Any:
    return series.metric_labels, series.resource, series.resource_labels


def _newest(line: Line, now: int) -> Point | None:
    return next((point for point in line.points if point.end <= now), None)


def _is_part(raw: Series, whole: Series) -> bool:
    """Whether a group has the labels that it has in common with a time series."""
    return set(whole.metric_labels) <= set(raw.metric_labels) and set(whole.resource_labels) <= set(raw.resource_labels)


def _breadth(series: Series) -> int:
    return len(series.metric_labels) + len(series.resource_labels)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, bool | int | float) else None


def _period(aggregation: Any) -> int:
    """Microseconds; 0: it aligns nothing."""
    return int(aggregation.alignment_period.total_seconds() * 1_000_000) if aggregation.per_series_aligner else 0

"""A policy's conditions over time series, compiled, with what is known of each of their series."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gcpmlops.emulator.services.monitoring.alerting.sampling import Ratio, Sample, Sampler
from gcpmlops.emulator.services.monitoring.alerting.states import DAY, Absence, Rule, State, Threshold, earliest
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Series

_COMPARISONS = {"COMPARISON_GT": operator.gt, "COMPARISON_LT": operator.lt}
_MISSING = "EVALUATION_MISSING_DATA_"
_REMEMBERED = 2 * DAY  # how long after its last point a series is found again that no state was stored of


class Sampling(Protocol):
    """A `Sampler`, or a `Ratio` of two."""

    period: int

    def read(self, now: int, since: int | None = None) -> tuple[dict[str, Sample], int | None]: ...


@dataclass(frozen=True)
class Met:
    """A time series that meets a condition, and its value (None: there is none)."""

    series: Series
    value: float | None


class MetricCondition:
    """One condition.

    Args:
        name: its resource name.
        sampling: reads its time series.
        rule: what makes one meet it.
        trigger: how many of them have to: a count, or per cent of those that are known.
        since: for absence: series with a point after it are watched.
        known: the states that were stored.
    """

    def __init__(
        self,
        name: str,
        sampling: Sampling,
        rule: Rule,
        *,
        trigger: Any,
        since: int | None,
        known: Mapping[str, tuple[Series, State]],
    ) -> None:
        self.name = name
        self.rule = rule
        self._sampling = sampling
        self._count, self._percent = max(1, trigger.count), trigger.percent
        self._since = since
        self.series: dict[str, Series] = {key: series for key, (series, _) in known.items()}
        self.states: dict[str, State] = {key: state for key, (_, state) in known.items()}
        self.values: dict[str, float | None] = {}
        self._changes: int | None = None

    def look(self, now: int) -> None:
        """Reads the time series and brings what is known of them up to date."""
        samples, self._changes = self._sampling.read(now, self._since and max(self._since, now - _REMEMBERED))
        self._since = self._since and now  # who was seen is known: from now on, what is new is enough
        for key, sample in samples.items():
            self.series[key] = sample.series
            self.values[key] = sample.value
            self.states[key] = self.rule.look(self.states.get(key), sample.value, sample.last, now)
        for key in [key for key in self.states if key not in samples]:
            self._look_at_missing(key, now)

    def met(self) -> dict[str, Met]:
        """The series that meet it now; none while there are too few of them."""
        found = {key: Met(self.series[key], self.values.get(key)) for key, state in self.states.items() if state.met}
        return found if self._is_enough(len(found)) else {}

    def due(self, now: int) -> int | None:
        """When to look again although no point comes."""
        return earliest([self._changes, *(self.rule.due(state, now) for state in self.states.values())], now)

    def spend(self, key: str) -> None:
        """An incident was closed for want of data."""
        if key in self.states:
            self.states[key] = replace(self.states[key], met=False, since=None, spent=True)

    def _look_at_missing(self, key: str, now: int) -> None:
        state = self.states[key] = self.rule.look(self.states[key], None, self.states[key].last, now)
        self.values[key] = None
        if self.rule.is_over(state):
            del self.states[key], self.series[key], self.values[key]

    def _is_enough(self, count: int) -> bool:
        if self._percent:
            return count > 0 and bool(100 * count >= self._percent * len(self.states))
        return bool(count >= self._count)


def compiled(
    condition: Any, reading: Reading, project: str, since: int, known: Mapping[str, tuple[Series, State]]
) -> MetricCondition:
    """A `Condition` message as what can be looked at.

    Args:
        condition: on time series.
        reading: of them.
        project: whose.
        since: when its policy was last changed.
        known: the states that were stored, by the keys of their series.
    """
    if "condition_absent" in condition:
        spec = condition.condition_absent
        sampler = _sampler(reading, project, spec.filter, spec.aggregations)
        rule: Rule = Absence(_micros(spec.duration))
        return MetricCondition(condition.name, sampler, rule, trigger=spec.trigger, since=since - 1, known=known)
    spec = condition.condition_threshold
    numerator = _sampler(reading, project, spec.filter, spec.aggregations)
    sampling: Sampling = numerator
    if spec.denominator_filter:
        below = _sampler(reading, project, spec.denominator_filter, spec.denominator_aggregations)
        sampling = Ratio(numerator, below)
    return MetricCondition(
        condition.name, sampling, _threshold(spec, sampling.period), trigger=spec.trigger, since=None, known=known
    )


def _threshold(spec: Any, period: int) -> Threshold:
    compare = _COMPARISONS[spec.comparison.name]
    wanted = spec.threshold_value
    missing = spec.evaluation_missing_data.name.removeprefix(_MISSING)
    return Threshold(
        violates=lambda value: bool(compare(value, wanted)),
        duration=_micros(spec.duration),
        period=period,
        missing=missing if missing in ("INACTIVE", "ACTIVE") else "NO_OP",
    )


def _sampler(reading: Reading, project: str, text: str, aggregations: Iterable[Any]) -> Sampler:
    return Sampler(reading, project, text, [("aggregations", each) for each in aggregations])


def _micros(duration: Any) -> int:
    return int(duration.total_seconds() * 1_000_000)

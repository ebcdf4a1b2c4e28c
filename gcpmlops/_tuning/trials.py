"""The trials of a tuning job: what each tried, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from gcpmlops import _extras, _google, _html
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Measurement:
    """What a trial reported at a step, or after so many seconds."""

    step: int
    elapsed: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Trial:
    """One trial as it was when asked for; `proto` is Google's Trial, `state` its State."""

    proto: _google.study.Trial = field(repr=False)
    id: str
    parameters: dict[str, float | int | str]
    metrics: dict[str, float]
    """The final measurement; empty while it runs, and where it ended without one."""

    @classmethod
    def of(cls, proto: _google.study.Trial, kinds: Mapping[str, str]) -> Trial:
        """From Google's message; `kinds` says which are integer or discrete: all numbers arrive as floats."""
        parameters = {
            each.parameter_id: _value(each.value, kinds.get(each.parameter_id, "")) for each in proto.parameters
        }
        return cls(proto, str(proto.id), parameters, _metrics(proto.final_measurement))

    @property
    def state(self) -> _google.study.Trial.State:
        """REQUESTED, ACTIVE, STOPPING, SUCCEEDED, INFEASIBLE."""
        return self.proto.state

    @property
    def has_ended(self) -> bool:
        """Whether it SUCCEEDED or is INFEASIBLE."""
        return self.proto.state.name in ("SUCCEEDED", "INFEASIBLE")

    @property
    def measurements(self) -> list[Measurement]:
        """All that it reported, in order."""
        return [
            Measurement(int(each.step_count), _seconds(each.elapsed_duration), _metrics(each))
            for each in self.proto.measurements
        ]

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None before."""
        start, end = self.proto.start_time, self.proto.end_time
        return (end - start).total_seconds() if start and end else None

    @property
    def started(self) -> datetime | None:
        """When it started."""
        started: datetime | None = self.proto.start_time
        return started

    @property
    def reason(self) -> str:
        """Why it is INFEASIBLE."""
        return str(self.proto.infeasible_reason)

    @property
    def reported(self) -> set[str]:
        """The names of all metrics that it reported, those that nobody asked for, too."""
        return {name for each in self.measurements for name in each.metrics} | set(self.metrics)

    def row(self) -> dict[str, Any]:
        """Flat: id, state, parameters, metrics, duration."""
        parameters = {f"param.{name}": value for name, value in self.parameters.items()}
        metrics = {f"metric.{name}": value for name, value in self.metrics.items()}
        return {"trial": self.id, "state": self.state.name, **parameters, **metrics, "duration": self.duration}

    def __str__(self) -> str:
        metrics = ", ".join(f"{name} {value:.6g}" for name, value in self.metrics.items())
        tried = ", ".join(f"{name}={_short(value)}" for name, value in self.parameters.items())
        return f"trial {self.id} {self.state.name}: {metrics or self.reason or 'no metric'} ({tried})"


class Trials(Sequence[Trial]):
    """A job's trials, in the order of their ids."""

    def __init__(self, trials: Sequence[Trial], goals: Mapping[str, str]) -> None:
        self._trials = sorted(trials, key=lambda trial: (len(trial.id), trial.id))
        self._goals = dict(goals)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | Sequence[Trial]:
        return self._trials[index]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def ended(self) -> list[Trial]:
        """Those that have ended."""
        return [trial for trial in self if trial.has_ended]

    def scored(self, metric: str) -> list[Trial]:
        """Those that SUCCEEDED with a finite value of the metric."""
        return [
            trial
            for trial in self
            if trial.state.name == "SUCCEEDED" and math.isfinite(trial.metrics.get(metric, math.nan))
        ]

    def metric(self, name: str | None = None) -> tuple[str, bool]:
        """(a metric of the search, whether more is better); without a name the first. Raises InvalidArgument."""
        chosen = next(iter(self._goals), "") if name is None else name
        if chosen not in self._goals:
            allowed = ", ".join(self._goals)
            raise InvalidArgument(f"{chosen!r} is not searched for", field="metric", value=chosen, allowed=allowed)
        return chosen, self._goals[chosen] == "maximize"

    def best(self, metric: str | None = None) -> Trial | None:
        """The best trial by a metric (without a name, the first of the search); None while there is none."""
        chosen, most = self.metric(metric)
        scored = self.scored(chosen)
        return (max if most else min)(scored, key=lambda trial: trial.metrics[chosen]) if scored else None

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a trial: trial, state, param.*, metric.*, duration in seconds. Raises MissingExtra."""
        frame = _extras.need("pandas", extra="plots", purpose="to_dataframe()").DataFrame(
            [trial.row() for trial in self]
        )
        order = ("trial", "state", "param.", "metric.", "duration")
        columns = sorted(
            frame.columns, key=lambda name: next(n for n, start in enumerate(order) if name.startswith(start))
        )
        table: pandas.DataFrame = frame[columns]
        return table

    def _repr_html_(self) -> str:
        rows = [trial.row() for trial in self]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_short(row.get(name, "")) for name in columns] for row in rows]
        return _html.grid(f"{len(self)} trials", columns, cells)


def needed(trial: Trial | None, job: str) -> Trial:
    """The best trial. Raises FailedPrecondition where there is none."""
    if trial is None:
        raise FailedPrecondition(
            f"{job} has no trial yet that ended with the metric",
            resource=job,
            next_step="See them with `gcpmlops tuning trials`.",
        )
    return trial


def _value(value: Any, kind: str) -> float | int | str:
    if isinstance(value, str):
        return value
    if kind == "integer" or (kind == "discrete" and float(value).is_integer()):
        return int(value)  # as the trial's command line had it
    return float(value)


def _metrics(measurement: Any) -> dict[str, float]:
    return {str(each.metric_id): float(each.value) for each in measurement.metrics} if measurement else {}


def _seconds(duration: Any) -> float:
    return float(duration.total_seconds()) if duration else 0.0


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""The automated stopping rule of a study spec, applied to a trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.search import stopping
from gcpmlops.emulator.runtimes.search.search import Goal
from gcpmlops.emulator.services.vizier import conversion, measurements

_State: Any = types.Trial.State
_SUCCEEDED = _State.SUCCEEDED
_CONVEX = "convex_automated_stopping_spec"
_RULES = {"median_automated_stopping_spec": stopping.median, "decay_curve_stopping_spec": stopping.decay_curve}


@dataclass(frozen=True)
class Verdict:
    """Whether to stop, and the measurement that the rule expects at the end (the convex rule alone predicts one)."""

    stop: bool
    predicted: types.Measurement | None = None


def judge(spec: types.StudySpec, trial: types.Trial, trials: Sequence[types.Trial]) -> Verdict:
    """Without a rule, and with several objectives, every trial goes on."""
    objectives = [goal for goal in conversion.goals(spec) if goal.safe_threshold is None]
    name = next((rule for rule in (*_RULES, _CONVEX) if rule in spec), None)
    if name is None or len(objectives) != 1:
        return Verdict(stop=False)
    rule = getattr(spec, name)
    curves = _Curves(objectives[0], elapsed=rule.use_elapsed_duration)
    completed = [curves.of(other) for other in trials if other.state == _SUCCEEDED and other.name != trial.name]
    if name in _RULES:
        return Verdict(_RULES[name](curves.of(trial), completed))
    convex = stopping.Convex(rule.max_step_count, rule.min_step_count or None, rule.min_measurement_count or 5)
    predicted = convex.predicted(curves.of(trial), completed)
    return Verdict(stop=False) if predicted is None else Verdict(stop=True, predicted=curves.measurement(*predicted))


@dataclass(frozen=True)
class _Curves:
    goal: Goal
    elapsed: bool

    def of(self, trial: types.Trial) -> stopping.Curve:
        """A trial's measurements of the objective; where it has none, the final one."""
        given = list(trial.measurements) or ([trial.final_measurement] if "final_measurement" in trial else [])
        points = [(self._x(each), self.goal.score(measurements.value(each, self.goal.metric_id))) for each in given]
        return sorted(point for point in points if math.isfinite(point[1]))

    def measurement(self, x: float, score: float) -> types.Measurement:
        value = score if self.goal.maximize else -score
        metric = types.Measurement.Metric(metric_id=self.goal.metric_id, value=value)
        at = {"elapsed_duration": timedelta(seconds=x)} if self.elapsed else {"step_count": round(x)}
        return types.Measurement(metrics=[metric], **at)

    def _x(self, measurement: types.Measurement) -> float:
        steps, elapsed = measurements.order(measurement)
        return elapsed.total_seconds() if self.elapsed else steps

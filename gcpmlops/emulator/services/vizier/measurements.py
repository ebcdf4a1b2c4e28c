"""Measurements of trials: their checks, their order, and which one is the final one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.search.search import Goal

_Selection: Any = types.StudySpec.MeasurementSelectionType


def check(measurement: types.Measurement, goals: Sequence[Goal], path: str, *, final: bool) -> None:
    """Raises InvalidArgument naming the field; a final measurement needs every metric of the study."""
    if measurement.step_count < 0:
        raise validate.invalid(f"{path}.step_count", f"{measurement.step_count} is negative.")
    if _elapsed(measurement) < timedelta():
        raise validate.invalid(f"{path}.elapsed_duration", "is negative.")
    if not measurement.metrics:
        raise validate.invalid(f"{path}.metrics", "required, but missing.")
    known = {goal.metric_id for goal in goals}
    for index, metric in enumerate(measurement.metrics):
        field = f"{path}.metrics[{index}]"
        if metric.metric_id not in known:
            what = f"the study has no metric {metric.metric_id!r} (it has {', '.join(sorted(known))})."
            raise validate.invalid(f"{field}.metric_id", what)
        if metric.metric_id in [other.metric_id for other in measurement.metrics[:index]]:
            raise validate.invalid(f"{field}.metric_id", f"{metric.metric_id!r} is given twice.")
        if not math.isfinite(metric.value):
            what = f"{metric.value} is not finite (complete the trial with trial_infeasible instead)."
            raise validate.invalid(f"{field}.value", what)
    for name in sorted(known - {metric.metric_id for metric in measurement.metrics}) if final else ():
        raise validate.invalid(f"{path}.metrics", f"metric {name!r} is missing.")


def place(measurements: Sequence[types.Measurement]) -> list[types.Measurement]:
    """In the order of (steps, elapsed duration)."""
    return sorted(measurements, key=order)


def order(measurement: types.Measurement) -> tuple[int, timedelta]:
    """What measurements are ordered by."""
    return measurement.step_count, _elapsed(measurement)


def value(measurement: types.Measurement, metric_id: str) -> float:
    """Of one metric; NaN where it wasn't measured."""
    return next((metric.value for metric in measurement.metrics if metric.metric_id == metric_id), math.nan)


def select(
    measurements: Sequence[types.Measurement], goals: Sequence[Goal], selection: Any
) -> types.Measurement | None:
    """The final one among those that have all metrics: the last, or the best by the first objective.

    The best one has finite values wherever there is such a one.
    """
    whole = [each for each in measurements if {g.metric_id for g in goals} <= {m.metric_id for m in each.metrics}]
    if not whole or selection != _Selection.BEST_MEASUREMENT:
        return whole[-1] if whole else None
    goal = next(goal for goal in goals if goal.safe_threshold is None)
    finite = [each for each in whole if all(math.isfinite(value(each, g.metric_id)) for g in goals)]
    return max(finite, key=lambda each: goal.score(value(each, goal.metric_id)), default=whole[-1])


def _elapsed(measurement: types.Measurement) -> timedelta:
    elapsed: timedelta = measurement.elapsed_duration or timedelta()
    return elapsed

"""What a kind of model is measured by: points by scikit-learn, statistics for the bootstrap, curves for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gcpmlops.evaluation import bootstrap
from gcpmlops.evaluation.bootstrap import Drawing, Floats, Statistic
from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.values import Estimate, finite


class Task(Protocol):
    """One kind of model."""

    @property
    def kind(self) -> str:
        """binary, multiclass, regression or forecasting."""

    def points(self, examples: Examples) -> dict[str, float]:
        """Each metric's value; NaN where it is not defined."""

    def slice_points(self, examples: Examples) -> dict[str, float]:
        """The same, without scikit-learn's checks, which take longer than its sums on the rows of a slice."""

    def undefined(self, metric: str, examples: Examples) -> str:
        """Why a metric is not defined on these rows."""

    def statistics(self, examples: Examples) -> Sequence[Statistic]:
        """The same metrics of weighted rows."""

    def curves(self, examples: Examples) -> Mapping[str, Any]:
        """What the report draws, as plain values."""


def measure(task: Task, examples: Examples, drawing: Drawing, *, part: bool = False) -> dict[str, Estimate]:
    """Every metric with its interval, or why it has no value. `part`: of a slice."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not defined
        drawn = bootstrap.resample(task.statistics(examples), len(examples), drawing)
        points = task.slice_points(examples) if part else task.points(examples)

    def found(name: str, value: float) -> Estimate:
        return estimate(value, drawn.get(name), drawing.confidence, why=lambda: task.undefined(name, examples))

    return {name: found(name, value) for name, value in points.items()}


def estimate(value: float, drawn: Floats | None, confidence: float, *, why: Callable[[], str]) -> Estimate:
    """The value with its interval; where it is none, `why`."""
    point = finite(value)
    if point is None:
        return Estimate(None, reason=why())
    ends = None if drawn is None else bootstrap.interval(drawn, confidence)
    return Estimate(point, *(ends or (None, None)))

"""What a kind of model is measured by: points by scikit-learn, statistics for the bootstrap, curves for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gcpmlops.evaluation import bootstrap
from gcpmlops.evaluation.bootstrap import Statistic
from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.values import Estimate, finite


class Task(Protocol):
    """One kind of model."""

    @property
    def kind(self) -> str:
        """binary, multiclass, regression or forecasting."""

    def points(self, examples: Examples) -> dict[str, float]:
        """Each metric's value; NaN where it is not defined."""

    def statistics(self, examples: Examples) -> Sequence[Statistic]:
        """The same metrics of weighted rows."""

    def curves(self, examples: Examples) -> Mapping[str, Any]:
        """What the report draws, as plain values."""


def measure(task: Task, examples: Examples, *, resamples: int, confidence: float, seed: int) -> dict[str, Estimate]:
    """Every metric with its interval."""
    drawn = bootstrap.resample(task.statistics(examples), len(examples), resamples=resamples, seed=seed)
    found = {}
    for name, value in task.points(examples).items():
        ends = bootstrap.interval(drawn[name], confidence) if name in drawn else None
        point = finite(value)
        found[name] = Estimate(point, *(ends or (None, None))) if point is not None else Estimate(None)
    return found

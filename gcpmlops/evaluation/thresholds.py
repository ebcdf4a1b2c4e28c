"""Where to call a row positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation import binary
from gcpmlops.evaluation.values import direction, finite, number
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from gcpmlops.evaluation.result import EvaluationResult

_COSTS = {"false_positive": "false_positives", "false_negative": "false_negatives"}


@dataclass(frozen=True)
class Threshold:
    """A score, the metrics of the rows called from it on, and the `cost` by row where costs were given."""

    threshold: float
    metrics: Mapping[str, float | None]
    cost: float | None = None

    def __str__(self) -> str:
        said = ", ".join(f"{name} {number(self.metrics[name])}" for name in ("precision", "recall", "f1"))
        return f"threshold {number(self.threshold)}: {said}"


def best(
    result: EvaluationResult, metric: str, at_least: Mapping[str, float], costs: Mapping[str, float] | None
) -> Threshold:
    """The best one of the scores that there are. Raises InvalidArgument, FailedPrecondition."""
    table = _table(result)
    _check(metric, at_least, costs)
    allowed = np.ones(len(table["threshold"]), dtype=bool)
    for name, bound in at_least.items():
        allowed &= np.nan_to_num(table[name], nan=-np.inf) >= bound
    cost = _cost(table, costs) / result.rows if costs else None
    worth = -cost if cost is not None else direction(metric) * table[metric]
    worth = np.where(allowed & np.isfinite(worth), worth, -np.inf)
    at = int(np.argmax(worth))
    if not np.isfinite(worth[at]):
        wanted = " and ".join(f"{name} ≥ {number(bound)}" for name, bound in at_least.items())
        best_of = ", ".join(f"{name} {number(float(np.nanmax(table[name])))}" for name in at_least)
        message = f"no threshold of {result.name} has {wanted or f'a defined {metric}'}"
        raise FailedPrecondition(message, resource=result.name, next_step=f"Each alone reaches {best_of}.")
    found = {name: finite(table[name][at]) for name in binary.RATES}
    return Threshold(float(table["threshold"][at]), found, None if cost is None else float(cost[at]))


def _cost(table: Mapping[str, NDArray[Any]], costs: Mapping[str, float]) -> NDArray[np.float64]:
    return np.asarray(np.sum([price * table[_COSTS[name]] for name, price in costs.items()], axis=0), dtype=np.float64)


def _table(result: EvaluationResult) -> dict[str, NDArray[Any]]:
    """Of all scores; of those that were kept where the rows are not at hand."""
    if result.kind != "binary" or "thresholds" not in result.curves:
        message = f"{result.name} has no threshold to choose: it is {result.kind}, without scores of two classes"
        raise InvalidArgument(message, field="metric", allowed="a classification with one column of scores")
    if result.examples is not None:
        return binary.by_threshold(result.examples.targets, result.examples.predictions)
    return {name: np.asarray(values, dtype=np.float64) for name, values in result.curves["thresholds"].items()}


def _check(metric: str, at_least: Mapping[str, float], costs: Mapping[str, float] | None) -> None:
    ordered = [name for name in binary.RATES if direction(name)]
    if metric not in ordered:
        raise InvalidArgument(field="metric", value=metric, allowed=", ".join(ordered))
    for name in at_least:
        if name not in binary.RATES:
            raise InvalidArgument(field="at_least", value=name, allowed=", ".join(binary.RATES))
    if costs and (set(costs) - set(_COSTS) or min(costs.values()) < 0):
        raise InvalidArgument(field="costs", value=dict(costs), allowed=f"{' and '.join(_COSTS)}, 0 or more")

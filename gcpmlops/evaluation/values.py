"""A metric's value with its interval, and which way of it is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

HIGHER = frozenset(
    {"accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc", "roc_auc", "pr_auc", "r2"}
    | {"precision_macro", "recall_macro", "f1_macro", "f1_weighted", "roc_auc_ovr"}
)
LOWER = frozenset(
    {"false_positive_rate", "false_negative_rate", "log_loss", "brier", "ece"}
    | {"mae", "rmse", "mape", "smape", "mase", "pinball"}
)
NEITHER = frozenset({"selection_rate", "mean_error", "coverage"})  # more is not better, nor is less
_NUMBERS = frozenset({"mae", "rmse", "r2", "mape", "smape", "mean_error"})
_FORECASTS = frozenset({"mase", "pinball", "coverage"})


def is_number(value: Any) -> bool:
    """Whether it is a real number, numpy's included."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether it is an integer, numpy's included."""
    return isinstance(value, Integral) and not isinstance(value, bool)


@dataclass(frozen=True)
class Estimate:
    """What was measured, and the ends of its bootstrap interval; without a value, `reason` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = {"value": self.value, "low": self.low, "high": self.high}
        return {**found, "reason": self.reason} if self.reason else found

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Estimate:
        """What `to_dict` made."""
        return cls(given["value"], given["low"], given["high"], given.get("reason", ""))

    def __str__(self) -> str:
        if self.value is None:
            return f"not defined: {self.reason}" if self.reason else "not defined"
        ends = "" if self.low is None or self.high is None else f" [{number(self.low)}, {number(self.high)}]"
        return f"{number(self.value)}{ends}"


def direction(metric: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither (a selection rate, a mean error)."""
    name = metric.partition(":")[0]
    return 1 if name in HIGHER else -1 if name in LOWER else 0


def metrics_of(task: str) -> frozenset[str]:
    """The names that an evaluation of classification or regression gives, without what follows a colon (a class)."""
    return _NUMBERS if task == "regression" else (HIGHER | LOWER | NEITHER) - _NUMBERS - _FORECASTS


def estimates(given: Mapping[str, Any]) -> dict[str, Estimate]:
    """Name → Estimate, from JSON."""
    return {name: Estimate.from_dict(each) for name, each in given.items()}


def finite(value: float) -> float | None:
    """The value; None for what is not a number or endless."""
    return float(value) if math.isfinite(value) else None


def number(value: float | None) -> str:
    """Four significant digits."""
    return "-" if value is None else f"{value + 0.0:.4g}"  # without the sign of -0.0


def plain(value: Any) -> Any:
    """The value as JSON has it: numpy's scalars and arrays, tuples and mappings as Python's; NaN as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return finite(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)

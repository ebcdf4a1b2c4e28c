"""What is measured of predictions and outcomes, as SQL: p is the score, y the outcome, r the score's rank."""

from __future__ import annotations

from collections.abc import Sequence

from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import one_of

_CLIPPED = "LEAST(GREATEST(p, 1e-15), 1 - 1e-15)"
_HIT = "(p >= @threshold)"
_POSITIVES, _NEGATIVES = "COUNTIF(y = 1 AND p IS NOT NULL)", "COUNTIF(y = 0 AND p IS NOT NULL)"
_SHARES = "MIN(p) >= 0 AND MAX(p) <= 1"  # scores that are no shares have no log loss

TASKS: dict[str, dict[str, str]] = {
    "binary": {
        # the Mann-Whitney statistic; ties have the mean of their ranks
        "roc_auc": f"SAFE_DIVIDE(SUM(IF(y = 1 AND p IS NOT NULL, r, 0)) - {_POSITIVES} * ({_POSITIVES} + 1) / 2, "
        f"{_POSITIVES} * {_NEGATIVES})",
        "log_loss": f"IF({_SHARES}, -AVG(y * LN({_CLIPPED}) + (1 - y) * LN(1 - {_CLIPPED})), NULL)",
        "brier": f"IF({_SHARES}, AVG(POW(p - y, 2)), NULL)",
        "accuracy": f"AVG(CAST({_HIT} = (y = 1) AS INT64))",
        "precision": f"SAFE_DIVIDE(COUNTIF({_HIT} AND y = 1), COUNTIF({_HIT} AND y IS NOT NULL))",
        "recall": f"SAFE_DIVIDE(COUNTIF({_HIT} AND y = 1), {_POSITIVES})",
        "base_rate": "AVG(y)",
    },
    "regression": {
        "mae": "AVG(ABS(p - y))",
        "rmse": "SQRT(AVG(POW(p - y, 2)))",
        "bias": "AVG(p - y)",
    },
    "multiclass": {"accuracy": "AVG(CAST(label = outcome AS INT64))"},
}
DEFAULTS = {"binary": ("roc_auc", "log_loss"), "regression": ("mae", "rmse"), "multiclass": ("accuracy",)}
LOW_IS_GOOD = ("log_loss", "brier", "mae", "rmse")


def chosen(task: str, metrics: Sequence[str]) -> dict[str, str]:
    """Name → SQL; those that a task has by default where none is named. Raises InvalidArgument."""
    known = TASKS[one_of(task, [each.upper() for each in TASKS], field="task").lower()]
    for name in metrics:
        if name not in known:
            allowed = ", ".join(known)
            raise InvalidArgument(f"{task} has no {name}", field="metrics", value=name, allowed=allowed)
    return {name: known[name] for name in metrics or DEFAULTS[task.lower()]}


def outcome(task: str, positive: str) -> str:
    """y, of the outcome's text; NULL where it can't be one."""
    if task == "binary" and positive:
        return "IF(outcome IS NULL, NULL, IF(outcome = @positive, 1.0, 0.0))"
    if task == "binary":
        return (
            "CASE WHEN LOWER(outcome) IN ('1', '1.0', 'true') THEN 1.0 "
            "WHEN LOWER(outcome) IN ('0', '0.0', 'false') THEN 0.0 END"
        )
    if task == "regression":
        return "SAFE_CAST(outcome AS FLOAT64)"
    return "IF(outcome IS NULL, NULL, 1.0)"

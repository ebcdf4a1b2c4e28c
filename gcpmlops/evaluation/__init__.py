"""How good and how fair a model is: metrics, intervals, slices, bias, comparison, gates, report, model card.

`client.evaluation` is where to start; the names here are what it takes and hands back. Importing this package imports
neither numpy nor pandas: they come with the extra `evaluation` and are loaded when a model is evaluated.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcpmlops.evaluation.card import ModelCard as ModelCard
    from gcpmlops.evaluation.comparison import Comparison as Comparison
    from gcpmlops.evaluation.comparison import Difference as Difference
    from gcpmlops.evaluation.evaluation import Evaluation as Evaluation
    from gcpmlops.evaluation.fairness import Fairness as Fairness
    from gcpmlops.evaluation.gates import Gate as Gate
    from gcpmlops.evaluation.gates import GateResult as GateResult
    from gcpmlops.evaluation.gates import Verdict as Verdict
    from gcpmlops.evaluation.result import Confusion as Confusion
    from gcpmlops.evaluation.result import EvaluationResult as EvaluationResult
    from gcpmlops.evaluation.slices import Slice as Slice
    from gcpmlops.evaluation.thresholds import Threshold as Threshold
    from gcpmlops.evaluation.values import Estimate as Estimate

_HOMES = {
    "Comparison": "comparison",
    "Confusion": "result",
    "Difference": "comparison",
    "Estimate": "values",
    "Evaluation": "evaluation",
    "EvaluationResult": "result",
    "Fairness": "fairness",
    "Gate": "gates",
    "GateResult": "gates",
    "ModelCard": "card",
    "Slice": "slices",
    "Threshold": "thresholds",
    "Verdict": "gates",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gcpmlops.evaluation' has no attribute {name!r}")
    value = getattr(import_module(f"gcpmlops.evaluation.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

"""An evaluation's metrics as Vertex AI's schemas of ModelEvaluation have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcpmlops.evaluation.result import EvaluationResult
    from gcpmlops.evaluation.values import Estimate

_SCHEMAS = "gs://google-cloud-aiplatform/schema/modelevaluation"
_SCHEMA = {
    "binary": "classification_metrics_1.0.0.yaml",
    "multiclass": "classification_metrics_1.0.0.yaml",
    "regression": "regression_metrics_1.0.0.yaml",
    "forecasting": "forecasting_metrics_1.0.0.yaml",
}
_NUMBERS = {  # kind: Google's name of ours, and what ours is multiplied with
    "binary": {"auRoc": ("roc_auc", 1), "auPrc": ("pr_auc", 1), "logLoss": ("log_loss", 1)},
    "multiclass": {"logLoss": ("log_loss", 1)},  # ours of the ranking is a mean over classes, theirs over rows
    "regression": {
        "rootMeanSquaredError": ("rmse", 1),
        "meanAbsoluteError": ("mae", 1),
        "meanAbsolutePercentageError": ("mape", 100),  # theirs is in per cent
        "rSquared": ("r2", 1),
    },
}
_NUMBERS["forecasting"] = _NUMBERS["regression"]
_AT = {"precision": "precision", "recall": "recall", "f1Score": "f1", "falsePositiveRate": "false_positive_rate"}
_COUNTS = {
    "truePositiveCount": "true_positives",
    "falsePositiveCount": "false_positives",
    "falseNegativeCount": "false_negatives",
    "trueNegativeCount": "true_negatives",
}


def schema_of(kind: str) -> str:
    """The gs:// URI of the metrics' schema for binary, multiclass, regression or forecasting."""
    return f"{_SCHEMAS}/{_SCHEMA[kind]}"


def of_result(result: EvaluationResult) -> dict[str, Any]:
    """The metrics of a whole evaluation: numbers, curves by threshold, the confusion matrix, quantiles."""
    found = of_estimates(result.kind, result.metrics, result.settings)
    if result.kind == "binary":
        found["confidenceMetrics"] = [*found.get("confidenceMetrics", []), *_by_threshold(result.curves)]
    confusion = result.curves.get("confusion")
    if confusion:
        specs = [{"id": str(number), "displayName": label} for number, label in enumerate(confusion["labels"])]
        found["confusionMatrix"] = {"annotationSpecs": specs, "rows": confusion["matrix"]}
    return found


def of_estimates(kind: str, metrics: Mapping[str, Estimate], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers alone, as a slice has them; what is not defined is left out."""
    values = {name: estimate.value for name, estimate in metrics.items() if estimate.value is not None}
    found: dict[str, Any] = {
        theirs: values[ours] * factor for theirs, (ours, factor) in _NUMBERS[kind].items() if ours in values
    }
    if kind == "binary" and (at := {theirs: values[ours] for theirs, ours in _AT.items() if ours in values}):
        found["confidenceMetrics"] = [{"confidenceThreshold": settings.get("threshold", 0.5), **at}]
    if kind == "multiclass" and "accuracy" in values:
        found["confidenceMetrics"] = [_of_classes(values)]
    if kind == "forecasting" and (quantiles := list(_quantiles(values))):
        found["quantileMetrics"] = quantiles
    return found


def _by_threshold(curves: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One entry for each threshold of the curves; counts are text, as JSON has Google's int64."""
    columns = curves.get("thresholds") or {}
    for row, threshold in enumerate(columns.get("threshold", ())):
        rates = {theirs: columns[ours][row] for theirs, ours in _AT.items() if ours in columns}
        counts = {theirs: str(int(columns[ours][row])) for theirs, ours in _COUNTS.items() if ours in columns}
        known = {name: value for name, value in rates.items() if value is not None}
        yield {"confidenceThreshold": threshold, **known, **counts}


def _of_classes(values: Mapping[str, float]) -> dict[str, Any]:
    """The class of the highest score is called: precision, recall and F1 over all rows are the accuracy then."""
    accuracy = values["accuracy"]
    found = {"confidenceThreshold": 0.0, "maxPredictions": 1}
    found |= dict.fromkeys(("precision", "recall", "f1Score", "f1ScoreMicro"), accuracy)
    return found | ({"f1ScoreMacro": values["f1_macro"]} if "f1_macro" in values else {})


def _quantiles(values: Mapping[str, float]) -> Iterator[dict[str, float]]:
    for name, value in values.items():
        metric, _, quantile = name.partition(":")
        if metric == "coverage":
            yield {"quantile": float(quantile), "observedQuantile": value}

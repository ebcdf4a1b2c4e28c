"""What metrics are called and mean, for people who read a report."""

from __future__ import annotations

from collections.abc import Mapping

from gcpmlops.evaluation.values import Estimate

_MEANS = {
    "roc_auc": ("ROC AUC", "chance that a positive row scores above a negative one; 0.5 is guessing"),
    "pr_auc": ("PR AUC", "average precision over all recalls; the share of positives is guessing"),
    "log_loss": ("Log loss", "surprise at the outcomes, in nats; 0 is perfect"),
    "brier": ("Brier score", "mean squared error of the probabilities; 0 is perfect"),
    "ece": ("Calibration error", "mean gap between probability and outcome over 10 bins"),
    "accuracy": ("Accuracy", "share of rows that were called right"),
    "balanced_accuracy": ("Balanced accuracy", "mean of recall and specificity"),
    "precision": ("Precision", "share of rows called positive that are"),
    "recall": ("Recall", "share of positive rows that were called so"),
    "specificity": ("Specificity", "share of negative rows that were called so"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "mcc": ("Matthews correlation", "of truth and call; 0 is guessing"),
    "false_positive_rate": ("False positive rate", "share of negative rows that were called positive"),
    "false_negative_rate": ("False negative rate", "share of positive rows that were called negative"),
    "true_positive_rate": ("True positive rate", "share of positive rows that were called so"),
    "selection_rate": ("Selection rate", "share of rows that were called positive"),
    "precision_macro": ("Precision, macro", "mean over the classes"),
    "recall_macro": ("Recall, macro", "mean over the classes"),
    "f1_macro": ("F1, macro", "mean over the classes"),
    "f1_weighted": ("F1, weighted", "mean over the classes, by their rows"),
    "roc_auc_ovr": ("ROC AUC, one vs rest", "mean over the classes"),
    "mae": ("Mean absolute error", "in the target's unit"),
    "rmse": ("Root mean squared error", "in the target's unit; large errors weigh more"),
    "r2": ("R²", "share of the target's variance that is explained"),
    "mape": ("Mean absolute percentage error", "share of the target"),
    "smape": ("Symmetric MAPE", "0 to 2"),
    "mean_error": ("Mean error", "prediction - target, in the target's unit; 0 is unbiased"),
    "mase": ("MASE", "error over that of repeating the season before; below 1 is better than that"),
    "pinball": ("Pinball loss", "of the quantile, in the target's unit"),
    "coverage": ("Coverage", "share of targets at or below the quantile's forecast"),
    "demographic_parity_difference": ("Demographic parity, difference", "largest gap of selection rates; 0 is even"),
    "demographic_parity_ratio": ("Demographic parity, ratio", "smallest over largest selection rate; 1 is even"),
    "selection_rate_ratio": ("Selection rate ratio", "smallest over largest selection rate; 1 is even"),
    "equalized_odds_difference": (
        "Equalized odds, difference",
        "largest gap of true or false positive rates; 0 is even",
    ),
    "equalized_odds_ratio": ("Equalized odds, ratio", "smallest ratio of true or false positive rates; 1 is even"),
    "equal_opportunity_difference": ("Equal opportunity, difference", "largest gap of true positive rates; 0 is even"),
    "equal_opportunity_ratio": ("Equal opportunity, ratio", "smallest over largest true positive rate; 1 is even"),
}


_HEADLINES = (
    *("roc_auc", "pr_auc", "roc_auc_ovr", "f1_macro", "accuracy", "precision", "recall", "brier", "f1", "mcc"),
    *("mase", "rmse", "mae", "r2", "mean_error", "smape"),
)


def headlines(metrics: Mapping[str, Estimate], most: int) -> list[str]:
    """The metrics to look at first, of those that have a value."""
    return [name for name in _HEADLINES if name in metrics and metrics[name].value is not None][:most]


def title(metric: str) -> str:
    """ROC AUC for roc_auc, Precision: cat for precision:cat."""
    name, _, part = metric.partition(":")
    found = _MEANS.get(name, (name.replace("_", " "), ""))[0]
    return f"{found}: {part}" if part else found


def meaning(metric: str) -> str:
    """In a few words."""
    return _MEANS.get(metric.partition(":")[0], ("", ""))[1]

"""Two classes: metrics at a threshold, of the ranking, and of the probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation.bootstrap import Floats, Means, PrAuc, RocAuc, Statistic, ratio, whole
from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.values import plain

BINS = 10
THRESHOLDS = 200  # of the curve by threshold
_POINTS = 400  # of a curve: more than a screen shows
NEEDS_SCORES = "needs scores; there are labels alone"
RATES = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc"),
    *("false_positive_rate", "false_negative_rate", "selection_rate"),
)
SCORES = ("roc_auc", "pr_auc", "log_loss", "brier", "ece")
_WHY = {
    "recall": "no row is positive",
    "false_negative_rate": "no row is positive",
    "specificity": "no row is negative",
    "false_positive_rate": "no row is negative",
    "precision": "no row was called positive",
    "f1": "no row is positive or was called so",
    "mcc": "one class only, in truth or as called",
}


@dataclass(frozen=True)
class Binary:
    """Rows whose score reaches `threshold` are called positive. Not `scored`: predictions are 0 or 1."""

    threshold: float = 0.5
    scored: bool = True
    kind: str = "binary"

    def points(self, examples: Examples) -> dict[str, float]:
        targets, scores = examples.targets, examples.predictions
        ranked = of_scores(targets, scores) if self.scored else dict.fromkeys(SCORES, np.nan)
        return {**at_threshold(targets, scores >= self.threshold), **ranked}

    def slice_points(self, examples: Examples) -> dict[str, float]:
        lacking = {} if self.scored else dict.fromkeys(SCORES, np.nan)
        return whole(self.statistics(examples), len(examples)) | lacking

    def undefined(self, metric: str, examples: Examples) -> str:
        if metric in SCORES and not self.scored:
            return NEEDS_SCORES
        return _WHY.get(metric, "one class only")

    def statistics(self, examples: Examples) -> Sequence[Statistic]:
        targets, scores = examples.targets, examples.predictions
        decisions = Means(RATES, cells(targets, scores >= self.threshold), rates)
        if not self.scored:
            return (decisions,)
        return (
            decisions,
            RocAuc(targets, scores),
            PrAuc(targets, scores),
            Means(("log_loss", "brier"), losses(targets, scores)),
            CalibrationError(targets.astype(np.float64), scores),
        )

    def curves(self, examples: Examples) -> Mapping[str, Any]:
        called = (examples.predictions >= self.threshold).astype(int)
        ranked = curves(examples.targets, examples.predictions) if self.scored else {}
        return ranked | {"confusion": confusion(examples.targets.astype(int), called, examples.classes)}


def at_threshold(targets: NDArray[Any], called: NDArray[Any]) -> dict[str, float]:
    """The metrics of decisions, by scikit-learn; NaN for 0 / 0."""
    from sklearn import metrics

    nan: dict[str, Any] = {"zero_division": np.nan}
    recall, specificity = (metrics.recall_score(targets, called, pos_label=label, **nan) for label in (True, False))
    return {
        "accuracy": metrics.accuracy_score(targets, called),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": metrics.precision_score(targets, called, **nan),
        "recall": recall,
        "specificity": specificity,
        "f1": metrics.f1_score(targets, called, **nan),
        "mcc": metrics.matthews_corrcoef(targets, called) if _both(targets) and _both(called) else np.nan,
        "false_positive_rate": 1 - specificity,
        "false_negative_rate": 1 - recall,
        "selection_rate": float(np.mean(called)),
    }


def of_scores(targets: NDArray[Any], scores: Floats) -> dict[str, float]:
    """The metrics of scores, by scikit-learn; ranking is not defined with one class."""
    from sklearn import metrics

    both = _both(targets)
    return {
        "roc_auc": metrics.roc_auc_score(targets, scores) if both else np.nan,
        "pr_auc": metrics.average_precision_score(targets, scores) if both else np.nan,
        "log_loss": metrics.log_loss(targets, scores, labels=[False, True]),
        "brier": float(np.mean((scores - targets) ** 2)) if not both else metrics.brier_score_loss(targets, scores),
        "ece": float(CalibrationError(targets.astype(np.float64), scores)(np.ones((1, len(scores))))[0, 0]),
    }


def _both(targets: NDArray[Any]) -> bool:
    return len(targets) > 0 and bool(targets.any()) and not bool(targets.all())


def cells(targets: NDArray[Any], called: NDArray[Any]) -> list[Floats]:
    """By row 1 or 0: true positive, false positive, false negative, true negative."""
    parts = (targets & called, ~targets & called, targets & ~called, ~targets & ~called)
    return [part.astype(np.float64) for part in parts]


def rates(shares: Floats) -> Floats:
    """The metrics of RATES from the shares or counts of the four cells."""
    tp, fp, fn, tn = shares.T
    recall, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    total = tp + fp + fn + tn
    return np.column_stack(
        [
            *(ratio(tp + tn, total), (recall + specificity) / 2, ratio(tp, tp + fp), recall, specificity),
            *(ratio(2 * tp, 2 * tp + fp + fn), ratio(tp * tn - fp * fn, np.sqrt(product))),
            *(1 - specificity, 1 - recall, ratio(tp + fp, total)),
        ]
    )


def losses(targets: NDArray[Any], scores: Floats) -> list[Floats]:
    """By row: log loss (clipped as scikit-learn clips) and squared error."""
    tiny = np.finfo(np.float64).eps
    chance = np.clip(np.where(targets, scores, 1 - scores), tiny, 1 - tiny)
    return [-np.log(chance), (scores - targets) ** 2]


def bin_of(scores: Floats) -> NDArray[np.int64]:
    """The calibration bin of each score, as scikit-learn's calibration_curve cuts them."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], scores).astype(np.int64)


class CalibrationError:
    """Expected calibration error: how far, bin by bin, the outcomes are from the scores, weighted by rows."""

    names: tuple[str, ...] = ("ece",)

    def __init__(self, outcomes: Floats, scores: Floats) -> None:
        self._gaps = np.zeros((len(scores), BINS), order="F")
        self._gaps[np.arange(len(scores)), bin_of(scores)] = outcomes - scores
        self._total = self._gaps.sum(axis=0)

    def __call__(self, weights: Floats) -> Floats:
        return self._error(weights @ self._gaps, weights.sum(axis=1))

    def change(self, weights: Floats) -> Floats:
        """See Statistic."""
        gaps, rows = weights @ self._gaps, np.asarray(len(self._gaps) / 2)
        return self._error(self._total - gaps, rows) - self._error(gaps, rows)

    @staticmethod
    def _error(gaps: Floats, rows: Floats) -> Floats:
        return np.asarray(np.abs(gaps).sum(axis=1) / rows)[:, None]


def curves(targets: NDArray[Any], scores: Floats) -> dict[str, Any]:
    """ROC, precision-recall, calibration and the metrics by threshold."""
    return {"calibration": calibration(targets, scores)} | (_ranking(targets, scores) if _both(targets) else {})


def _ranking(targets: NDArray[Any], scores: Floats) -> dict[str, Any]:
    from sklearn import metrics

    fpr, tpr, _ = metrics.roc_curve(targets, scores)
    precision, recall, _ = metrics.precision_recall_curve(targets, scores, drop_intermediate=True)
    kept, shown = _some(len(fpr)), _some(len(recall))
    return {
        "roc": plain({"false_positive_rate": fpr[kept], "true_positive_rate": tpr[kept]}),
        "pr": plain({"recall": recall[shown], "precision": precision[shown]}),
        "thresholds": plain(by_threshold(targets, scores, most=THRESHOLDS)),
    }


def by_threshold(targets: NDArray[Any], scores: Floats, *, most: int | None = None) -> dict[str, NDArray[Any]]:
    """Counts of the four cells and RATES from each score on, the lowest first; at most `most` of the scores."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(targets[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))[::-1]
    last = last if most is None else last[_some(len(last), most)]
    tp = hits[last].astype(np.int64)
    fp = last + 1 - tp
    fn, tn = hits[-1] - tp, len(scores) - hits[-1] - fp
    counts = {"true_positives": tp, "false_positives": fp, "false_negatives": fn, "true_negatives": tn}
    values = rates(np.column_stack(list(counts.values())).astype(np.float64))
    return {"threshold": ranked[last], **counts, **dict(zip(RATES, values.T, strict=True))}


def _some(count: int, most: int = _POINTS) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def calibration(targets: NDArray[Any], scores: Floats) -> dict[str, Any]:
    """Mean score and share of positives of each bin that has rows, and how many rows; empty with one class."""
    from sklearn.calibration import calibration_curve

    if not _both(targets):
        return {"mean_score": [], "fraction_positive": [], "rows": []}
    fraction, mean = calibration_curve(targets, scores, n_bins=BINS)
    rows = np.bincount(bin_of(scores), minlength=BINS)
    return plain({"mean_score": mean, "fraction_positive": fraction, "rows": rows[rows > 0]})  # type: ignore[no-any-return]


def confusion(targets: NDArray[Any], called: NDArray[Any], classes: Sequence[Any]) -> dict[str, Any]:
    """Rows are the truth, columns what the model said."""
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(targets, called, labels=range(len(classes)))
    return {"labels": [str(label) for label in classes], "matrix": matrix.tolist()}

"""Several classes: the class of the highest score is what the model says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation import binary
from gcpmlops.evaluation.bootstrap import Floats, Means, RocAuc, Statistic, ratio, whole
from gcpmlops.evaluation.examples import Examples

_OVERALL = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_weighted")
_PER_CLASS = ("precision", "recall", "f1")
_SCORES = ("roc_auc_ovr", "log_loss", "brier", "ece")


@dataclass(frozen=True)
class Multiclass:
    """Metrics over all classes, and `precision:CLASS`, `recall:CLASS`, `f1:CLASS`."""

    classes: tuple[Any, ...]
    scored: bool = True
    kind: str = "multiclass"

    def points(self, examples: Examples) -> dict[str, float]:
        targets, scores = examples.targets, examples.predictions
        decisions = self._decisions(targets, scores.argmax(axis=1))
        return {**decisions, **(self._of_scores(targets, scores) if self.scored else dict.fromkeys(_SCORES, np.nan))}

    def slice_points(self, examples: Examples) -> dict[str, float]:
        lacking = {} if self.scored else dict.fromkeys(_SCORES, np.nan)
        return whole(self.statistics(examples), len(examples)) | lacking

    def undefined(self, metric: str, examples: Examples) -> str:
        if metric in _SCORES:
            return "a class has no rows" if self.scored else binary.NEEDS_SCORES
        return {"precision": "it was never called", "recall": "it has no rows"}.get(
            metric.partition(":")[0], "it has no rows and was never called"
        )

    def _of_scores(self, targets: NDArray[Any], scores: Floats) -> dict[str, float]:
        top, right = _top(targets, scores)
        error = binary.CalibrationError(right, top)(np.ones((1, len(top))))[0, 0]
        return {
            "roc_auc_ovr": _roc_auc(targets, scores),
            "log_loss": self._log_loss(targets, scores),
            "brier": float(np.mean(_losses(targets, scores)[1])),
            "ece": float(error),
        }

    def _decisions(self, targets: NDArray[Any], called: NDArray[Any]) -> dict[str, float]:
        from sklearn import metrics

        labels = range(len(self.classes))
        parts = metrics.precision_recall_fscore_support(targets, called, labels=labels, zero_division=np.nan)
        precision, recall, f1, support = (np.asarray(part, dtype=np.float64) for part in parts)
        each = zip(_PER_CLASS, (precision, recall, f1), strict=True)
        return {
            "accuracy": metrics.accuracy_score(targets, called),
            **{f"{name}_macro": _mean(values) for name, values in each},
            "f1_weighted": float(np.nansum(f1 * support) / support.sum()),
            **{
                f"{name}:{label}": float(values[number])
                for name, values in zip(_PER_CLASS, (precision, recall, f1), strict=True)
                for number, label in enumerate(self.classes)
            },
        }

    def _log_loss(self, targets: NDArray[Any], scores: Floats) -> float:
        from sklearn import metrics

        scaled = scores / scores.sum(axis=1, keepdims=True)
        return float(metrics.log_loss(targets, scaled, labels=range(len(self.classes))))

    def statistics(self, examples: Examples) -> Sequence[Statistic]:
        targets, scores = examples.targets, examples.predictions
        decisions = _Decisions(self.classes, targets, scores.argmax(axis=1))
        if not self.scored:
            return (decisions,)
        top, right = _top(targets, scores)
        return (
            decisions,
            _OneVsRest(targets, scores),
            Means(("log_loss", "brier"), _losses(targets, scores)),
            binary.CalibrationError(right, top),
        )

    def curves(self, examples: Examples) -> Mapping[str, Any]:
        targets, scores = examples.targets, examples.predictions
        confusion = {"confusion": binary.confusion(targets, scores.argmax(axis=1), self.classes)}
        if not self.scored:
            return confusion
        top, right = _top(targets, scores)
        each = {
            str(label): binary.curves(targets == number, scores[:, number]) for number, label in enumerate(self.classes)
        }
        return {**confusion, "calibration": binary.calibration(right > 0, top), "classes": each}


class _Decisions:
    """From the weights in each cell of the confusion matrix."""

    def __init__(self, classes: Sequence[Any], targets: NDArray[Any], called: NDArray[Any]) -> None:
        self._size = len(classes)
        self._cell = targets * self._size + called
        self._total = self._tables(np.ones((1, len(targets))))
        self.names = (*_OVERALL, *(f"{name}:{label}" for name in _PER_CLASS for label in classes))

    def __call__(self, weights: Floats) -> Floats:
        return self._metrics(self._tables(weights))

    def change(self, weights: Floats) -> Floats:
        """See Statistic."""
        tables = self._tables(weights)
        return self._metrics(self._total - tables) - self._metrics(tables)

    def _tables(self, weights: Floats) -> Floats:
        """(resamples, truth, called)."""
        count, cells = len(weights), self._size**2
        where = (np.arange(count)[:, None] * cells + self._cell).ravel()
        found = np.bincount(where, weights.ravel(), minlength=count * cells)
        return found.reshape(count, self._size, self._size).astype(np.float64)

    def _metrics(self, table: Floats) -> Floats:
        right = np.einsum("rii->ri", table)
        said, there = table.sum(axis=1), table.sum(axis=2)
        each = (ratio(right, said), ratio(right, there), ratio(2 * right, said + there))
        total = there.sum(axis=1)
        macro = [_row_means(values) for values in each]
        weighted = np.nansum(each[2] * there, axis=1) / total
        return np.column_stack([right.sum(axis=1) / total, *macro, weighted, *each])


class _OneVsRest:
    """The mean over classes of each class's ROC AUC against the rest."""

    names: tuple[str, ...] = ("roc_auc_ovr",)

    def __init__(self, targets: NDArray[Any], scores: Floats) -> None:
        self._parts = [RocAuc(targets == number, scores[:, number]) for number in range(scores.shape[1])]

    def __call__(self, weights: Floats) -> Floats:
        return np.asarray(np.hstack([part(weights) for part in self._parts]).mean(axis=1, keepdims=True))

    def change(self, weights: Floats) -> Floats:
        """See Statistic."""
        return np.asarray(np.hstack([part.change(weights) for part in self._parts]).mean(axis=1, keepdims=True))


def _roc_auc(targets: NDArray[Any], scores: Floats) -> float:
    """NaN unless every class is there."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(targets)) < scores.shape[1]:
        return float("nan")
    columns = range(scores.shape[1])
    return float(np.mean([roc_auc_score(targets == number, scores[:, number]) for number in columns]))


def _losses(targets: NDArray[Any], scores: Floats) -> list[Floats]:
    """By row: log loss, and the squared errors summed over classes."""
    tiny = np.finfo(np.float64).eps
    truth = np.eye(scores.shape[1])[targets]
    chance = (scores * truth).sum(axis=1) / scores.sum(axis=1)
    return [-np.log(np.clip(chance, tiny, 1 - tiny)), ((scores - truth) ** 2).sum(axis=1)]


def _top(targets: NDArray[Any], scores: Floats) -> tuple[Floats, Floats]:
    """The score of the class that is called, and 1 where it is the right one."""
    return scores.max(axis=1), (scores.argmax(axis=1) == targets).astype(np.float64)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _row_means(values: Floats) -> Floats:
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))

"""What an evaluation found, and the forms it can take."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gcpmlops import _html
from gcpmlops.evaluation.values import Estimate, estimates, number, plain
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

if TYPE_CHECKING:
    from gcpmlops.evaluation.card import ModelCard
    from gcpmlops.evaluation.comparison import Comparison
    from gcpmlops.evaluation.examples import Examples
    from gcpmlops.evaluation.fairness import Fairness
    from gcpmlops.evaluation.gates import Verdict
    from gcpmlops.evaluation.slices import Slice
    from gcpmlops.evaluation.task import Task
    from gcpmlops.evaluation.thresholds import Threshold

_SHORT = {"auc": "roc_auc", "auroc": "roc_auc", "auprc": "pr_auc", "average_precision": "pr_auc", "logloss": "log_loss"}


class Confusion(NamedTuple):
    """Rows of `matrix` are the truth, columns what the model said; both are counted in the order of `labels`."""

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """A model on some rows. `settings` say how it was measured, so that it can be measured again."""

    name: str
    kind: str
    """binary, multiclass, regression or forecasting"""
    rows: int
    metrics: Mapping[str, Estimate]
    slices: tuple[Slice, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Plain values: roc, pr, thresholds (with the counts of the four cells), calibration, residuals, ...; of several
    classes each under `classes`."""
    classes: tuple[str, ...] = ()
    """The negative and the positive one where there are two."""
    digest: str = ""
    """Of the targets: two results with the same one are of the same rows."""
    examples: Examples | None = field(default=None, kw_only=True, repr=False)
    """The rows themselves, for a comparison on the same ones; None where it was read back from JSON."""
    task: Task | None = field(default=None, kw_only=True, repr=False)

    @property
    def confusion(self) -> Confusion | None:
        """Counts by true and predicted class; None for numbers."""
        found = self.curves.get("confusion")
        return found and Confusion(tuple(found["labels"]), tuple(map(tuple, found["matrix"])))

    def value(self, metric: str) -> float | None:
        """The metric's value. Raises InvalidArgument for one that there is not."""
        return find(self.metrics, metric).value

    def slice(self, name: str) -> Slice:
        """The slice of that name, such as carrier=UA. Raises InvalidArgument."""
        for each in self.slices:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in self.slices[:50])
        raise InvalidArgument(f"there is no slice {name!r}", field="slice", value=name, allowed=names or "none was cut")

    def best_threshold(
        self,
        metric: str = "f1",
        *,
        at_least: Mapping[str, float] | None = None,
        costs: Mapping[str, float] | None = None,
    ) -> Threshold:
        """The threshold with the best `metric`, among those where each of `at_least` is reached.

        With `costs`, of false_positive and false_negative, the cheapest one instead. Look for it on other rows than
        those that the model is judged by in the end. Raises InvalidArgument, FailedPrecondition where none reaches it.
        """
        from gcpmlops.evaluation import thresholds

        return thresholds.best(self, metric, at_least or {}, costs)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the rows themselves, as plain values."""
        found = {name: getattr(self, name) for name in ("name", "kind", "rows", "classes", "digest", "settings")}
        found |= {
            "metrics": {name: estimate.to_dict() for name, estimate in self.metrics.items()},
            "slices": [each.to_dict() for each in self.slices],
            "fairness": [each.to_dict() for each in self.fairness],
            "curves": self.curves,
        }
        return plain(found)  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> EvaluationResult:
        """What `to_dict` made, without the rows. Raises InvalidArgument for anything else."""
        from gcpmlops.evaluation.fairness import Fairness
        from gcpmlops.evaluation.slices import Slice

        try:
            return cls(
                *(given["name"], given["kind"], given["rows"], estimates(given["metrics"])),
                slices=tuple(map(Slice.from_dict, given["slices"])),
                fairness=tuple(map(Fairness.from_dict, given["fairness"])),
                settings=given["settings"],
                curves=given["curves"],
                classes=tuple(given["classes"]),
                digest=given["digest"],
            )
        except (KeyError, TypeError, AttributeError) as exc:
            message = f"this is not what an evaluation wrote: {type(exc).__name__} {exc}"
            raise InvalidArgument(message, field="path", allowed="what EvaluationResult.to_json wrote") from exc

    @classmethod
    def from_json(cls, path: Path_) -> EvaluationResult:
        """Read what `to_json` wrote: all that was found, without the rows. Raises InvalidArgument."""
        try:
            return cls.from_text(Path(path).read_text(encoding="utf-8"), str(path))
        except OSError as exc:
            raise InvalidArgument(f"{path}: {exc.strerror}", field="path", value=str(path)) from exc

    @classmethod
    def from_text(cls, text: str, path: str = "") -> EvaluationResult:
        """From the content of such a file; `path` names it. Raises InvalidArgument."""
        try:
            found = json.loads(text)
        except ValueError as exc:
            raise InvalidArgument(f"{path} is not JSON: {exc}", field="path", value=path) from exc
        return cls.from_dict(found)

    def to_json(self, path: Path_, *, comparison: Comparison | None = None, verdict: Verdict | None = None) -> Path:
        """Write what the report shows as JSON. Raises InvalidArgument where the file cannot be written."""
        found = self.to_dict()
        if comparison is not None:
            found["comparison"] = comparison.to_dict()
        if verdict is not None:
            found["gates"] = verdict.to_dict()
        return write(path, json.dumps(found, indent=1, allow_nan=False) + "\n")

    def report(self, path: Path_, *, comparison: Comparison | None = None, verdict: Verdict | None = None) -> Path:
        """Write one HTML file with plots that needs no network. Raises InvalidArgument."""
        from gcpmlops.evaluation import report

        return write(path, report.page(self, comparison, verdict))

    def card(self, **about: Any) -> ModelCard:
        """The model card of this evaluation; `about` are the fields of `ModelCard`."""
        from gcpmlops.evaluation.card import ModelCard

        return ModelCard(self, **about)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.kind}, {self.rows:,} rows"]
        return "\n".join(lines + [f"  {name:22} {estimate}" for name, estimate in self.metrics.items()])

    def _repr_html_(self) -> str:
        rows = [(name, number(e.value), number(e.low), number(e.high), e.reason) for name, e in self.metrics.items()]
        return _html.grid(f"{self.name}: {self.kind}, {self.rows:,} rows", ("metric", "value", "low", "high", ""), rows)


def find(metrics: Mapping[str, Estimate], metric: str) -> Estimate:
    """Raises InvalidArgument that names the nearest, and what there is."""
    if metric in metrics:
        return metrics[metric]
    known = list(metrics)
    short = _SHORT.get(metric.lower().replace("-", "_"), "")
    near = [short] if short in metrics else difflib.get_close_matches(metric.lower(), known, n=1, cutoff=0.5)
    allowed = ", ".join(known) or "none"
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InvalidArgument(
        f"there is no metric {metric!r}",
        field="metric",
        value=metric,
        allowed=allowed,
        next_step=f"{hint}There are: {allowed}",
    )


def write(path: Path_, text: str) -> Path:
    """Write a text file. Raises InvalidArgument."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidArgument(f"{path}: {exc.strerror}", field="path", value=str(path)) from exc
    return Path(path)

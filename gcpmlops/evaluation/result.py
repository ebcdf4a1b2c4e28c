"""What an evaluation found, and the forms it can take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _html
from gcpmlops.evaluation.values import Estimate, number, plain
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

if TYPE_CHECKING:
    from gcpmlops.evaluation.comparison import Comparison
    from gcpmlops.evaluation.examples import Examples
    from gcpmlops.evaluation.fairness import Fairness
    from gcpmlops.evaluation.gates import Verdict
    from gcpmlops.evaluation.slices import Slice
    from gcpmlops.evaluation.task import Task


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """A model on some rows. `settings` say how it was measured, so that it can be measured again."""

    name: str
    kind: str
    rows: int
    metrics: Mapping[str, Estimate]
    slices: tuple[Slice, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict, repr=False)
    examples: Examples = field(kw_only=True, repr=False)
    """The rows themselves, for a comparison on the same ones."""
    task: Task = field(kw_only=True, repr=False)

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

    def to_dict(self) -> dict[str, Any]:
        """Everything but the rows themselves, as plain values."""
        found = {
            "name": self.name,
            "kind": self.kind,
            "rows": self.rows,
            "settings": self.settings,
            "metrics": {name: estimate.to_dict() for name, estimate in self.metrics.items()},
            "slices": [each.to_dict() for each in self.slices],
            "fairness": [each.to_dict() for each in self.fairness],
            "curves": self.curves,
        }
        return plain(found)  # type: ignore[no-any-return]

    def to_json(self, path: Path_, *, comparison: Comparison | None = None, verdict: Verdict | None = None) -> Path:
        """Write what the report shows as JSON. Raises InvalidArgument where the file cannot be written."""
        found = self.to_dict()
        if comparison is not None:
            found["comparison"] = comparison.to_dict()
        if verdict is not None:
            found["gates"] = verdict.to_dict()
        return write(path, json.dumps(found, indent=1, allow_nan=False) + "\n")

    def report(self, path: Path_, *, comparison: Comparison | None = None, verdict: Verdict | None = None) -> Path:
        """Write one HTML file with plots that needs no network. Raises InvalidArgument, MissingExtra."""
        from gcpmlops.evaluation.report import write as write_report

        return write_report(Path(path), self, comparison, verdict)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.kind}, {self.rows:,} rows"]
        return "\n".join(lines + [f"  {name:22} {estimate}" for name, estimate in self.metrics.items()])

    def _repr_html_(self) -> str:
        rows = [(name, number(e.value), number(e.low), number(e.high)) for name, e in self.metrics.items()]
        return _html.grid(f"{self.name}: {self.kind}, {self.rows:,} rows", ("metric", "value", "low", "high"), rows)


def find(metrics: Mapping[str, Estimate], metric: str) -> Estimate:
    """Raises InvalidArgument that names what there is."""
    if metric not in metrics:
        raise InvalidArgument(
            f"there is no metric {metric!r}", field="metric", value=metric, allowed=", ".join(metrics) or "none"
        )
    return metrics[metric]


def write(path: Path_, text: str) -> Path:
    """Write a text file. Raises InvalidArgument."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidArgument(f"{path}: {exc.strerror}", field="path", value=str(path)) from exc
    return Path(path)

"""What a comparison found, and the forms it can take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from gcpmlops import _html
from gcpmlops._drift.sides import Kind
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

Reason = Literal[
    "no_rows", "volume", "missing_column", "type_changed", "all_missing", "missing_values", "constant", "new_categories"
]


@dataclass(frozen=True)
class DataProblem:
    """What looks like a broken feed: a reason to look at the data, none to train a model on them.

    Attributes:
        feature: empty where it is about all rows.
        reason: no_rows, volume, missing_column, type_changed, all_missing, missing_values, constant, new_categories.
        message: what was found, with figures.
    """

    feature: str
    reason: Reason
    message: str

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {"feature": self.feature, "reason": self.reason, "message": self.message}

    def __str__(self) -> str:
        return f"{self.feature}: {self.message}" if self.feature else self.message


@dataclass(frozen=True)
class Distribution:
    """Counts of both sides over the same intervals (`edges`, one more than counts) or categories (`labels`)."""

    baseline: tuple[float, ...]
    current: tuple[float, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        where = {"edges": list(self.edges)} if self.edges else {"labels": list(self.labels)}
        return {**where, "baseline": list(self.baseline), "current": list(self.current)}


@dataclass(frozen=True)
class FeatureDrift:
    """One feature on both sides.

    Attributes:
        kind: number, category or time.
        statistic: jensen_shannon (numbers, times) or l_infinity (categories).
        distance: 0 to 1; None where one side has no values.
        threshold: drifted from above it.
        drifted: the distance is above the threshold, and the data are sound.
        stability: population stability index over the same counts.
        baseline_count: rows with a value.
        baseline_missing: share of rows without one, 0 to 1.
        problems: why the distance says nothing about the world.
    """

    name: str
    kind: Kind
    statistic: str
    distance: float | None
    threshold: float
    drifted: bool
    stability: float | None
    baseline_count: int
    current_count: int
    baseline_missing: float
    current_missing: float
    distribution: Distribution | None = field(default=None, repr=False)
    problems: tuple[DataProblem, ...] = ()

    @property
    def missing_change(self) -> float:
        """By how much the share of missing values rose, -1 to 1."""
        return self.current_missing - self.baseline_missing

    @property
    def verdict(self) -> str:
        """data, drift or ok."""
        return "data" if self.problems else "drift" if self.drifted else "ok"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = ("name", "kind", "statistic", "distance", "threshold", "drifted", "stability", "missing_change")
        counts = ("baseline_count", "current_count", "baseline_missing", "current_missing", "verdict")
        found: dict[str, Any] = {name: getattr(self, name) for name in (*plain, *counts)}
        found["problems"] = [problem.to_dict() for problem in self.problems]
        found["distribution"] = self.distribution and self.distribution.to_dict()
        return found


@dataclass(frozen=True)
class DriftResult:
    """All features of a comparison.

    Attributes:
        method: compare, skew or drift.
        features: in the order of the baseline's columns.
        data_problems: of all rows and of every feature.
        skipped: columns that cannot be compared, and why.
        at: the moment that the comparison is about, where one was given.
    """

    method: str
    baseline: str
    current: str
    baseline_rows: int
    current_rows: int
    features: tuple[FeatureDrift, ...]
    data_problems: tuple[DataProblem, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def anomalies(self) -> tuple[FeatureDrift, ...]:
        """The features that drifted, the farthest first; those with broken data are not among them."""
        found = (each for each in self.features if each.drifted)
        return tuple(sorted(found, key=lambda each: -(each.distance or 0.0)))

    @property
    def drifted(self) -> bool:
        """Whether a feature did, whose data are sound."""
        return bool(self.anomalies)

    @property
    def verdict(self) -> str:
        """What to do: data (mend the feed; do not train on it), drift (consider training), ok."""
        return "data" if self.data_problems else "drift" if self.drifted else "ok"

    def __getitem__(self, name: str) -> FeatureDrift:
        for each in self.features:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.features)
        raise InvalidArgument(f"{name!r} was not compared", field="feature", value=name, allowed=known or "none")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        names = ("method", "baseline", "current", "baseline_rows", "current_rows", "verdict", "drifted")
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        found["at"] = self.at.isoformat() if self.at else None
        found["anomalies"] = [each.name for each in self.anomalies]
        found["data_problems"] = [problem.to_dict() for problem in self.data_problems]
        found["features"] = [each.to_dict() for each in self.features]
        return {**found, "skipped": dict(self.skipped)}

    def report(self, path: Path_) -> Path:
        """Write one HTML page: the verdict, every feature's figures and distributions. Raises InvalidArgument."""
        from gcpmlops._drift.report import page

        target = Path(path)
        try:
            target.write_text(page(self), encoding="utf-8")
        except OSError as exc:
            raise InvalidArgument(f"{target}: {exc.strerror}", field="path", value=str(target)) from exc
        return target

    def rows(self) -> list[dict[str, Any]]:
        """A line for each feature, the farthest first, those with broken data before all."""
        order = sorted(self.features, key=lambda each: (not each.problems, -(each.distance or 0.0)))
        return [_row(each) for each in order]

    def __str__(self) -> str:
        broken = self.data_problems
        return {
            "data": f"{len(broken)} data problem{'s' * (len(broken) > 1)}: " + "; ".join(map(str, broken[:3])),
            "drift": f"{len(self.anomalies)} of {len(self.features)} features drifted: "
            + ", ".join(f"{each.name} {each.distance:.3f}" for each in self.anomalies[:5]),
            "ok": f"None of {len(self.features)} features drifted.",
        }[self.verdict]

    def _repr_html_(self) -> str:
        rows = self.rows()
        title = f"{self.current} against {self.baseline}: {self}"
        return _html.grid(title, list(rows[0]) if rows else [], [list(row.values()) for row in rows])


def _row(each: FeatureDrift) -> dict[str, str]:
    return {
        "feature": each.name,
        "kind": each.kind,
        "verdict": each.verdict,
        "distance": "-" if each.distance is None else f"{each.distance:.4f}",
        "threshold": f"{each.threshold:g}",
        "statistic": each.statistic,
        "stability": "-" if each.stability is None else f"{each.stability:.4f}",
        "rows": f"{each.baseline_count:,} / {each.current_count:,}",
        "missing": f"{each.baseline_missing:.1%} / {each.current_missing:.1%}",
        "note": "; ".join(problem.message for problem in each.problems),
    }

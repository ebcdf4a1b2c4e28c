"""Bias between groups, by fairlearn: selection, true and false positive rates, their differences and ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops import _extras
from gcpmlops.evaluation import binary, slices
from gcpmlops.evaluation.bootstrap import Drawing, Floats, ratio
from gcpmlops.evaluation.examples import Examples, check_columns
from gcpmlops.evaluation.task import estimate
from gcpmlops.evaluation.values import Estimate, estimates, number

MEASURES = (
    *("demographic_parity_difference", "demographic_parity_ratio", "selection_rate_ratio"),
    *("equalized_odds_difference", "equalized_odds_ratio"),
    *("equal_opportunity_difference", "equal_opportunity_ratio"),
)
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
_OF = {
    "demographic_parity": RATES[:1],
    "selection_rate": RATES[:1],
    "equalized_odds": RATES[1:],
    "equal_opportunity": RATES[1:2],
}


@dataclass(frozen=True)
class Group:
    """One group: its rows, positives, and rates with intervals. `reason` says why it is left out of the measures."""

    name: str
    rows: int
    positives: int
    rates: Mapping[str, Estimate]
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "rates": {name: rate.to_dict() for name, rate in self.rates.items()}}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Group:
        """What `to_dict` made."""
        return cls(**{**given, "rates": estimates(given["rates"])})


@dataclass(frozen=True)
class Fairness:
    """How differently the groups of `sensitive` fare; a difference of 0 and a ratio of 1 are even."""

    sensitive: str
    groups: tuple[Group, ...]
    measures: Mapping[str, Estimate]
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        measures = {name: estimate.to_dict() for name, estimate in self.measures.items()}
        return {**vars(self), "groups": [group.to_dict() for group in self.groups], "measures": measures}

    def extremes(self, measure: str) -> str:
        """The rate that the measure is about, and the groups at its ends: selection rate: EWR 0.35, LGA 0.12."""
        found = []
        for rate in _OF[measure.rpartition("_")[0]]:
            known = {group.name: value for group in self.groups if (value := _value(group, rate)) is not None}
            if known:
                most, least = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
                said = f"{rate.replace('_', ' ')}: {most} {number(known[most])}, {least} {number(known[least])}"
                share = known[least] / known[most] if known[most] else 1.0
                found.append((-share if measure.endswith("ratio") else known[most] - known[least], said))
        return max(found)[1] if found else ""

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Fairness:
        """What `to_dict` made."""
        groups = tuple(Group.from_dict(each) for each in given["groups"])
        return cls(**{**given, "groups": groups, "measures": estimates(given["measures"])})


def _value(group: Group, rate: str) -> float | None:
    return group.rates[rate].value if rate in group.rates else None


def evaluate(examples: Examples, sensitive: str, *, threshold: float, minimum_size: int, drawing: Drawing) -> Fairness:
    """Compare the groups that have the minimum size. Raises InvalidArgument, MissingExtra."""
    check_columns(examples.frame, [sensitive])
    targets, called = examples.targets, examples.predictions >= threshold
    parts = slices.groups(examples.frame[sensitive], sensitive, field="sensitive", minimum_size=minimum_size)
    kept = [(name, rows) for name, rows in parts if len(rows) >= minimum_size]
    tables = np.array([np.sum(binary.cells(targets[rows], called[rows]), axis=1) for _, rows in kept])
    drawn = _resampled(tables, drawing)
    groups = _groups(parts, targets, tables, drawn, minimum_size, drawing.confidence)
    groups += _others(targets, [rows for _, rows in parts])
    if len(kept) < 2:
        return Fairness(sensitive, groups, {}, f"{len(kept)} of {len(parts)} groups have {minimum_size} rows or more")
    return Fairness(sensitive, groups, _measures([name for name, _ in kept], tables, drawn, drawing.confidence))


def _resampled(tables: NDArray[Any], drawing: Drawing) -> Floats:
    """(groups, resamples, cells): drawing a group's rows is drawing its confusion matrix from a multinomial."""
    generator = np.random.default_rng(drawing.seed)
    drawn = [generator.multinomial(int(table.sum()), table / table.sum(), size=drawing.resamples) for table in tables]
    return np.asarray(drawn, dtype=np.float64).reshape(len(tables), drawing.resamples, 4)


def _rates(cells: Floats) -> Floats:
    """Selection, true positive and false positive rate, from (..., 4 cells)."""
    tp, fp, fn, tn = np.moveaxis(cells, -1, 0)
    return np.stack([ratio(tp + fp, tp + fp + fn + tn), ratio(tp, tp + fn), ratio(fp, fp + tn)])


def _groups(
    parts: Sequence[tuple[str, NDArray[np.int64]]],
    targets: NDArray[Any],
    tables: NDArray[Any],
    drawn: Floats,
    minimum_size: int,
    confidence: float,
) -> tuple[Group, ...]:
    """The biggest first; `tables` and `drawn` are of those of the minimum size, which come first."""
    found = []
    for n, (name, rows) in enumerate(parts):
        positives = int(targets[rows].sum())
        if n >= len(tables):
            reason = f"{len(rows)} rows, fewer than the minimum size of {minimum_size}"
            found.append(Group(name, len(rows), positives, {}, reason))
            continue
        pairs = zip(RATES, _rates(tables[n]), _rates(drawn[n]), strict=True)
        rates = {rate: _estimate(rate, float(value), each, confidence) for rate, value, each in pairs}
        found.append(Group(name, len(rows), positives, rates))
    return tuple(found)


def _others(targets: NDArray[Any], parts: Sequence[NDArray[np.int64]]) -> tuple[Group, ...]:
    """The rows of groups beyond the biggest."""
    rest = len(targets) - sum(map(len, parts))
    if not rest:
        return ()
    positives = int(targets.sum()) - sum(int(targets[rows].sum()) for rows in parts)
    return (Group("(others)", rest, positives, {}, f"left out: they are beyond the {slices.MOST:,} biggest groups"),)


def _measures(names: Sequence[str], tables: NDArray[Any], drawn: Floats, confidence: float) -> dict[str, Estimate]:
    """Values by fairlearn; a measure is not defined where a group lacks the positives or negatives that it needs."""
    tp, fp, fn, tn = tables.T
    positives, negatives = bool(np.all(tp + fn > 0)), bool(np.all(fp + tn > 0))
    resampled = _spread(_rates(drawn))
    ends = _extreme(tables)
    found = {}
    for measure, value in _fairlearn().items():
        defined = (positives or "equal" not in measure) and (negatives or "odds" not in measure)
        point = value([names[n] for n in ends], tables[ends]) if defined else float("nan")
        found[measure] = _estimate(measure, point, resampled[measure], confidence)
    return found


def _extreme(tables: NDArray[Any]) -> list[int]:
    """The groups with the lowest and highest rates: all that a measure depends on, and few for fairlearn to look at."""
    rates = _rates(tables)
    known = rates[np.isfinite(rates).any(axis=1)]
    return sorted({*np.nanargmin(known, axis=1).tolist(), *np.nanargmax(known, axis=1).tolist()})


def _fairlearn() -> dict[str, Callable[[Sequence[str], NDArray[Any]], float]]:
    """Each measure of the groups' four cells: a row for each cell, which weighs what was counted in it."""
    metrics = _extras.need("fairlearn.metrics", extra="evaluation", purpose="bias between groups")

    def call(name: str) -> Callable[[Sequence[str], NDArray[Any]], float]:
        def measured(names: Sequence[str], tables: NDArray[Any]) -> float:
            truth, called = np.tile([1, 0, 1, 0], len(names)), np.tile([1, 1, 0, 0], len(names))
            groups, weights = np.repeat(names, 4), tables.ravel()
            return float(getattr(metrics, name)(truth, called, sensitive_features=groups, sample_weight=weights))

        return measured

    return {name: call(name) for name in MEASURES}


def _spread(rates: Floats) -> dict[str, Floats]:
    """Each measure in every resample, from (rates, groups, resamples)."""
    least, most = rates.min(axis=1), rates.max(axis=1)
    gap, share = most - least, ratio(least, most)
    return {
        "demographic_parity_difference": gap[0],
        "demographic_parity_ratio": share[0],
        "selection_rate_ratio": share[0],
        "equalized_odds_difference": np.maximum(gap[1], gap[2]),
        "equalized_odds_ratio": np.minimum(share[1], share[2]),
        "equal_opportunity_difference": gap[1],
        "equal_opportunity_ratio": share[1],
    }


def _estimate(name: str, value: float, drawn: Floats, confidence: float) -> Estimate:
    def why() -> str:
        if "parity" in name or "selection" in name:
            return "no row was called positive"
        return f"a group has no {'negative' if name.startswith('false') else 'positive or negative'} rows"

    return estimate(value, drawn, confidence, why=why)

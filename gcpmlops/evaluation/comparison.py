"""Champion against challenger on the same rows.

The interval of a difference comes from a paired bootstrap: both models are measured on the same resamples. The p-value
comes from a permutation test: if the models were alike, swapping their predictions row by row would change nothing.
Both models' rows are sorted once, stacked; a permutation is then a weight of 0 or 1 on each. Most metrics' differences
are sums over rows, the area under the ROC curve's too, so that a permutation of those costs one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gcpmlops import _html
from gcpmlops.evaluation import bootstrap
from gcpmlops.evaluation.bootstrap import Drawing, Floats, Statistic
from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.result import EvaluationResult, find
from gcpmlops.evaluation.task import Task
from gcpmlops.evaluation.values import direction, finite, number, plain
from gcpmlops.exceptions import InvalidArgument


@dataclass(frozen=True)
class Difference:
    """challenger - champion, its interval, and the chance of such a difference between models that are alike."""

    metric: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    confidence: float = 0.95

    @property
    def gain(self) -> float | None:
        """How much better the challenger is, whichever way is better; None where neither is."""
        sign = direction(self.metric)
        return None if self.difference is None or not sign else sign * self.difference

    @property
    def verdict(self) -> str:
        """better, worse or no difference: better and worse only where the p-value is below 1 - confidence."""
        if self.p_value is None or self.gain is None or self.p_value >= 1 - self.confidence:
            return "no difference shown"
        return "better" if self.gain > 0 else "worse"

    def __str__(self) -> str:
        ends = "" if self.low is None else f" [{number(self.low)}, {number(self.high)}], p = {number(self.p_value)}"
        return f"{self.metric}: {number(self.champion)} → {number(self.challenger)}, {number(self.difference)}{ends}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """A challenger beside the champion, metric by metric."""

    champion: EvaluationResult
    challenger: EvaluationResult
    differences: Mapping[str, Difference]

    def __getitem__(self, metric: str) -> Difference:
        if metric not in self.differences:
            known = ", ".join(self.differences)
            raise InvalidArgument(f"{metric!r} was not compared", field="metric", value=metric, allowed=known)
        return self.differences[metric]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = {name: {**vars(each), "verdict": each.verdict} for name, each in self.differences.items()}
        found = {"champion": self.champion.name, "challenger": self.challenger.name, "differences": rows}
        return plain(found)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return "\n".join(f"{each}: {each.verdict}" for each in self.differences.values())

    def _repr_html_(self) -> str:
        columns = ("metric", "champion", "challenger", "difference", "low", "high", "p", "challenger is")
        rows = [
            (
                *(each.metric, number(each.champion), number(each.challenger), number(each.difference)),
                *(number(each.low), number(each.high), number(each.p_value), each.verdict),
            )
            for each in self.differences.values()
        ]
        return _html.grid(f"{self.challenger.name} against {self.champion.name}", columns, rows)


def compare(
    champion: EvaluationResult,
    challenger: EvaluationResult,
    *,
    metrics: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Both on the rows that they were evaluated on, which must be the same. Raises InvalidArgument."""
    check_pair(champion, challenger)
    drawing = Drawing(resamples, confidence, seed)
    names = list(metrics) if metrics is not None else [name for name in challenger.metrics if direction(name)]
    for name in names:
        find(challenger.metrics, name)
        find(champion.metrics, name)
    found = differences((side(champion), side(challenger)), names, drawing)
    return Comparison(champion, challenger, found)


def check_pair(champion: EvaluationResult, challenger: EvaluationResult) -> None:
    """Raises InvalidArgument unless both are of one kind and on the same rows."""
    if champion.kind != challenger.kind or champion.classes != challenger.classes:
        raise InvalidArgument(
            f"{champion.name} is {champion.kind} and {challenger.name} {challenger.kind}, or their classes differ",
            field="champion",
            allowed="models of the same kind and classes",
        )
    if champion.rows != challenger.rows:
        raise _not_the_same(f"{champion.name} has {champion.rows:,} rows and {challenger.name} {challenger.rows:,}")
    if champion.digest != challenger.digest:
        where = ""
        if champion.examples is not None and challenger.examples is not None:
            first = np.flatnonzero(champion.examples.targets != challenger.examples.targets)[0]
            where = f", first in row {first}"
        raise _not_the_same(f"the targets of {champion.name} and {challenger.name} differ{where}")


def _not_the_same(message: str) -> InvalidArgument:
    return InvalidArgument(message, field="champion", allowed="both models on the same rows, in the same order")


class Side(NamedTuple):
    """One of the two models, on the rows that are looked at: all, or a slice's."""

    task: Task
    examples: Examples


def side(result: EvaluationResult) -> Side:
    """Raises InvalidArgument where only what was found is at hand, without the rows."""
    if result.examples is None or result.task is None:
        raise InvalidArgument(
            f"{result.name} was read back without its rows, which a paired comparison needs",
            field="champion",
            next_step="Evaluate both models in one process, or bound values by gates without `certain`.",
        )
    return Side(result.task, result.examples)


def differences(sides: tuple[Side, Side], names: Sequence[str], drawing: Drawing) -> dict[str, Difference]:
    """Of the champion and the challenger, on these rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        points = [task.points(examples) for task, examples in sides]
        drawn = [bootstrap.resample(_only(task.statistics(rows), names), len(rows), drawing) for task, rows in sides]
        swapped = _permuted(sides, names, drawing)

    def difference(name: str) -> Difference:
        before, after = points[0].get(name, np.nan), points[1].get(name, np.nan)
        known = name in drawn[0] and name in drawn[1]
        ends = bootstrap.interval(drawn[1][name] - drawn[0][name], drawing.confidence) if known else None
        low, high = ends or (None, None)
        p_value, change = _p_value(swapped.get(name), after - before), finite(after - before)
        return Difference(name, finite(before), finite(after), change, low, high, p_value, drawing.confidence)

    with np.errstate(over="ignore", invalid="ignore"):
        return {name: difference(name) for name in names}


def _only(statistics: Sequence[Statistic], names: Sequence[str]) -> list[Statistic]:
    return [each for each in statistics if set(each.names) & set(names)]


def _permuted(sides: tuple[Side, Side], names: Sequence[str], drawing: Drawing) -> dict[str, Floats]:
    """The differences after swaps. Models with settings of their own, such as thresholds, have none."""
    (task, champion), (other, challenger) = sides
    if task != other:
        return {}
    statistics = _only(task.statistics(champion.stacked(challenger)), names)
    if not drawing.resamples or not statistics:
        return {}
    blocks = [
        np.hstack([each.change(np.hstack([swap, 1 - swap])) for each in statistics])
        for swap in _swaps(len(champion), drawing)
    ]
    columns = [name for each in statistics for name in each.names]
    return dict(zip(columns, np.vstack(blocks).T, strict=True))


def _swaps(rows: int, drawing: Drawing) -> Iterator[Floats]:
    """Blocks of (resamples, rows): 1 where the models change places."""
    generator = np.random.default_rng(drawing.seed)
    for size in bootstrap.blocks(2 * rows, drawing.resamples):
        yield generator.integers(2, size=(size, rows), dtype=np.int8).astype(np.float64)


def _p_value(swapped: Floats | None, observed: float) -> float | None:
    """Two-sided; the observed difference counts as one of the permutations."""
    if swapped is None or not np.isfinite(observed):
        return None
    known = swapped[np.isfinite(swapped)]
    as_far = np.abs(known) >= abs(observed) * (1 - 1e-12)
    return float((1 + as_far.sum()) / (1 + len(known)))

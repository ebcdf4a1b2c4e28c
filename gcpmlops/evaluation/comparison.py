"""Champion against challenger on the same rows.

The interval of a difference comes from a paired bootstrap: both models are measured on the same resamples. The p-value
comes from a permutation test: if the models were alike, swapping their predictions row by row would change nothing.
Both models' rows are sorted once, stacked; a permutation is then a weight of 0 or 1 on each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gcpmlops import _html
from gcpmlops.evaluation import bootstrap
from gcpmlops.evaluation.bootstrap import Floats, Statistic
from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.result import EvaluationResult, find
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
    bootstrap.check(resamples, confidence)
    names = list(metrics) if metrics is not None else [name for name in challenger.metrics if direction(name)]
    for name in names:
        find(challenger.metrics, name)
        find(champion.metrics, name)
    found = differences(
        champion, challenger, (champion.examples, challenger.examples), names, (resamples, confidence, seed)
    )
    return Comparison(champion, challenger, found)


def check_pair(champion: EvaluationResult, challenger: EvaluationResult) -> None:
    """Raises InvalidArgument unless both are of one kind and on the same rows."""
    if champion.task.kind != challenger.task.kind or champion.examples.classes != challenger.examples.classes:
        raise InvalidArgument(
            f"{champion.name} is {champion.kind} and {challenger.name} {challenger.kind}, or their classes differ",
            field="champion",
            allowed="models of the same kind and classes",
        )
    if len(champion.examples) != len(challenger.examples):
        message = f"{champion.name} has {champion.rows:,} rows and {challenger.name} {challenger.rows:,}"
        raise InvalidArgument(message, field="champion", allowed="both models on the same rows, in the same order")
    if not np.array_equal(champion.examples.targets, challenger.examples.targets):
        first = int(np.flatnonzero(champion.examples.targets != challenger.examples.targets)[0])
        message = f"the targets of {champion.name} and {challenger.name} differ, first in row {first}"
        raise InvalidArgument(message, field="champion", allowed="both models on the same rows, in the same order")


def differences(
    champion: EvaluationResult,
    challenger: EvaluationResult,
    examples: tuple[Examples, Examples],
    names: Sequence[str],
    drawing: tuple[int, float, int],
) -> dict[str, Difference]:
    """Of these rows of both: the whole, or a slice. `drawing` is (resamples, confidence, seed)."""
    resamples, confidence, seed = drawing
    tasks = (champion.task, challenger.task)
    points = [task.points(each) for task, each in zip(tasks, examples, strict=True)]
    drawn = [
        bootstrap.resample(_only(task.statistics(each), names), len(each), resamples=resamples, seed=seed)
        for task, each in zip(tasks, examples, strict=True)
    ]
    swapped = _permuted(tasks, examples, names, resamples, seed)
    found = {}
    for name in names:
        before, after = points[0].get(name, np.nan), points[1].get(name, np.nan)
        known = name in drawn[0] and name in drawn[1]
        ends = bootstrap.interval(drawn[1][name] - drawn[0][name], confidence) if known else None
        p_value = _p_value(swapped.get(name), after - before)
        low, high = ends or (None, None)
        change = finite(after - before)
        found[name] = Difference(name, finite(before), finite(after), change, low, high, p_value, confidence)
    return found


def _only(statistics: Sequence[Statistic], names: Sequence[str]) -> list[Statistic]:
    return [each for each in statistics if set(each.names) & set(names)]


def _permuted(
    tasks: tuple[Any, Any], examples: tuple[Examples, Examples], names: Sequence[str], resamples: int, seed: int
) -> dict[str, Floats]:
    """The differences after swaps. Models with settings of their own, such as thresholds, have none."""
    if tasks[0] != tasks[1]:
        return {}
    statistics = _only(tasks[0].statistics(examples[0].stacked(examples[1])), names)
    if not resamples or not statistics:
        return {}
    blocks = [
        np.hstack([each(np.hstack([1 - swap, swap])) - each(np.hstack([swap, 1 - swap])) for each in statistics])
        for swap in _swaps(len(examples[0]), resamples, seed)
    ]
    columns = [name for each in statistics for name in each.names]
    return dict(zip(columns, np.vstack(blocks).T, strict=True))


def _swaps(rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Blocks of (resamples, rows): 1 where the models change places."""
    generator = np.random.default_rng(seed)
    for size in bootstrap.blocks(2 * rows, resamples):
        yield generator.integers(2, size=(size, rows), dtype=np.int8).astype(np.float64)


def _p_value(swapped: Floats | None, observed: float) -> float | None:
    """Two-sided; the observed difference counts as one of the permutations."""
    if swapped is None or not np.isfinite(observed):
        return None
    known = swapped[np.isfinite(swapped)]
    as_far = np.abs(known) >= abs(observed) * (1 - 1e-12)
    return float((1 + as_far.sum()) / (1 + len(known)))

"""Bootstrap intervals: rows are drawn with replacement, and a resample is how often each row was drawn.

A statistic sorts its rows once, when it is made; a resample then costs a gather and a few sums over counts, where
drawing rows and calling scikit-learn sorts them all again. Resamples are taken in blocks that fit a core's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation.values import is_number, is_whole
from gcpmlops.exceptions import InvalidArgument

Floats: TypeAlias = NDArray[np.float64]
_CELLS = 1 << 18  # counts in a block


@dataclass(frozen=True)
class Drawing:
    """How intervals are made. Raises InvalidArgument."""

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_whole(self.resamples) or self.resamples < 0 or self.resamples == 1:
            allowed = "2 or more, such as 1000; 0: no intervals"
            raise InvalidArgument(field="resamples", value=self.resamples, allowed=allowed)
        if not is_number(self.confidence) or not 0 < self.confidence < 1:
            raise InvalidArgument(field="confidence", value=self.confidence, allowed="between 0 and 1, such as 0.95")
        if not is_whole(self.seed) or self.seed < 0:
            raise InvalidArgument(field="seed", value=self.seed, allowed="a whole number, 0 or more")


class Statistic(Protocol):
    """Metrics of weighted rows: (resamples, rows) of weights → (resamples, names); NaN where one is not defined."""

    names: tuple[str, ...]

    def __call__(self, weights: Floats) -> Floats: ...

    def change(self, weights: Floats) -> Floats:
        """Of rows that weigh 0 or 1: the metrics of all other rows less those of these, as many of each."""


def counts(rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Blocks of (resamples, rows): how often each row was drawn. The same for the same seed."""
    generator = np.random.default_rng(seed)
    for size in blocks(rows, resamples):
        drawn = generator.integers(rows, size=(size, rows), dtype=np.int32).astype(np.intp)
        drawn += (np.arange(size) * rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)


def blocks(rows: int, resamples: int) -> Iterator[int]:
    """How many resamples at a time."""
    size = max(1, _CELLS // max(rows, 1))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def resample(statistics: Sequence[Statistic], rows: int, drawing: Drawing) -> dict[str, Floats]:
    """Each metric's value in every resample."""
    names = [name for statistic in statistics for name in statistic.names]
    weights = counts(rows, drawing.resamples, drawing.seed) if names else iter(())
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not defined
        found = [np.hstack([statistic(block) for statistic in statistics]) for block in weights]
    return dict(zip(names, np.vstack(found).T, strict=True)) if found else {}


def interval(values: Floats, confidence: float = 0.95) -> tuple[float, float] | None:
    """The percentile interval; None where the metric was not defined in half of the resamples or more."""
    known = values[np.isfinite(values)]
    if 2 * len(known) <= len(values):
        return None
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def ratio(above: Floats, below: Floats) -> Floats:
    """Above / below; NaN where below is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below == 0, np.nan, above / below)


def whole(statistics: Sequence[Statistic], rows: int) -> dict[str, float]:
    """Each metric's value on all rows."""
    weights = np.ones((1, rows))
    pairs = ((each.names, each(weights)[0]) for each in statistics)
    return {name: float(value) for names, values in pairs for name, value in zip(names, values, strict=True)}


class _Ranked:
    """Weights by score, from the highest down; equal scores are one step."""

    def __init__(self, positive: NDArray[np.bool_], scores: Floats) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._positive = positive[self._order].astype(np.float64)
        starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        self._starts = None if len(starts) == len(ranked) else starts

    def steps(self, weights: Floats) -> tuple[Floats, Floats]:
        """(positives, all) at each score."""
        ranked = np.take(weights, self._order, axis=1)
        return self._by_score(ranked * self._positive), self._by_score(ranked)

    @cached_property
    def total(self) -> tuple[Floats, Floats]:
        """(positives, all) at each score, of all rows."""
        return self.steps(np.ones((1, len(self._order))))

    def _by_score(self, ranked: Floats) -> Floats:
        return ranked if self._starts is None else np.add.reduceat(ranked, self._starts, axis=1)


class RocAuc(_Ranked):
    """The chance that a positive row scores above a negative one; equal scores count half."""

    names: tuple[str, ...] = ("roc_auc",)

    def __call__(self, weights: Floats) -> Floats:
        hits, everything = self.steps(weights)
        above = np.cumsum(hits, axis=1)
        positives = above[:, -1]
        negatives = everything.sum(axis=1) - positives
        everything -= hits  # the negatives at each score
        area = np.einsum("ij,ij->i", everything, above) - np.einsum("ij,ij->i", everything, hits) / 2
        return ratio(area, positives * negatives)[:, None]

    def change(self, weights: Floats) -> Floats:
        """The area is bilinear in the weights, so its square terms cancel: a sum over rows is left."""
        area, pairs = self._whole
        return ratio(area - weights @ self._shares, np.full(len(weights), pairs))[:, None]

    @cached_property
    def _whole(self) -> tuple[float, float]:
        """The area of all rows, and the pairs of a positive and a negative in half of them."""
        hits, everything = self.total
        area = float(np.sum((everything - hits) * (np.cumsum(hits, axis=1) - hits / 2)))
        positives, negatives = hits.sum(), (everything - hits).sum()
        return area, float(positives * negatives / 4)

    @cached_property
    def _shares(self) -> Floats:
        """Of each row: the positives above a negative one, the negatives below a positive one; ties count half."""
        hits, everything = (each[0] for each in self.total)
        misses = everything - hits
        above, below = np.cumsum(hits) - hits / 2, misses.sum() - np.cumsum(misses) + misses / 2
        step = np.arange(len(hits))
        if self._starts is not None:
            step = np.repeat(step, np.diff(np.append(self._starts, len(self._order))))
        shares = np.empty(len(self._order))
        shares[self._order] = np.where(self._positive > 0, below[step], above[step])
        return shares


class PrAuc(_Ranked):
    """Average precision: precision at each score, weighted by the recall that it adds."""

    names: tuple[str, ...] = ("pr_auc",)

    def __call__(self, weights: Floats) -> Floats:
        return self._area(*self.steps(weights))

    def change(self, weights: Floats) -> Floats:
        hits, everything = self.steps(weights)
        return self._area(self.total[0] - hits, self.total[1] - everything) - self._area(hits, everything)

    def _area(self, hits: Floats, everything: Floats) -> Floats:
        above = np.cumsum(hits, axis=1)
        reached = np.cumsum(everything, axis=1)
        precision = np.divide(above, reached, out=np.zeros_like(above), where=reached > 0)
        positives = np.where(above[:, -1] < reached[:, -1], above[:, -1], 0.0)  # one class only: not defined
        return ratio(np.einsum("ij,ij->i", hits, precision), positives)[:, None]


class Means:
    """Weighted means of values that each row has: losses, errors. `then` makes the metrics of the means."""

    def __init__(
        self, names: Sequence[str], values: Sequence[Floats], then: Callable[[Floats], Floats] | None = None
    ) -> None:
        self.names = tuple(names)
        self._values = np.asfortranarray(np.column_stack(values))  # a third of the time of a product by rows
        self._total = self._values.sum(axis=0)
        self._then = then

    def __call__(self, weights: Floats) -> Floats:
        return self._metrics((weights @ self._values) / weights.sum(axis=1, keepdims=True))

    def change(self, weights: Floats) -> Floats:
        rows, sums = len(self._values) / 2, weights @ self._values
        return self._metrics((self._total - sums) / rows) - self._metrics(sums / rows)

    def _metrics(self, means: Floats) -> Floats:
        return self._then(means) if self._then else means

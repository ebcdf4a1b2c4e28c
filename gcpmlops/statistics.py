"""Distances between distributions as Vertex AI Model Monitoring defines them: NumPy only, no Google API.

A distribution is a histogram over shared edges (numbers) or the counts of categories. Numbers are compared by the
Jensen-Shannon divergence, categories by the L-infinity distance; both lie between 0 (alike) and 1 (nothing in common).
Where one side has no values at all there is nothing to compare: every distance is NaN then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
_LARGEST = float(np.finfo(np.float64).max)
BINS = 10  # of a standard histogram in TensorFlow Data Validation, which Vertex AI computes with


def numbers(values: ArrayLike) -> Floats:
    """As float64, NaN where missing (None, NaN, NaT). Times are seconds since 1970, bools 0 and 1.

    Raises:
        ValueError: a value that is no number.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "M":
        return _seconds(array)
    try:
        return array.astype(np.float64)  # None becomes NaN
    except TypeError as exc:
        raise ValueError(f"not numbers: {exc}") from exc


def _seconds(times: NDArray[Any]) -> Floats:
    ticks = times.astype("datetime64[us]")
    return np.where(np.isnat(ticks), np.nan, ticks.astype(np.int64) / 1e6)


def finite_range(*samples: Floats) -> tuple[float, float] | None:
    """Smallest and largest finite value of all samples; None where there is none."""
    ends = [end for sample in samples if sample.size for end in _ends(sample)]
    return (min(ends), max(ends)) if ends else None


def _ends(sample: Floats) -> tuple[float, ...]:
    low, high = float(sample.min()), float(sample.max())
    if np.isfinite(low) and np.isfinite(high):  # NaN comes through min and max
        return low, high
    finite = sample[np.isfinite(sample)]
    return (float(finite.min()), float(finite.max())) if finite.size else ()


def equal_width_edges(low: float, high: float, bins: int = BINS) -> Floats:
    """`bins` equal intervals from `low` to `high` (bins + 1 edges); around the value where there is but one."""
    if low == high:
        half = max(0.5, abs(low) / 1e6)  # of a very large number 0.5 makes no difference
        low, high = max(low - half, -_LARGEST), min(high + half, _LARGEST)
    scale = 1.0 if _is_small(low, high) else 4.0  # a width would overflow otherwise; 4 keeps every digit
    return np.unique(np.linspace(low / scale, high / scale, bins + 1) * scale)


def _is_small(low: float, high: float) -> bool:
    """Whether widths between the two can be computed with."""
    return max(abs(low), abs(high)) < _LARGEST / 4


def quantile_edges(sample: Floats, bins: int = BINS) -> Floats:
    """Edges between which the sample's finite values lie in equal numbers; fewer bins where values repeat."""
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        raise ValueError("a sample without finite values has no quantiles")
    with np.errstate(over="ignore", invalid="ignore"):
        inner = np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1])
    edges = np.unique([finite.min(), *inner[np.isfinite(inner)], finite.max()])
    return edges if edges.size > 1 else equal_width_edges(float(edges[0]), float(edges[0]), 1)


def histogram(values: Floats, edges: Floats) -> Counts:
    """How many values lie in each interval; NaN in none. The last interval has both its ends, as in NumPy.

    What lies outside the edges, infinities too, is counted in the interval at that end.
    """
    bins, low, high = edges.size - 1, float(edges[0]), float(edges[-1])
    if not _is_small(low, high) or not np.array_equal(edges, np.linspace(low, high, bins + 1)):
        inside = np.searchsorted(edges[1:-1], values[~np.isnan(values)], side="right")
        return np.bincount(inside, minlength=bins).astype(np.int64)
    counts = np.histogram(values, bins, (low, high))[0].astype(np.int64)
    if counts.sum() < values.size:
        counts[0] += np.count_nonzero(values < low)
        counts[-1] += np.count_nonzero(values > high)
    return counts


def rebinned(counts: ArrayLike, edges: Floats, to: Floats) -> Floats:
    """Counts over other edges, which include the old ones: within an interval values are taken to lie evenly."""
    upto = np.concatenate(([0.0], np.cumsum(np.asarray(counts, dtype=np.float64))))
    return np.diff(np.interp(to, edges, upto))


def shares(counts: ArrayLike) -> Floats:
    """Counts as parts of their sum; all NaN where that is 0."""
    array = np.asarray(counts, dtype=np.float64)
    total = array.sum()
    return array / total if total > 0 else np.full(array.shape, np.nan)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon divergence, base 2, of two lists of counts or shares over the same intervals: 0 to 1."""
    first, second = _both(p, q)
    middle = (first + second) / 2
    return float(np.clip((_entropy(first, middle) + _entropy(second, middle)) / 2, 0.0, 1.0))


def _entropy(p: Floats, q: Floats) -> float:
    """Kullback-Leibler divergence of p from q in bits; NaN stays NaN."""
    if np.isnan(p).any() or np.isnan(q).any():
        return float("nan")
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))


def l_infinity(
    p: ArrayLike | Mapping[Any, float],
    q: ArrayLike | Mapping[Any, float],
    *,
    totals: tuple[float, float] | None = None,
) -> float:
    """Largest difference of a category's shares; a category that one side has not seen has the share 0 there.

    `totals` are what the shares are of, where rare categories are not among the counts; by default the counts' sums.
    """
    if isinstance(p, Mapping) and isinstance(q, Mapping):
        p, q = aligned(p, q)
    if totals is not None and min(totals) > 0:
        first, second = np.asarray(p, dtype=np.float64) / totals[0], np.asarray(q, dtype=np.float64) / totals[1]
    else:
        first, second = _both(p, q)
    return float(np.max(np.abs(first - second), initial=0.0)) if first.size else float("nan")


def aligned(p: Mapping[Any, float], q: Mapping[Any, float]) -> tuple[Floats, Floats]:
    """Counts of both in one order of categories: those of the first, then what only the second has."""
    categories = list(dict.fromkeys([*p, *q]))
    pairs = [(p.get(category, 0), q.get(category, 0)) for category in categories]
    array = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def population_stability(p: ArrayLike, q: ArrayLike, *, floor: float = 1e-4) -> float:
    """Population stability index (symmetric, in nats); shares below `floor` count as that, so that it stays finite."""
    first, second = (np.maximum(side, floor) for side in _both(p, q))
    return float(np.sum((first - second) * np.log(first / second)))


def kolmogorov_smirnov(p: Floats, q: Floats) -> float:
    """Two-sample statistic: the largest difference of the two samples' cumulative shares. NaN values are left out."""
    first, second = (np.sort(sample[~np.isnan(sample)]) for sample in (p, q))
    if not first.size or not second.size:
        return float("nan")
    points = np.concatenate((first, second))
    below = [np.searchsorted(sample, points, side="right") / sample.size for sample in (first, second)]
    return float(np.max(np.abs(below[0] - below[1])))


def _both(p: Any, q: Any) -> tuple[Floats, Floats]:
    first, second = shares(p), shares(q)
    if first.shape != second.shape:
        raise ValueError(f"{first.size} intervals on one side, {second.size} on the other")
    return first, second

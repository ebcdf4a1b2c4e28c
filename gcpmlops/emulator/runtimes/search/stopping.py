"""Early stopping: whether a running trial's curve of measurements promises too little, as Vertex AI's three rules say.

A curve is a sequence of (x, score): x the step or the seconds elapsed, increasing; the greater a score the better.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = Sequence[tuple[float, float]]
Array = NDArray[np.float64]

_UNLIKELY = 0.05  # chance of beating the best, below which the decay curve rule gives up
_GRID = [(share, decay) for share in (0.2, 0.5, 0.8) for decay in (0.05, 0.2, 1.0)]
_NOISE = 1e-3  # variance of a measurement, in units of the scores' variance
_MAX_POINTS = 40  # of one curve
_MAX_CURVES = 100


def median(curve: Curve, completed: Sequence[Curve]) -> bool:
    """Whether its best score is below the median of the completed trials' running averages up to its last x."""
    if not curve:
        return False
    last = curve[-1][0]
    earlier = [[score for x, score in other if x <= last] for other in completed]
    averages = [statistics.fmean(scores) for scores in earlier if scores]
    return bool(averages and max(score for _, score in curve) < statistics.median(averages))


def decay_curve(curve: Curve, completed: Sequence[Curve]) -> bool:
    """Whether a Gaussian process over the curves gives its final score next to no chance to beat the best final one.

    Residuals about the completed trials' mean curve are a trial's own constant plus a part that decays with x (kernel
    `decay / (x + x' + decay)`, as of freeze-thaw Bayesian optimisation); the shares come from the likelihood.
    """
    known = [other for other in completed if other][-_MAX_CURVES:]
    if not curve or len(known) < 2:  # a spread needs two
        return False
    end = max(other[-1][0] for other in known)
    if curve[-1][0] >= end:
        return False
    residuals = _Residuals(known, end)
    mean, deviation = residuals.predict(curve)
    best = max(other[-1][1] for other in known)
    return 0.5 * math.erfc((best - mean) / (deviation * math.sqrt(2))) < _UNLIKELY


@dataclass(frozen=True)
class Convex:
    """Settings of the convex rule; 0 for a maximum that is learnt from the completed trials."""

    max_x: float = 0
    min_x: float | None = None
    min_measurements: int = 5

    def predicted(self, curve: Curve, completed: Sequence[Curve]) -> tuple[float, float] | None:
        """None to go on; to stop, the last x and the score that an autoregression expects there.

        The curve's slope, held until the end, overestimates a curve that flattens: where even that stays below the
        best completed trial, there is no hope. A flat curve says nothing.
        """
        known = [other for other in completed if other]
        end = self.max_x or max((other[-1][0] for other in known), default=0.0)
        least = end / 10 if self.min_x is None else self.min_x
        if len(known) < self.min_measurements + 1 or len(curve) < self.min_measurements or curve[-1][0] <= least:
            return None
        best = max(other[-1][1] for other in known)
        bound = _overestimate(curve, end)
        if bound is None or bound >= best:
            return None
        return end, min(bound, _autoregression(curve, end))


def _overestimate(curve: Curve, end: float) -> float | None:
    """The score at `end` if the slope of the curve's latter half went on; None for a flat curve."""
    (x0, y0), (x1, y1) = curve[len(curve) // 2 - 1 if len(curve) > 2 else 0], curve[-1]
    scores = [score for _, score in curve]
    if max(scores) == min(scores) or x1 <= x0:
        return None
    slope = max(0.0, (y1 - y0) / (x1 - x0))
    return max(max(scores), y1 + slope * max(0.0, end - x1))


def _autoregression(curve: Curve, end: float) -> float:
    """Each score a linear function of the one before, at the curve's mean distance, until `end`."""
    x = np.array([point[0] for point in curve])
    y = np.array([point[1] for point in curve])
    step = (x[-1] - x[0]) / (len(x) - 1)
    even = np.interp(np.arange(x[0], x[-1] + step / 2, step), x, y)
    before, after = even[:-1] - even[:-1].mean(), even[1:] - even[1:].mean()
    weight = float(np.clip((before @ after) / max(before @ before, 1e-300), 0.0, 1.0))
    value, drift = float(even[-1]), float(even[1:].mean() - weight * even[:-1].mean())
    for _ in range(min(10_000, math.ceil((end - x[-1]) / step))):
        value = weight * value + drift
    return value


class _Residuals:
    """The Gaussian process of `decay_curve`, fitted to completed curves; x in units of `end`."""

    def __init__(self, completed: Sequence[Curve], end: float) -> None:
        self._end = end
        curves = [self._scaled(curve) for curve in completed]
        self._mean_x = np.unique(np.concatenate([x for x, _ in curves]))
        columns = [np.interp(self._mean_x, x, y, left=np.nan) for x, y in curves]
        self._mean_y = np.nanmean(np.array(columns), axis=0)
        residuals = [(x, y - self._mean(x)) for x, y in curves]
        self._variance = float(np.var(np.concatenate([r for _, r in residuals]))) or 1e-12
        self._share, self._decay = max(_GRID, key=lambda theta: sum(self._fit(x, r, *theta) for x, r in residuals))

    def predict(self, curve: Curve) -> tuple[float, float]:
        """Mean and standard deviation of the curve's score at the end."""
        x, y = self._scaled(curve)
        at_end = np.array([1.0])
        cross = self._kernel(at_end, x, self._share, self._decay)
        own = self._kernel(x, x, self._share, self._decay) + _NOISE * self._variance * np.eye(len(x))
        weights = np.linalg.solve(own, cross.T)[:, 0]
        mean = self._mean(at_end)[0] + weights @ (y - self._mean(x))
        variance = self._kernel(at_end, at_end, self._share, self._decay)[0, 0] - weights @ cross[0]
        return float(mean), math.sqrt(max(variance, 0.0) + _NOISE * self._variance)

    def _fit(self, x: Array, residuals: Array, share: float, decay: float) -> float:
        """The log likelihood of one curve."""
        covariance = self._kernel(x, x, share, decay) + _NOISE * self._variance * np.eye(len(x))
        factor = np.linalg.cholesky(covariance)
        whitened = np.linalg.solve(factor, residuals)
        return float(-0.5 * whitened @ whitened - np.log(np.diag(factor)).sum())

    def _kernel(self, one: Array, other: Array, share: float, decay: float) -> Array:
        decaying = decay / (one[:, None] + other[None, :] + decay)
        return self._variance * (share + (1 - share) * decaying)

    def _mean(self, x: Array) -> Array:
        return np.interp(x, self._mean_x, self._mean_y)

    def _scaled(self, curve: Curve) -> tuple[Array, Array]:
        chosen = [curve[round(i)] for i in np.linspace(0, len(curve) - 1, min(len(curve), _MAX_POINTS))]
        x, y = np.array(chosen, dtype=np.float64).T
        return x / (self._end or 1.0), y

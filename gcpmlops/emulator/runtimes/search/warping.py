"""Monotone changes of the objective's scale, so that a stationary process fits: which one, the data say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gcpmlops.emulator.runtimes.search.descent import Array

_STRENGTHS = (2.0, 20.0)


@dataclass(frozen=True)
class Warped:
    """Rows of targets of mean 0 and variance 1 (warps, n), and the logarithm of each warp's Jacobian (warps,)."""

    targets: Array
    log_jacobian: Array


def warped(values: Array) -> Warped:
    """Of values to be minimised, all finite: themselves, and logarithms that stretch the best or the worst of them.

    Stretching the best suits objectives that rise steeply away from the minimum, stretching the worst those that are
    flat almost everywhere.
    """
    values = values / max(np.abs(values).max(), 1e-300)
    low, high, middle = values.min(), values.max(), np.median(values)
    from_best = (values - low) / _span(middle - low, high - low)
    from_worst = (high - values) / _span(high - middle, high - low)
    rows = [_standard(values, np.zeros_like(values))]
    if high > low:
        rows += [_logarithmic(values, from_best, strength, 1.0) for strength in _STRENGTHS]
        rows += [_logarithmic(values, from_worst, strength, -1.0) for strength in _STRENGTHS]
    return Warped(np.stack([row for row, _ in rows]), np.array([jacobian for _, jacobian in rows]))


def _span(half: float, whole: float) -> float:
    return half if half > 1e-9 * whole else max(whole, 1e-300)


def _logarithmic(values: Array, distance: Array, strength: float, sign: float) -> tuple[Array, float]:
    slope = np.ptp(distance) / np.ptp(values)
    return _standard(sign * np.log1p(strength * distance), np.log(strength * slope / (1.0 + strength * distance)))


def _standard(targets: Array, log_slopes: Array) -> tuple[Array, float]:
    deviation = float(targets.std())
    deviation = deviation if deviation > 1e-12 else 1.0
    return (targets - targets.mean()) / deviation, float(log_slopes.sum()) - len(targets) * math.log(deviation)

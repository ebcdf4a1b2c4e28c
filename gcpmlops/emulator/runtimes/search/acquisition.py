"""Log expected improvement: how promising a point is, precise also where next to nothing is to be expected."""

from __future__ import annotations

import math

import numpy as np

from gcpmlops.emulator.runtimes.search.descent import Array
from gcpmlops.emulator.runtimes.search.process import Processes

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_FAR = -25.0  # below, the series is exact to 1e-6 and erfc runs out of numbers


def log_improvement(processes: Processes, points: Array, best: Array) -> Array:
    """Of the minimum below ``best`` (one for each model), at rows of points: the logarithm of the models' mean."""
    mean, variance = processes.predict(points)
    deviation = np.sqrt(variance)
    return _mixed(_log_h((best[:, None] - mean) / deviation)[0] + np.log(deviation))[0]


def log_improvement_with_slope(processes: Processes, points: Array, best: Array) -> tuple[Array, Array]:
    """As ``log_improvement``, with its gradient by the columns of each row."""
    mean, variance, mean_slope, variance_slope = processes.predict_with_slopes(points)
    deviation = np.sqrt(variance)
    z = (best[:, None] - mean) / deviation
    value, by_z = _log_h(z)
    total, share = _mixed(value + np.log(deviation))
    by_mean = -share * by_z / deviation
    by_variance = 0.5 * share * (1.0 - z * by_z) / variance
    slope = np.einsum("mb,mbc->bc", by_mean, mean_slope) + np.einsum("mb,mbc->bc", by_variance, variance_slope)
    return total, slope


def _mixed(values: Array) -> tuple[Array, Array]:
    """The logarithm of the mean of exponentials over models, and each model's share in it."""
    largest = values.max(axis=0)
    share = np.exp(values - largest)
    total = share.sum(axis=0)
    return largest + np.log(total / len(values)), share / total


def _log_h(z: Array) -> tuple[Array, Array]:
    """log(pdf(z) + z cdf(z)) of the normal distribution, and its derivative."""
    near = np.maximum(z, _FAR)
    cumulated = 0.5 * np.fromiter(
        map(math.erfc, (near * -math.sqrt(0.5)).ravel().tolist()), np.float64, z.size
    ).reshape(z.shape)
    h = np.exp(-0.5 * near * near - _LOG_ROOT_2PI) + near * cumulated
    value, slope = np.log(h), cumulated / h
    far = z < _FAR
    if far.any():
        t = z[far]
        inverse = 1.0 / (t * t)
        tail = 1.0 - inverse * (3.0 - 15.0 * inverse)
        value[far] = -0.5 * t * t - _LOG_ROOT_2PI + np.log(inverse * tail)
        slope[far] = -t * (1.0 - inverse * (1.0 - 3.0 * inverse)) / tail
    return value, slope

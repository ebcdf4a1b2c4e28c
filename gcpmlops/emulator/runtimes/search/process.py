"""Gaussian processes with a Matérn-5/2 kernel and a length scale for each parameter, in numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gcpmlops.emulator.runtimes.search.descent import Array, minimize

_ROOT5 = math.sqrt(5.0)
_MEAN_VARIANCE = 1.0  # of the unknown constant mean, integrated out; targets have variance 1
_LEAST_VARIANCE = 1e-12
_FIT_STEPS = 30
_FIT_TOLERANCE = 0.02  # of the log density's gradient by logarithms: far below what matters


@dataclass(frozen=True)
class Prior:
    """Log-normal and bounded: of each parameter's length scale, of the amplitude and the noise (variances).

    Hyperparameters are vectors of logarithms: the length scales, amplitude, noise.
    """

    mode: Array
    deviation: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, parameters: int, length_scale: float) -> Prior:
        """For the unit cube: the more parameters, the longer the scales, else all points would be far apart."""
        length = math.log(length_scale) + 0.5 * math.log(parameters)

        def vector(length: float, amplitude: float, noise: float) -> Array:
            return np.array([length] * parameters + [amplitude, noise])

        return cls(
            mode=vector(length, 0.0, math.log(1e-4)),
            deviation=vector(0.7, 1.0, 2.0),
            low=vector(math.log(0.02), math.log(0.05), math.log(1e-6)),
            high=vector(math.log(30.0), math.log(50.0), 0.0),
        )


@dataclass(frozen=True)
class Fit:
    """The most probable hyperparameters of each row of targets, their log density, the covariance around them."""

    theta: Array
    log_density: Array
    covariance: Array


class Processes:
    """Posteriors of several hyperparameters ("models") given the same points (n, columns in the unit cube).

    ``targets`` is (models, n); ``groups`` (columns,) says which parameter a column codes: the columns of one
    categorical parameter share its length scale. Predictions are (models, rows).
    """

    def __init__(self, points: Array, targets: Array, groups: NDArray[np.intp], theta: Array) -> None:
        self._weights = np.exp(-2.0 * theta[:, :-2])[:, groups]
        self.inverse_scales = np.exp(-theta[:, :-2].mean(axis=0))[groups]  # of the columns, in the middle of the models
        self._amplitude = np.exp(theta[:, -2])[:, None]
        self._scaled = points * self._weights[:, None, :]
        self._norms = np.einsum("nc,mnc->mn", points, self._scaled)
        covariance = self._covariance(points)[0]
        diagonal = np.arange(len(points))
        covariance[:, diagonal, diagonal] = self._amplitude + _MEAN_VARIANCE + np.exp(theta[:, -1])[:, None]
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
        self._whiten = whiten.transpose(0, 2, 1)
        self._inverse = np.matmul(self._whiten, whiten)
        self._solved = np.matmul(self._inverse, targets[:, :, None])

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Means and variances (without noise) at rows of points."""
        covariance = self._covariance(points)[0]
        variance = self._amplitude + _MEAN_VARIANCE - np.square(np.matmul(covariance, self._whiten)).sum(axis=2)
        return np.matmul(covariance, self._solved)[:, :, 0], np.maximum(variance, _LEAST_VARIANCE)

    def predict_with_slopes(self, points: Array) -> tuple[Array, Array, Array, Array]:
        """Means, variances, and the gradients of both by the columns (models, rows, columns)."""
        covariance, slope = self._covariance(points)
        solved = np.matmul(covariance, self._inverse)
        variance = self._amplitude + _MEAN_VARIANCE - (covariance * solved).sum(axis=2)
        mean = np.matmul(covariance, self._solved)[:, :, 0]
        mean_slope = self._pull_back(points, slope * self._solved.transpose(0, 2, 1))
        solved *= slope
        solved *= -2.0
        return mean, np.maximum(variance, _LEAST_VARIANCE), mean_slope, self._pull_back(points, solved)

    def _covariance(self, points: Array) -> tuple[Array, Array]:
        """With the data, and its derivative by the squared distance."""
        squared = np.matmul(points, self._scaled.transpose(0, 2, 1))
        squared *= -2.0
        squared += np.matmul(np.square(points), self._weights[:, :, None])
        squared += self._norms[:, None, :]
        return _matern(np.maximum(squared, 0.0, out=squared), self._amplitude[:, :, None])

    def _pull_back(self, points: Array, by_distance: Array) -> Array:
        total: Array = by_distance.sum(axis=2)[:, :, None] * (points * self._weights[:, None, :])
        total -= np.matmul(by_distance, self._scaled)
        total *= 2.0
        return total


def _matern(squared: Array, amplitude: Array) -> tuple[Array, Array]:
    """The covariance, the unknown mean's included, and its derivative by the squared distance."""
    distance = np.sqrt(squared)
    distance *= _ROOT5
    decay = np.exp(-distance)
    decay *= amplitude
    distance += 1.0
    slope = (-5.0 / 6.0) * distance * decay
    distance += (5.0 / 3.0) * squared
    return distance * decay + _MEAN_VARIANCE, slope


def fit(points: Array, targets: Array, groups: NDArray[np.intp], prior: Prior) -> Fit:
    """Fits each row of ``targets`` (rows, n) at the points (n, columns); ``groups`` as for `Processes`."""
    distances = _distances(points, groups)
    precision = 1.0 / np.square(prior.deviation)

    def loss(theta: Array) -> tuple[Array, Array]:
        value, slope = _negative_evidence(theta, distances, targets)
        offset = theta - prior.mode
        return value + 0.5 * np.square(offset) @ precision, slope + offset * precision

    starts = np.repeat(prior.mode[None], len(targets), axis=0)
    minima = minimize(loss, starts, prior.low, prior.high, steps=_FIT_STEPS, tolerance=_FIT_TOLERANCE, longest=1.0)
    return Fit(minima.points, -minima.values, minima.inverse_hessians)


def _distances(points: Array, groups: NDArray[np.intp]) -> Array:
    """Squared, by parameter (parameters, n * n)."""
    found = []
    for parameter in range(groups[-1] + 1):
        own = points[:, groups == parameter]
        norms = np.square(own).sum(axis=1)
        found.append(np.maximum(norms[:, None] + norms - 2.0 * (own @ own.T), 0.0).ravel())
    return np.stack(found)


def _negative_evidence(theta: Array, distances: Array, targets: Array) -> tuple[Array, Array]:
    """Minus the log marginal likelihood of each row, and its gradient."""
    rows, n = targets.shape
    weights = np.exp(-2.0 * theta[:, :-2])
    amplitude = np.exp(theta[:, -2])[:, None, None]
    noise = np.exp(theta[:, -1])
    covariance, slope = _matern((weights @ distances).reshape(rows, n, n), amplitude)
    diagonal = np.arange(n)
    signal = covariance - _MEAN_VARIANCE
    covariance[:, diagonal, diagonal] += noise[:, None]
    factor = np.linalg.inv(np.linalg.cholesky(covariance))
    inverse = np.matmul(factor.transpose(0, 2, 1), factor)
    solved = np.matmul(inverse, targets[:, :, None])[:, :, 0]
    value = 0.5 * np.einsum("bn,bn->b", targets, solved) - np.log(factor[:, diagonal, diagonal]).sum(axis=1)
    outer = inverse - solved[:, :, None] * solved[:, None, :]
    gradient = np.empty_like(theta)
    gradient[:, :-2] = -weights * ((outer * slope).reshape(rows, -1) @ distances.T)
    gradient[:, -2] = 0.5 * np.einsum("bij,bij->b", outer, signal)
    gradient[:, -1] = 0.5 * noise * np.einsum("bii->b", outer)
    return value, gradient

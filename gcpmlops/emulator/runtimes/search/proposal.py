"""The next point to try: models of the objective, and the point from which they expect the greatest improvement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gcpmlops.emulator.runtimes.search.acquisition import log_improvement, log_improvement_with_slope
from gcpmlops.emulator.runtimes.search.coding import Coding
from gcpmlops.emulator.runtimes.search.descent import Array, Mask, minimize
from gcpmlops.emulator.runtimes.search.process import Prior, Processes, fit
from gcpmlops.emulator.runtimes.search.warping import warped

_MODELS = 8
# Expected length scales, in turn. Long ones lead to the minimum fast, short ones out of a local one: either alone fails
# more often than both.
_LENGTH_SCALES = (0.25, 0.5)
_FIT_POINTS = 80  # above, hyperparameters come from the best and the latest points
_MODEL_POINTS = 300  # above, so do the models
_SCATTERED = 8
_SPREAD = 512
_AROUND = np.repeat([0.1, 0.02, 0.004, 0.0008], 10)  # deviations of the candidates around each of the best points
_STARTS = 6
_APART = 0.3  # length scales between the starts of local searches
_STEPS = 30


def scattered(coding: Coding, known: Array, rng: np.random.Generator) -> Array:
    """Of some points all over the space, the one farthest from the known ones.

    Distances go around the edges, as on a torus: otherwise the edges themselves would be farthest from everything.
    """
    candidates = coding.spread(_SCATTERED, rng)
    gaps = np.abs(candidates[:, None, :] - known[None, :, :])
    nearest = np.square(np.minimum(gaps, 1.0 - gaps)).sum(axis=2).min(axis=1, initial=np.inf)
    farthest: Array = candidates[np.argmax(nearest)]
    return farthest


def proposed(coding: Coding, points: Array, values: Array, running: Array, rng: np.random.Generator) -> Array:
    """The row to try next, given evaluated rows, their values (to be minimised) and rows still being evaluated."""
    kept = _kept(values, _MODEL_POINTS)
    known = np.concatenate([points, running])
    points, values = points[kept], values[kept]
    prior = Prior.of(len(coding), _LENGTH_SCALES[len(known) % len(_LENGTH_SCALES)])
    processes, best = _models(coding, points, values, running, prior, rng)
    top = points[np.argsort(values, kind="stable")[:3]]
    candidates = np.concatenate([coding.spread(_SPREAD, rng), *(coding.near(row, _AROUND, rng) for row in top)])
    promise = log_improvement(processes, candidates, best)
    starts = candidates[_separate(candidates * processes.inverse_scales, promise)]
    refined = coding.snap(_refined(coding, processes, best, starts))
    pool = np.concatenate([refined, candidates[np.argsort(-promise, kind="stable")[:64]]])
    new = _new(pool, known)
    pool = pool[new] if new.any() else pool
    chosen: Array = pool[np.argmax(log_improvement(processes, pool, best))]
    return chosen


def _kept(values: Array, limit: int) -> NDArray[np.intp]:
    """The indices of the best and the latest."""
    if len(values) <= limit:
        return np.arange(len(values))
    best = np.argsort(values, kind="stable")[: limit // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    return np.sort(np.concatenate([best, others[len(best) - limit :]]))


def _models(
    coding: Coding, points: Array, values: Array, running: Array, prior: Prior, rng: np.random.Generator
) -> tuple[Processes, Array]:
    """Hyperparameters drawn from around the most probable ones (in opposite pairs), and what is to be improved on.

    At points that are being evaluated, a model takes its own expectation for the value.
    """
    warps = warped(values)
    some = _kept(values, _FIT_POINTS)
    found = fit(points[some], warps.targets[:, some], coding.groups, prior)
    best = int(np.argmax(found.log_density + warps.log_jacobian * len(some) / len(values)))
    widths, axes = np.linalg.eigh(found.covariance[best])
    draws = rng.normal(size=(_MODELS // 2, len(prior.mode))) * np.sqrt(np.clip(widths, 1e-4, 1.0)) @ axes.T
    theta = np.clip(found.theta[best] + np.concatenate([draws, -draws]), prior.low, prior.high)
    targets = np.repeat(warps.targets[best][None], len(theta), axis=0)
    processes = Processes(points, targets, coding.groups, theta)
    if len(running):
        targets = np.concatenate([targets, processes.predict(running)[0]], axis=1)
        points = np.concatenate([points, running])
        processes = Processes(points, targets, coding.groups, theta)
    return processes, processes.predict(points)[0].min(axis=1)


def _separate(scaled: Array, promise: Array) -> list[int]:
    """The most promising candidates that lie apart."""
    found: list[int] = []
    left = promise.copy()
    while len(found) < _STARTS and np.isfinite(left).any():
        found.append(int(np.argmax(left)))
        left[np.square(scaled - scaled[found[-1]]).sum(axis=1) < _APART**2] = -np.inf
        left[found[-1]] = -np.inf
    return found


def _refined(coding: Coding, processes: Processes, best: Array, rows: Array) -> Array:
    """Each row moved uphill: continuous columns by their slopes, enumerated parameters one at a time, in turn."""
    rows = _climbed(coding, processes, best, rows, _STEPS)
    changed = [coding.neighbours(row) for row in rows]
    neighbours = [each for each in changed if each is not None]
    if not neighbours:
        return rows
    promise = log_improvement(processes, np.concatenate(neighbours), best).reshape(len(rows), -1)
    rows = np.stack([each[i] for each, i in zip(neighbours, promise.argmax(axis=1), strict=True)])
    return _climbed(coding, processes, best, rows, _STEPS // 2)


def _climbed(coding: Coding, processes: Processes, best: Array, rows: Array, steps: int) -> Array:
    columns = coding.continuous
    if not len(columns):
        return rows
    full = rows.copy()

    def loss(cells: Array) -> tuple[Array, Array]:
        full[:, columns] = cells
        value, slope = log_improvement_with_slope(processes, full, best)
        return -value, -slope[:, columns]

    ends = np.zeros(len(columns)), np.ones(len(columns))
    full[:, columns] = minimize(loss, rows[:, columns], *ends, steps=steps, tolerance=1e-3, longest=0.25).points
    return full


def _new(pool: Array, known: Array) -> Mask:
    """Which rows are not known yet, as a mask."""
    gaps = [np.abs(known - row).max(axis=1).min() for row in pool]
    return np.array([gap > 1e-9 for gap in gaps])

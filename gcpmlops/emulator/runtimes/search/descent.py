"""Many small box-bounded minimisations at once, in step, so that numpy is called once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SUFFICIENT = 1e-4  # Armijo: the share of the promised decrease that a step must bring
_SMALLEST_STEP = 1e-10


@dataclass(frozen=True)
class Minima:
    """For each start: the point (rows, dimensions), its value (rows,), the inverse Hessian as far as it was learnt."""

    points: Array
    values: Array
    inverse_hessians: Array


def minimize(
    evaluate: Callable[[Array], tuple[Array, Array]],
    starts: Array,
    low: Array,
    high: Array,
    *,
    steps: int,
    tolerance: float,
    longest: float,
) -> Minima:
    """Projected BFGS from each row of ``starts``.

    ``evaluate`` takes such rows and returns values and gradients. A row takes one evaluation at each of the ``steps``:
    where it doesn't decrease the value enough, the next one is shorter. No component moves by more than ``longest``.
    """
    x = np.clip(starts, low, high)
    value, gradient = evaluate(x)
    inverse = np.repeat(np.eye(x.shape[1])[None], len(x), axis=0)
    fresh = np.ones(len(x), dtype=bool)
    scale = np.ones(len(x))
    for _ in range(steps):
        pinned = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        projected = np.where(pinned, 0.0, gradient)
        if np.all((np.abs(projected).max(axis=1) < tolerance) | (scale < _SMALLEST_STEP)):
            break
        direction = _direction(inverse, projected, pinned)
        reach = np.where(fresh, 0.1 * longest, longest) / np.maximum(np.abs(direction).max(axis=1), 1e-300)
        trial = np.clip(x + (scale * np.minimum(1.0, reach))[:, None] * direction, low, high)
        trial_value, trial_gradient = evaluate(trial)
        move = trial - x
        better = trial_value <= value + _SUFFICIENT * np.einsum("bd,bd->b", move, gradient)
        _learn(inverse, move, trial_gradient - gradient, better, fresh)
        x = np.where(better[:, None], trial, x)
        value = np.where(better, trial_value, value)
        gradient = np.where(better[:, None], trial_gradient, gradient)
        fresh &= ~better
        scale = np.where(better, 1.0, scale * 0.25)
    return Minima(x, value, inverse)


def _direction(inverse: Array, projected: Array, pinned: Mask) -> Array:
    """Quasi-Newton; straight down, with a new Hessian, where that leads upwards."""
    direction = np.where(pinned, 0.0, -np.matmul(inverse, projected[:, :, None])[:, :, 0])
    uphill = np.einsum("bd,bd->b", direction, projected) >= 0
    direction[uphill] = -projected[uphill]
    inverse[uphill] = np.eye(projected.shape[1])
    return direction


def _learn(inverse: Array, move: Array, change: Array, better: Mask, fresh: Mask) -> None:
    """The BFGS update of the inverse Hessians, in place, of rows that moved and whose curvature is positive."""
    curvature = np.einsum("bd,bd->b", move, change)
    rows = np.flatnonzero(better & (curvature > 1e-12))
    if not len(rows):
        return
    s, y, rho, h = move[rows], change[rows], 1.0 / curvature[rows], inverse[rows]
    first = fresh[rows]
    if first.any():
        h[first] *= (curvature[rows][first] / np.einsum("bd,bd->b", y, y)[first])[:, None, None]
    hy = np.matmul(h, y[:, :, None])[:, :, 0]
    cross = s[:, :, None] * hy[:, None, :]
    h += ((1.0 + rho * np.einsum("bd,bd->b", y, hy)) * rho)[:, None, None] * (s[:, :, None] * s[:, None, :])
    h -= rho[:, None, None] * (cross + cross.transpose(0, 2, 1))
    inverse[rows] = h

"""Shares of requests that are right in a hundred requests already, and not only in the long run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

# Multiples of such a number, without their whole parts, cover [0, 1) evenly, and so do every second or third of them;
# the two have nothing to do with one another, so that a sample has every model in it.
TRAFFIC = (5**0.5 - 1) / 2
SAMPLING = 2**0.5 - 1


class Spread:
    """Evenly spread points in [0, 1), one for each request. Thread-safe.

    Args:
        step: TRAFFIC or SAMPLING.
        start: how many points are left out.
    """

    def __init__(self, step: float, start: int = 0) -> None:
        self._step = step
        self._numbers = itertools.count(start + 1)

    def point(self) -> float:
        return next(self._numbers) * self._step % 1.0


def pick(split: Mapping[str, int], point: float) -> str | None:
    """The id whose part of [0, 1) has the point in it; None where no traffic is assigned."""
    left = point * 100
    for key in sorted(split):
        left -= split[key]
        if left < 0:
            return key
    return max(split, key=lambda key: split[key]) if any(split.values()) else None

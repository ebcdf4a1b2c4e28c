"""CUMULATIVE metrics: counts since a start, which begin anew after a reset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gcpmlops.emulator.services.monitoring import distributions
from gcpmlops.emulator.services.monitoring.frames import Frame

Array = Any  # of NumPy


def deltas(starts: Array, ends: Array, values: Array, at: Array, period: int) -> tuple[Array, Array]:
    """What a counter grew by in each period that ends at one of `at`, by a line through its points.

    The line goes from zero at a start to the first point after it; a gap between points is spread over its length.
    Periods before the first known moment, and after the last point, have none.
    """
    begins = _begins(starts, ends)
    grown = np.where(begins, values, values - np.concatenate(([0], values[:-1])))
    first = bool(starts[0] < ends[0])
    level = np.cumsum(grown)
    times, levels = ends, level
    if begins.any():
        where = np.flatnonzero(begins)
        where = where if first else where[where > 0]
        times = np.concatenate((ends, starts[where]))
        levels = np.concatenate((level, level[where] - grown[where]))
        order = np.argsort(times, kind="stable")
        times, levels = times[order], levels[order]
    known = at[(at > times[0]) & (at - period < times[-1])]
    return known, np.interp(known, times, levels) - np.interp(known - period, times, levels)


def differences(frame: Frame) -> Frame:
    """Distributions since the point before, or since the start: DELTA."""
    changed = np.empty(len(frame.values), object)
    for index, value in enumerate(frame.values):
        same = index > 0 and frame.row[index] == frame.row[index - 1] and frame.starts[index] < frame.ends[index - 1]
        changed[index] = distributions.difference(value, frame.values[index - 1]) if same else value
    return replace(frame, kind="DELTA", values=changed)


def _begins(starts: Array, ends: Array) -> Array:
    """Which points count from a start of their own: the first, and those after a reset."""
    begins = np.ones(len(ends), bool)
    begins[1:] = starts[1:] >= ends[:-1]
    return begins

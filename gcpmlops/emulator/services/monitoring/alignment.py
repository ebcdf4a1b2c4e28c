"""Time series at common times: one value for each period, at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gcpmlops.emulator.services.monitoring import counters
from gcpmlops.emulator.services.monitoring.aggregation import ALIGNERS, Segments, operation
from gcpmlops.emulator.services.monitoring.frames import Frame

Array = Any  # of NumPy
# (starts, ends, values, ends of the periods, period) → ends and values.
Make = Callable[[Array, Array, Array, Array, int], tuple[Array, Array]]
MICROS = 1_000_000
_SMOOTHED = 600 * MICROS  # percent change compares means of ten minutes
# Aligners that look back: how much further than the interval.
_BACK: dict[str, Callable[[int], int]] = {
    "ALIGN_DELTA": lambda period: period,
    "ALIGN_RATE": lambda period: period,
    "ALIGN_INTERPOLATE": lambda period: period,
    "ALIGN_PERCENT_CHANGE": lambda period: period + _SMOOTHED,
}


def lookback(name: str, period: int) -> int:
    """How far before the interval points matter to an aligner, in microseconds."""
    return _BACK[name](period) if name in _BACK else 0


def aligned(frame: Frame, name: str, period: int, start: int, end: int) -> Frame:
    """One point for each period that ends in (`start`, `end`], the last one at `end`.

    Raises: InvalidArgument, MethodNotImplemented.
    """
    align = operation(name, ALIGNERS)
    align.check(name, frame.kind, frame.value_type)
    result = align.result or frame.value_type
    if name in ("ALIGN_DELTA", "ALIGN_RATE") and frame.kind == "CUMULATIVE":
        made = _of_counters(frame, period, start, end)
    elif name in ("ALIGN_INTERPOLATE", "ALIGN_PERCENT_CHANGE"):
        one = _interpolated if name == "ALIGN_INTERPOLATE" else _changed
        made = _each_series(frame, one, period, start, end)
    else:
        made = _segmented(frame, align.run, period, start, end)
    if name == "ALIGN_RATE":
        made = replace(made, values=made.values / (period / MICROS))
    if result == "INT64" and made.values.dtype.kind == "f":  # whole numbers are beyond a double's, maybe
        made = replace(made, values=np.rint(made.values).astype(np.int64))
    kind = "DELTA" if align.keeps_kind and frame.kind != "GAUGE" else "GAUGE"
    starts = made.ends - period if kind == "DELTA" else made.ends
    return replace(made, kind=kind, value_type=result, starts=starts)  # type: ignore[arg-type]  # one of two kinds


def _segmented(frame: Frame, run: Callable[[Segments], Array], period: int, start: int, end: int) -> Frame:
    """What needs the points of a period alone."""
    frame = frame.within(start, end)
    back = (end - frame.ends) // period
    cut = _cuts(frame.row, back)
    values = run(Segments(frame.values, cut)) if len(cut) else frame.values
    ends = end - back[cut] * period
    return replace(frame, row=frame.row[cut], ends=ends, starts=ends, values=values)


def _cuts(row: Array, back: Array) -> Array:
    """Where a new series, or a new period, begins."""
    if not len(row):
        return np.empty(0, np.int64)
    changed = (row[1:] != row[:-1]) | (back[1:] != back[:-1])
    return np.concatenate(([0], np.flatnonzero(changed) + 1))


def _of_counters(frame: Frame, period: int, start: int, end: int) -> Frame:
    if not frame.is_plain:
        deltas = counters.differences(frame)
        return _segmented(deltas, ALIGNERS["ALIGN_SUM"].run, period, start, end)
    return _each_series(frame, counters.deltas, period, start, end)


def _each_series(
    frame: Frame,
    make: Callable[[Array, Array, Array, Array, int], tuple[Array, Array]],
    period: int,
    start: int,
    end: int,
) -> Frame:
    """What needs a whole series."""
    count = max(0, -(-(end - start) // period))
    at = end - period * np.arange(count)[::-1]
    cuts = np.searchsorted(frame.row, np.arange(len(frame.series) + 1))
    rows, ends, values = [], [], []
    for index in range(len(frame.series)):
        part = slice(cuts[index], cuts[index + 1])
        if part.stop > part.start:
            until, found = make(frame.starts[part], frame.ends[part], frame.values[part], at, period)
            rows.append(np.full(len(until), index, np.int64))
            ends.append(until)
            values.append(found)
    whole = [np.concatenate(each) if each else np.empty(0, np.int64) for each in (rows, ends, values)]
    return replace(frame, row=whole[0], ends=whole[1], starts=whole[1], values=whole[2])


def _interpolated(_: Array, ends: Array, values: Array, at: Array, __: int) -> tuple[Array, Array]:
    """Between the points around the end of each period."""
    inside = at[(at >= ends[0]) & (at <= ends[-1])]
    return inside, np.interp(inside, ends, values)


def _changed(_: Array, ends: Array, values: Array, at: Array, period: int) -> tuple[Array, Array]:
    """In per cent, from the mean of ten minutes a period ago; negative values are left out."""
    kept = values >= 0
    times, sums = ends[kept], np.concatenate(([0.0], np.cumsum(values[kept], dtype=np.float64)))

    def means(until: Array) -> Array:
        first, last = (np.searchsorted(times, edge, side="right") for edge in (until - _SMOOTHED, until))
        with np.errstate(invalid="ignore", divide="ignore"):
            return (sums[last] - sums[first]) / (last - first)

    current, previous = means(at), means(at - period)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = (current - previous) / previous * 100
    change[(current == 0) & (previous == 0)] = 0.0
    there = ~np.isnan(current) & ~np.isnan(previous)
    return at[there], change[there]

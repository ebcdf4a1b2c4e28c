"""Aligners and reducers: what they take, and what they make of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.api.distribution_pb2 import Distribution
from google.api_core import exceptions

from gcpmlops.emulator.services.monitoring import distributions
from gcpmlops.emulator.services.monitoring.series import Kind, Value, ValueType

_NUMBERS: tuple[ValueType, ...] = ("INT64", "DOUBLE")
_NUMBERS_OR_DISTRIBUTIONS: tuple[ValueType, ...] = (*_NUMBERS, "DISTRIBUTION")
_ALL: tuple[ValueType, ...] = (*_NUMBERS_OR_DISTRIBUTIONS, "BOOL", "STRING")
_SETS: tuple[Kind, ...] = ("GAUGE", "DELTA")


@dataclass(frozen=True)
class Operation:
    """One aligner or reducer.

    Attributes:
        run: the values that become one, newest first, and the length of the period in seconds.
        types: value types that it takes.
        kinds: metric kinds that it takes.
        result: value type of the result; None: as it was.
        keeps_kind: the result's metric kind is as it was, else GAUGE.
    """

    run: Callable[[Sequence[Any], float], Value]
    types: tuple[ValueType, ...] = _NUMBERS
    kinds: tuple[Kind, ...] = _SETS
    result: ValueType | None = None
    keeps_kind: bool = False

    def check(self, name: str, kind: Kind, value_type: ValueType) -> None:
        """Raises InvalidArgument where it can't be applied."""
        if kind not in self.kinds or value_type not in self.types:
            takes = f"{' or '.join(self.kinds)} metrics of {', '.join(self.types)}"
            raise exceptions.InvalidArgument(f"{name} takes {takes}, not a {kind} metric of {value_type}.")


def _sum(values: Sequence[Any], _: float) -> Value:
    if isinstance(values[0], Distribution):
        return distributions.total(values)
    summed: Value = sum(values)
    return summed


def _mean(values: Sequence[Any], _: float) -> Value:
    if isinstance(values[0], Distribution):
        return float(distributions.total(values).mean)
    return float(statistics.fmean(values))


def _deviation(values: Sequence[Any], _: float) -> Value:
    if isinstance(values[0], Distribution):
        return distributions.deviation(distributions.total(values))
    return float(statistics.pstdev(values))


def _percentile(per_cent: float, values: Sequence[Any], _: float) -> Value:
    if isinstance(values[0], Distribution):
        return distributions.percentile(distributions.total(values), per_cent)
    ordered = sorted(values)
    place = (len(ordered) - 1) * per_cent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def _rate(values: Sequence[Any], seconds: float) -> Value:
    return float(sum(values) / seconds)


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
        f"{prefix}_MIN": Operation(lambda values, _: min(values)),
        f"{prefix}_MAX": Operation(lambda values, _: max(values)),
        f"{prefix}_SUM": Operation(_sum, types=_NUMBERS_OR_DISTRIBUTIONS, keeps_kind=True),
        f"{prefix}_STDDEV": Operation(_deviation, types=measurable, result="DOUBLE"),
        f"{prefix}_COUNT": Operation(lambda values, _: len(values), types=countable, result="INT64"),
        f"{prefix}_COUNT_TRUE": Operation(lambda values, _: sum(values), types=("BOOL",), result="INT64"),
        f"{prefix}_COUNT_FALSE": Operation(
            lambda values, _: len(values) - sum(values), types=("BOOL",), result="INT64"
        ),
        f"{prefix}_FRACTION_TRUE": Operation(
            lambda values, _: sum(values) / len(values), types=("BOOL",), result="DOUBLE"
        ),
    }


ALIGNERS: dict[str, Operation] = {
    **_common("ALIGN", countable=(*_NUMBERS, "BOOL"), measurable=_NUMBERS),
    **_percentiles("ALIGN", ("DISTRIBUTION",)),
    "ALIGN_DELTA": Operation(_sum, types=_NUMBERS_OR_DISTRIBUTIONS, kinds=("DELTA",), keeps_kind=True),
    "ALIGN_RATE": Operation(_rate, kinds=("DELTA",), result="DOUBLE"),
    "ALIGN_NEXT_OLDER": Operation(lambda values, _: values[0], types=_ALL, kinds=("GAUGE",)),
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

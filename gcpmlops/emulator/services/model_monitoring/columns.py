"""The values of one feature, as a distribution that another can be compared with."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gcpmlops import statistics

Kind = Literal["number", "category"]


@dataclass(frozen=True)
class Column:
    """`numbers` of a number, `counts` of a category; what has no value, or none of its kind, is missing."""

    kind: Kind
    rows: int
    numbers: statistics.Floats
    counts: Mapping[str, int]

    @property
    def present(self) -> int:
        return len(self.numbers) if self.kind == "number" else sum(self.counts.values())

    @property
    def missing(self) -> int:
        return self.rows - self.present


def kind_of(*samples: Sequence[Any]) -> Kind:
    """A number where all values of all samples are numbers, or texts of numbers beside numbers."""
    known = [value for sample in samples for value in sample if value is not None]
    numeric = [isinstance(value, int | float) and not isinstance(value, bool) for value in known]
    if any(numeric) and all(
        is_number or _float(value) is not None for is_number, value in zip(numeric, known, strict=True)
    ):
        return "number"
    return "category"


def column(values: Sequence[Any], kind: Kind) -> Column:
    """Of the values of all rows, None where one is missing."""
    if kind == "number":
        found = (_float(value) for value in values)
        numbers = np.array([number for number in found if number is not None], dtype=np.float64)
        return Column(kind, len(values), numbers[~np.isnan(numbers)], {})
    counts = Counter(_label(value) for value in values if value is not None)
    return Column(kind, len(values), np.empty(0), dict(counts.most_common()))


def distance(baseline: Column, current: Column) -> float | None:
    """Jensen-Shannon divergence of numbers, L-infinity distance of categories; None where one side has no values."""
    if baseline.kind == "category":
        found = statistics.l_infinity(baseline.counts, current.counts)
    else:
        ends = statistics.finite_range(baseline.numbers, current.numbers)
        if ends is None:
            return None
        edges = statistics.equal_width_edges(*ends)
        sides = (statistics.histogram(side.numbers, edges) for side in (baseline, current))
        found = statistics.jensen_shannon(*sides)
    return None if math.isnan(found) else found


def _float(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)

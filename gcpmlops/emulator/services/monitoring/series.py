"""What identifies a time series, and its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from google.api.distribution_pb2 import Distribution

Kind = Literal["GAUGE", "DELTA", "CUMULATIVE"]
ValueType = Literal["BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION"]
Value: TypeAlias = bool | int | float | str | Distribution
Labels = tuple[tuple[str, str], ...]  # by key

# Where a `TypedValue` holds a value of each type.
FIELDS: dict[ValueType, str] = {
    "BOOL": "bool_value",
    "INT64": "int64_value",
    "DOUBLE": "double_value",
    "STRING": "string_value",
    "DISTRIBUTION": "distribution_value",
}

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Series:
    """One time series.

    Attributes:
        project: whose it is.
        metric: its type, e.g. `aiplatform.googleapis.com/prediction/online/error_count`.
        metric_labels: sorted pairs; see `labels`.
        resource: the monitored resource's type.
        resource_labels: sorted pairs.
        kind: what a point's value is about: a moment, the time since the point before, or since the start.
        value_type: of its values.
    """

    project: str
    metric: str
    metric_labels: Labels
    resource: str
    resource_labels: Labels
    kind: Kind
    value_type: ValueType

    def __hash__(self) -> int:
        """Reckoned once: every point that is written looks its series up."""
        found: int | None = self.__dict__.get("_hash")
        if found is None:
            found = self.__dict__["_hash"] = hash((self.project, self.metric, self.metric_labels, self.resource_labels))
        return found


class Point(NamedTuple):
    """A value and its time, in microseconds since 1970."""

    start: int
    end: int
    value: Value


def labels(values: Mapping[str, str]) -> Labels:
    """Labels in the order in which equal ones are equal."""
    return tuple(sorted(values.items()))


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)

"""Typed query parameters from Python values."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from gcpmlops.exceptions import InvalidArgument

_TYPES: tuple[tuple[type, str], ...] = (  # in this order: a bool is an int, a datetime a date
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (str, "STRING"),
    (bytes, "BYTES"),
    (datetime.datetime, "DATETIME"),
    (datetime.date, "DATE"),
    (datetime.time, "TIME"),
    (decimal.Decimal, "NUMERIC"),
)


def parameters_of(parameters: Mapping[str, Any] | Sequence[Any] | None) -> list[Any]:
    """Google's query parameters: named for a mapping, positional for a sequence. Raises InvalidArgument."""
    if parameters is None:
        return []
    if isinstance(parameters, Mapping):
        return [_parameter(name, value) for name, value in parameters.items()]
    return [_parameter(None, value) for value in parameters]


def _parameter(name: str | None, value: Any) -> Any:
    from google.cloud import bigquery

    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return bigquery.ScalarQueryParameter(name, value[0].upper(), value[1])
    if isinstance(value, list):
        kind = type_of(value[0], name) if value else "STRING"
        return bigquery.ArrayQueryParameter(name, kind, value)
    return bigquery.ScalarQueryParameter(name, type_of(value, name), value)


def type_of(value: Any, name: str | None) -> str:
    """The GoogleSQL type of a Python value. Raises InvalidArgument, for None too: its type has to be said."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return "TIMESTAMP"
    for kind, sql in _TYPES:
        if isinstance(value, kind):
            return sql
    raise InvalidArgument(
        f"parameter {name or ''}: no BigQuery type follows from {value!r}",
        field=f"parameters.{name}" if name else "parameters",
        value=value,
        allowed='("TYPE", value), such as ("INT64", None)',
    )

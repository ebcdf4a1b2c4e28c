"""Rows of predictions and outcomes as they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gcpmlops.exceptions import InvalidArgument

PREDICTIONS = {
    "key": "STRING REQUIRED",
    "predicted_at": "TIMESTAMP REQUIRED",
    "model": "STRING",
    "version": "STRING",
    "score": "FLOAT",
    "label": "STRING",
    "instance": "STRING",
}
OUTCOMES = {"key": "STRING REQUIRED", "outcome": "STRING REQUIRED", "observed_at": "TIMESTAMP REQUIRED"}


def rows_of(source: Any) -> list[Mapping[str, Any]]:
    """Of a DataFrame, or mappings. Raises InvalidArgument."""
    found = source.to_dict("records") if hasattr(source, "to_dict") else list(source)
    if not found or not all(isinstance(each, Mapping) for each in found):
        raise InvalidArgument("there are no rows", field="rows", allowed="a DataFrame, or mappings, at least one")
    return found


def prediction(row: Mapping[str, Any], number: int, *, model: str, version: str, now: datetime) -> dict[str, Any]:
    """One row of the table; what has no column goes into the instance. Raises InvalidArgument."""
    score, label = _number(row.get("score"), number), row.get("label")
    if score is None and label is None:
        raise _error(number, "score", None, "a score, a label, or both")
    rest = {key: plain(value) for key, value in row.items() if key not in PREDICTIONS}
    given = row.get("instance")
    instance = {**(dict(given) if isinstance(given, Mapping) else {}), **rest}
    return {
        "key": _key(row.get("key"), number),
        "predicted_at": _time(row.get("predicted_at") or now, number, "predicted_at"),
        "model": str(row.get("model") or model),
        "version": str(row.get("version") or version),
        "score": score,
        "label": None if label is None else str(label),
        "instance": given if isinstance(given, str) else json.dumps(instance, default=str),
    }


def outcome(row: Mapping[str, Any], number: int, *, names: tuple[str, str, str], now: datetime) -> dict[str, Any]:
    """One row of the table; `names` are those of key, outcome and time. Raises InvalidArgument."""
    key, what, when = names
    value = plain(row.get(what))
    if value is None or value != value:  # NaN is no outcome either
        raise _error(number, what, row.get(what), "what happened: a number, a text, true or false")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    moment = row.get(when)
    return {
        "key": _key(row.get(key), number),
        "outcome": text,
        "observed_at": _time(now if moment is None or moment != moment else moment, number, when),
    }


def checked(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All of them, made before the first is written."""
    return list(rows)


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item() if hasattr(value, "item") else value


def _key(value: Any, number: int) -> str:
    value = plain(value)
    if value is None or value != value or str(value) == "":
        raise _error(number, "key", value, "what identifies the instance")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(value: Any, number: int) -> float | None:
    value = plain(value)
    if value is None:
        return None
    if isinstance(value, (int, float)) and value == value and abs(value) != float("inf"):
        return float(value)
    raise _error(number, "score", value, "a finite number")


def _time(value: Any, number: int, field: str) -> str:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as exc:
            raise _error(number, field, value, "2026-01-31T12:00:00+00:00") from exc
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _error(number, field, value, "a datetime with its time zone")
    return value.isoformat()


def _error(number: int, field: str, value: Any, allowed: str) -> InvalidArgument:
    return InvalidArgument(f"rows[{number}]: {field} is {value!r}", field=field, value=value, allowed=allowed)

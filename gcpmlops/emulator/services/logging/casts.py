"""Values that a query computes from fields: ``cast(field, TYPE)`` and ``regexp_extract(field, "pattern")``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf import duration_pb2, timestamp_pb2

from gcpmlops.emulator.kernel import filters
from gcpmlops.emulator.kernel.filters import comparing, fields

nanoseconds = comparing.nanoseconds
text = comparing.text


def cast(arguments: Sequence[Any]) -> filters.Getter:
    """``cast(field, INT64)``; what can't be converted has no value. Raises ValueError."""
    if len(arguments) not in (2, 3) or not isinstance(arguments[1], str):
        raise ValueError("expected a field, a type and, for times, a zone")
    get, kind = _getter(arguments[0]), arguments[1].upper()
    if kind not in _CASTS:
        raise ValueError(f"there is no type {arguments[1]!r} (here: {', '.join(_CASTS)})")
    convert = _CASTS[kind] if len(arguments) == 2 else _in_zone(kind, arguments[2])

    def values(message: Any) -> Iterator[Any]:
        for value in get(message):
            try:
                yield convert(value)
            except (ValueError, TypeError):
                continue

    return values


def regexp_extract(arguments: Sequence[Any]) -> filters.Getter:
    """The first match's group, or the match where the pattern has none. Raises ValueError."""
    if len(arguments) != 2 or not isinstance(arguments[1], str):
        raise ValueError("expected a field and a pattern")
    get, pattern = _getter(arguments[0]), compiled(arguments[1])

    def values(message: Any) -> Iterator[str]:
        for value in get(message):
            found = pattern.search(text(value)) if value is not None else None
            if found is not None:
                yield found[1 if pattern.groups else 0] or ""

    return values


def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression. Raises ValueError."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def _getter(argument: Any) -> filters.Getter:
    if callable(argument):
        getter: filters.Getter = argument
        return getter
    path = filters.path_of(argument)
    return lambda message: fields.values(message, path)


def _boolean(value: Any) -> bool:
    known = {"true": True, "false": False, "1": True, "0": False}
    if text(value).lower() not in known:
        raise ValueError(f"{value!r} is no BOOL")
    return known[text(value).lower()]


def _timestamp(value: Any) -> timestamp_pb2.Timestamp:
    if isinstance(value, timestamp_pb2.Timestamp):
        return value
    moment = timestamp_pb2.Timestamp()
    moment.FromNanoseconds(nanoseconds(text(value)))
    return moment


def _duration(value: Any) -> duration_pb2.Duration:
    if isinstance(value, duration_pb2.Duration):
        return value
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(comparing.duration_nanoseconds(text(value)))
    return duration


def _in_zone(kind: str, name: Any) -> Callable[[Any], Any]:
    """Times without an offset are of that zone."""
    try:
        zone = ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name!r}") from None
    if kind != "TIMESTAMP":
        raise ValueError(f"a zone has no meaning for {kind}")

    def convert(value: Any) -> timestamp_pb2.Timestamp:
        if not isinstance(value, str):
            return _timestamp(value)
        moment = datetime.fromisoformat(value)
        return _timestamp((moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat())

    return convert


_CASTS: Mapping[str, Callable[[Any], Any]] = {
    "STRING": text,
    "INT64": lambda value: int(text(value)),
    "FLOAT64": lambda value: float(text(value)),
    "BOOL": _boolean,
    "TIMESTAMP": _timestamp,
    "DURATION": _duration,
}

"""Durations as people write them: timedelta, seconds, or text such as 90s, 10m, 24h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeAlias

from gcpmlops.exceptions import InvalidArgument

Duration: TypeAlias = "timedelta | float | str"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_ALLOWED = "a timedelta, a number of seconds, or text such as 90s, 10m, 24h, 7d"


def seconds_of(value: Duration, *, field: str) -> float:
    """The seconds. Raises InvalidArgument for what is not a duration of 0 or more."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        match = _TEXT.fullmatch(value.strip().lower())
        seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else -1.0
    else:
        number: object = value  # callers without a type checker give anything
        seconds = float(number) if isinstance(number, (int, float)) and not isinstance(number, bool) else -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidArgument(f"{field}: {value!r} is not a duration", field=field, value=value, allowed=_ALLOWED)
    return seconds


def spoken(seconds: float) -> str:
    """In the largest fitting unit: 45 s, 10 min, 1.5 h, 3 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"

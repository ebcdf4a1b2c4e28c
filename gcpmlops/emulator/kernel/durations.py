"""Durations and times as people write them: ``90s``, ``1d12h``; ``2013-07-01T00:00:00Z``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from google.api_core import exceptions

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def duration(text: str) -> timedelta:
    """``90s``, ``15m``, ``2h``, ``1d``, ``2w``, or several of them together.

    Raises: InvalidArgument for anything else, and for nothing at all.
    """
    compact = text.strip().lower().replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise exceptions.InvalidArgument(
            f"{text!r} is not a duration. Write 90s, 15m, 2h, 1d, 2w, or several of them: 1d12h."
        )
    try:
        found = timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise exceptions.InvalidArgument(f"{text!r} is longer than any calendar.") from None
    if not found:
        raise exceptions.InvalidArgument(f"{text!r} is no time at all.")
    return found


def moment(text: str) -> datetime:
    """An RFC 3339 time; a date alone, or a time without a zone, is in UTC.

    Raises: InvalidArgument; for a time before 1970 too, when no computer's clock has begun.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise exceptions.InvalidArgument(
            f"{text!r} is not a time. Write 2013-07-01T00:00:00Z, or a date alone: 2013-07-01."
        ) from None
    if found < _FIRST:
        raise exceptions.InvalidArgument(f"{text!r} is before 1970.")
    return found

"""Windows of time: calendar units, or a length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gcpmlops._durations import seconds_of
from gcpmlops.exceptions import InvalidArgument

UNITS = ("hour", "day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_FIRST_MONDAY = 4 * 86400  # January 5, 1970
_FIXED = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class Window:
    """A calendar unit, or so many seconds counted from 1970; neither: all of the time is one."""

    unit: str = ""
    seconds: int = 0

    @classmethod
    def of(cls, text: str) -> Window:
        """From a unit, or a length such as 7d. Raises InvalidArgument."""
        if not text or text in UNITS:
            return cls(unit=text)
        try:
            seconds = int(seconds_of(text, field="window"))
        except InvalidArgument as exc:
            allowed = f"{', '.join(UNITS)}, or a length such as 7d"
            raise InvalidArgument(f"window {text!r}", field="window", value=text, allowed=allowed) from exc
        if seconds < 60:
            raise InvalidArgument(f"window {text!r}", field="window", value=text, allowed="at least a minute")
        return cls(seconds=seconds)

    def sql(self, moment: str) -> str:
        """The start of the window that a moment is in."""
        if self.unit == "week":  # from Monday: WEEK of BigQuery begins on Sunday
            return _whole(moment, int(_FIXED["week"].total_seconds()), after=_FIRST_MONDAY)
        if self.unit:
            return f"TIMESTAMP_TRUNC({moment}, {self.unit.upper()})"
        if self.seconds:
            return _whole(moment, self.seconds)
        return "CAST(NULL AS TIMESTAMP)"

    def end(self, start: datetime) -> datetime:
        """Where the window of this start ends."""
        if self.unit in _MONTHS:
            months = start.year * 12 + start.month - 1 + _MONTHS[self.unit]
            return start.replace(year=months // 12, month=months % 12 + 1)
        return start + (_FIXED[self.unit] if self.unit else timedelta(seconds=self.seconds))


def _whole(moment: str, seconds: int, *, after: int = 0) -> str:
    return f"TIMESTAMP_SECONDS(DIV(UNIX_SECONDS({moment}) - {after}, {seconds}) * {seconds} + {after})"

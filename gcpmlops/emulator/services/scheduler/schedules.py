"""When a job is due: unix-cron and App Engine's English schedules, on the wall clock of a time zone.

A wall time that daylight saving skips does not come, and one that it repeats comes twice: Cloud Scheduler documents
that it goes by the wall clock, and recommends UTC for whom that matters.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.scheduler import english

_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_FIELD = {
    name: re.compile(rf"(?:(?:\*|{value}(?:-{value})?)(?:/\d+)?)(?:,(?:\*|{value}(?:-{value})?)(?:/\d+)?)*", re.I)
    for name, value in (
        ("minute", r"\d+"),
        ("hour", r"\d+"),
        ("day of the month", r"\d+"),
        ("month", rf"(?:\d+|{_MONTHS})"),
        ("day of the week", rf"(?:\d+|{_DAYS})"),
    )
}
_FAR = timedelta(hours=4)  # no zone's clock was ever set by more; a wall time this far from a change is plain
_MINUTE = timedelta(minutes=1)


class Schedule(Protocol):
    """Moments, all aware, in UTC."""

    def next(self, after: datetime) -> datetime:
        """The first moment after ``after``.

        Raises: InvalidArgument where there is none.
        """
        ...


@lru_cache(maxsize=1024)
def parse(schedule: str, time_zone: str) -> Schedule:
    """A job's schedule. Raises: InvalidArgument naming the field that can't be."""
    zone = zone_of(time_zone)
    text = " ".join(schedule.split())
    if not text:
        raise invalid("schedule", "required, but missing.")
    if english.is_english(text):
        rule = english.parse(text)
        found: Schedule = rule if isinstance(rule, english.Interval) else WallClock(rule.walls, zone)
    else:
        found = WallClock(_cron(text), zone)
    return found


def zone_of(name: str) -> tzinfo:
    """A zone of the tz database; empty and "utc" are UTC. Raises: InvalidArgument."""
    if not name or name.lower() == "utc":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name is an OSError
        rule = "a name of the tz database, such as Europe/Berlin or Etc/UTC"
        raise invalid("time_zone", f"{name!r} is unknown; expected {rule}.") from None


class WallClock:
    """Wall times in a zone, as moments.

    Args:
        walls: naive wall times after a given one, in order.
    """

    def __init__(self, walls: Callable[[datetime], Iterator[datetime]], zone: tzinfo) -> None:
        self._walls = walls
        self._zone = zone

    def next(self, after: datetime) -> datetime:
        wall = after.astimezone(self._zone).replace(tzinfo=None)
        if self._is_plain(after):
            for candidate in self._walls(wall):
                moment = candidate.replace(tzinfo=self._zone).astimezone(UTC)
                if self._is_plain(moment):
                    return moment
                break
        return self._near_a_change(after, wall)

    def _near_a_change(self, after: datetime, wall: datetime) -> datetime:
        best: datetime | None = None
        for candidate in self._walls(wall - _FAR):
            if best is not None and candidate - _FAR > best.astimezone(self._zone).replace(tzinfo=None):
                return best
            for moment in self._moments(candidate):
                if moment > after and (best is None or moment < best):
                    best = moment
        if best is None:
            raise invalid("schedule", "it never falls due.")
        return best

    def _moments(self, wall: datetime) -> Iterator[datetime]:
        """None for a wall time that is skipped, two for one that is repeated."""
        for fold in (0, 1):
            moment = wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)
            back = moment.astimezone(self._zone)
            if back.replace(tzinfo=None, fold=0) == wall and back.fold == fold:
                yield moment

    def _is_plain(self, moment: datetime) -> bool:
        if self._zone is UTC:
            return True
        offsets = {(moment + by).astimezone(self._zone).utcoffset() for by in (-_FAR, timedelta(0), _FAR)}
        return len(offsets) == 1


def _cron(text: str) -> Callable[[datetime], Iterator[datetime]]:
    fields = text.split()
    if len(fields) != len(_FIELD):
        raise invalid("schedule", f"{text!r} has {len(fields)} fields; unix-cron has five: {', '.join(_FIELD)}.")
    for (name, pattern), value in zip(_FIELD.items(), fields, strict=True):
        if not pattern.fullmatch(value):
            raise invalid("schedule", f"{text!r}: {value!r} can't be the {name}.")
    try:
        parsed = CronSim(text, datetime(2000, 1, 1))
        next(copy.copy(parsed))
    except CronSimError as error:
        raise invalid("schedule", f"{text!r}: {_lower(str(error))}.") from None
    except StopIteration:
        raise invalid("schedule", f"{text!r} never falls due.") from None

    def walls(after: datetime) -> Iterator[datetime]:
        following = copy.copy(parsed)
        following.dt = after.replace(microsecond=0)
        return following

    return walls


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

"""App Engine's English schedules: ``every 5 minutes``, ``every monday 09:00``, ``2nd,third mon of march 17:00``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gcpmlops.emulator.kernel.validate import invalid

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_ORDINALS = {
    "1st": 1,
    "first": 1,
    "2nd": 2,
    "second": 2,
    "3rd": 3,
    "third": 3,
    "4th": 4,
    "fourth": 4,
    "5th": 5,
    "fifth": 5,
}
_TIME = r"([01]?\d|2[0-3]):([0-5]\d)"
_INTERVAL = re.compile(
    rf"every (\d+) (hours?|mins?|minutes?)(?: (?:(synchronized)|from {_TIME} to {_TIME}))?", re.IGNORECASE
)
_AT = re.compile(rf"(every|[\w,]+) (?:([a-z,]+) )?(?:of ([a-z,]+) )?{_TIME}", re.IGNORECASE)
_HORIZON = timedelta(days=366 * 9)  # a fifth Sunday of February comes every 28 years at worst: never, for a schedule
_DAY = timedelta(days=1)


def is_english(text: str) -> bool:
    """Whether it is meant as one: cron has neither these words nor a colon."""
    return ":" in text or re.match(r"every\b|" + "|".join(_ORDINALS), text, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Interval:
    """So long after the run before."""

    every: timedelta

    def next(self, after: datetime) -> datetime:
        return after + self.every


@dataclass(frozen=True)
class Window:
    """Every so often on each day, from one wall time on until another."""

    every: timedelta
    start: time
    end: time

    def walls(self, after: datetime) -> Iterator[datetime]:
        day = datetime.combine(after.date(), self.start) - _DAY
        length = timedelta(hours=self.end.hour - self.start.hour, minutes=self.end.minute - self.start.minute)
        if length < timedelta(0):
            length += _DAY  # past midnight
        while True:
            for step in range(length // self.every + 1):
                if (wall := day + step * self.every) > after:
                    yield wall
            day += _DAY


@dataclass(frozen=True)
class At:
    """One wall time on certain days."""

    at: time
    ordinals: frozenset[int]  # of the weekday in the month
    weekdays: frozenset[int]
    days: frozenset[int]  # of the month, instead of the two above
    months: frozenset[int]

    def walls(self, after: datetime) -> Iterator[datetime]:
        day = after.date()
        end = day + _HORIZON
        while day < end:
            if day.month in self.months and self._fits(day.day, day.weekday()):
                wall = datetime.combine(day, self.at)
                if wall > after:
                    yield wall
                    end = day + _HORIZON
            day += _DAY

    def _fits(self, day: int, weekday: int) -> bool:
        if self.days:
            return day in self.days
        return weekday in self.weekdays and (not self.ordinals or (day + 6) // 7 in self.ordinals)


def parse(text: str) -> Interval | Window | At:
    """Raises: InvalidArgument."""
    if match := _INTERVAL.fullmatch(text):
        return _interval(text, match)
    match = _AT.fullmatch(text)
    if match is None:
        raise _unknown(text)
    return _at(text, match)


def _interval(text: str, match: re.Match[str]) -> Interval | Window:
    number, unit, synchronized, *window = match.groups()
    every = timedelta(hours=int(number)) if unit.lower().startswith("h") else timedelta(minutes=int(number))
    if not timedelta(0) < every <= timedelta(days=366):
        raise invalid("schedule", f"{text!r}: every {number} {unit} can't be.")
    if synchronized:
        return Window(every, time(0), time(23, 59))
    if window[0] is None:
        return Interval(every)
    start_hour, start_minute, end_hour, end_minute = map(int, window)
    return Window(every, time(start_hour, start_minute), time(end_hour, end_minute))


def _at(text: str, match: re.Match[str]) -> At:
    which, days, months, hour, minute = match.groups()
    in_months = _indices(months, _MONTHS, text, 1) if months and months.lower() != "month" else frozenset(range(1, 13))
    at = time(int(hour), int(minute))
    if re.fullmatch(r"\d+(,\d+)*", which) and days is None:
        numbers = frozenset(map(int, which.split(",")))
        if not numbers <= set(range(1, 32)):
            raise invalid("schedule", f"{text!r}: a month has the days 1 to 31.")
        return At(at, frozenset(), frozenset(), numbers, in_months)
    if days is None:
        raise _unknown(text)
    weekdays = frozenset(range(7)) if days.lower() in ("day", "days") else _indices(days, _DAYS, text, 0)
    if which.lower() == "every":
        return At(at, frozenset(), weekdays, frozenset(), in_months)
    words = which.lower().split(",")
    if any(word not in _ORDINALS for word in words):
        raise _unknown(text)
    ordinals = frozenset(_ORDINALS[word] for word in words)
    if days.lower() in ("day", "days"):  # "1st day of month"
        return At(at, frozenset(), frozenset(), ordinals, in_months)
    return At(at, ordinals, weekdays, frozenset(), in_months)


def _indices(words: str, known: tuple[str, ...], text: str, base: int) -> frozenset[int]:
    found = set()
    for word in words.lower().split(","):
        index = next((n for n, name in enumerate(known) if len(word) >= 3 and name.startswith(word)), None)
        if index is None:
            raise invalid("schedule", f"{text!r}: {word!r} is neither a day nor a month that can stand there.")
        found.add(index + base)
    return frozenset(found)


def _unknown(text: str) -> Exception:
    forms = "'0 9 * * 1' (unix-cron), 'every 5 minutes', 'every monday 09:00' or '1st,third mon of march 17:00'"
    return invalid("schedule", f"{text!r} is no schedule. Write {forms}.")

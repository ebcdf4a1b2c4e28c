"""Schedules against an independent computation: every five minutes of the year, seen on the zone's own clock."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.services.scheduler import schedules

YEAR = datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
# north and south of the equator, half an hour, changes at midnight, none
ZONES = ("America/New_York", "Europe/Berlin", "Australia/Sydney", "Australia/Lord_Howe", "America/Havana", "Asia/Tokyo")


def _field(text, low, high):
    """The values of one cron field, computed anew."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            start, end = low, high
        else:
            start, _, end = span.partition("-")
            start, end = int(start), int(end or start)
        found |= set(range(start, end + 1, int(step or 1)))
    return found


@cache
def wall_clock(zone):
    """Every fifth minute of the year, and what clocks of the zone show then."""
    count, step, tz = (YEAR[1] - YEAR[0]) // timedelta(minutes=5), timedelta(minutes=5), ZoneInfo(zone)
    moments = [YEAR[0] + n * step for n in range(count)]
    return [(moment, moment.astimezone(tz)) for moment in moments]


def brute_force(cron, zone):
    minutes, hours, days, months, weekdays = cron.split()
    sets = (
        _field(minutes, 0, 59),
        _field(hours, 0, 23),
        _field(days, 1, 31),
        _field(months, 1, 12),
        _field(weekdays, 0, 7),
    )
    assert all(minute % 5 == 0 for minute in sets[0])
    either = not days.startswith("*") and not weekdays.startswith("*")
    for moment, wall in wall_clock(zone):
        if wall.minute in sets[0] and wall.hour in sets[1] and wall.month in sets[3]:
            in_month, in_week = wall.day in sets[2], wall.isoweekday() % 7 in {day % 7 for day in sets[4]}
            if in_month or in_week if either else in_month and in_week:
                yield moment


def walked(schedule, zone):
    parsed, moment = schedules.parse(schedule, zone), YEAR[0] - timedelta(seconds=1)
    while (moment := parsed.next(moment)) < YEAR[1]:
        yield moment


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        *product(["30 2 * * *", "15 0-3 * * *"], ZONES),
        ("0 9 * * 1-5", "Europe/Berlin"),
        ("0 0 1,15 * 1", "America/New_York"),
        ("*/20 1,2 * 3,10,11 7", "America/New_York"),
        ("55 23 31 12 *", "Europe/Berlin"),
    ],
)
def test_a_year_of_wall_clock(cron, zone):
    expected = list(brute_force(cron, zone))
    assert list(walked(cron, zone)) == expected
    assert expected


def test_changes_of_the_clock_as_documented():
    """What is skipped does not come, what is repeated comes twice."""
    in_gap = [f"{moment:%m-%d %H:%M}" for moment in walked("30 2 * * *", "America/New_York")]
    assert len(in_gap) == 364
    assert not [text for text in in_gap if text.startswith("03-10")]
    repeated = [
        text for moment in walked("30 1 * * *", "America/New_York") if (text := f"{moment:%m-%d %H:%M}")[:5] == "11-03"
    ]
    assert repeated == ["11-03 05:30", "11-03 06:30"]


@pytest.mark.parametrize(
    ("text", "zone", "first"),
    [
        ("every 5 minutes", "", "01-01 00:05"),
        ("every 24 hours", "", "01-02 00:00"),
        ("every 12 hours synchronized", "", "01-01 12:00"),
        ("every 30 mins from 10:00 to 10:45", "Europe/Berlin", "01-01 09:00"),
        ("every monday 09:00", "America/New_York", "01-07 14:00"),
        ("every day 00:00", "utc", "01-02 00:00"),
        ("2nd,third mon,wed of march 17:00", "", "03-11 17:00"),
        ("first sunday of month 03:30", "", "01-06 03:30"),
        ("1 of jan,april,july 04:00", "", "01-01 04:00"),
        ("1st monday of sep,oct,nov 17:00", "", "09-02 17:00"),
    ],
)
def test_english(text, zone, first):
    assert f"{schedules.parse(text, zone).next(YEAR[0]):%m-%d %H:%M}" == first


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "missing"),
        ("* * * *", "4 fields"),
        ("0 * * * * *", "6 fields"),
        ("61 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day-of-month"),
        ("0 0 30 2 *", "day-of-month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day-of-week"),
        ("0 0 L * *", "'L' can't be the day of the month"),
        ("*/0 * * * *", "minute"),
        ("@daily", "fields"),
        ("0 0 * * mon#2", "can't be the day of the week"),
        ("every blue moon", "no schedule"),
        ("every 0 minutes", "can't be"),
        ("every someday 09:00", "someday"),
        ("32 of march 09:00", "1 to 31"),
        ("30 of feb 09:00", "never"),
    ],
)
def test_what_can_not_be(text, why):
    with pytest.raises(exceptions.InvalidArgument, match=why):
        schedules.parse(text, "Europe/Berlin").next(YEAR[0])


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe", "CET+1x"])
def test_unknown_zone(zone):
    with pytest.raises(exceptions.InvalidArgument, match="time_zone"):
        schedules.parse("* * * * *", zone)

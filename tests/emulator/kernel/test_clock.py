import json
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.kernel import clock_file, durations
from gcpmlops.emulator.kernel.clock import TravelClock

THEN = datetime(2013, 7, 1, tzinfo=UTC)
CLOSE = timedelta(seconds=5)


def test_frozen_set_run():
    clock = TravelClock()
    clock.freeze()
    stood = clock.now()
    assert clock.now() == stood
    clock.set(THEN)
    assert (clock.now(), clock.frozen) == (THEN, THEN)
    clock.run()
    assert clock.frozen is None
    assert timedelta(0) <= clock.now() - THEN < CLOSE


def test_seconds_until():
    clock = TravelClock(frozen=THEN)
    assert clock.seconds_until(THEN + CLOSE) is None
    assert clock.seconds_until(THEN) == 0
    clock.run()
    assert 0 < clock.seconds_until(THEN + CLOSE) <= 5


def test_a_hold_is_no_freeze():
    clock = TravelClock()
    clock.hold()
    assert clock.state.is_held
    clock.release()
    assert clock.frozen is None
    clock.freeze()
    clock.hold()
    clock.release()
    assert clock.frozen is not None


def test_an_emulator_that_starts_again_goes_on_from_there(tmp_path):
    clock = clock_file.load(tmp_path)
    clock_file.ClockFile(tmp_path, clock)
    clock.set(THEN)
    assert timedelta(0) <= clock_file.load(tmp_path).now() - THEN < CLOSE
    clock.hold()
    clock.set(THEN + CLOSE)  # killed on a journey: it ran before, so it runs again
    assert clock_file.load(tmp_path).frozen is None
    clock.release()
    clock.freeze()
    assert clock_file.load(tmp_path).frozen == clock.now()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"offset_seconds": 1e300, "frozen": null}', '{"offset_seconds": 0, "frozen": 5}']
)
def test_a_broken_file_is_real_time(tmp_path, text):
    (tmp_path / clock_file.NAME).write_text(text)
    assert abs(clock_file.load(tmp_path).now() - datetime.now(UTC)) < CLOSE
    assert json.dumps(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), ("2w", 1209600), ("1d 12h", 129600), ("0.5h", 1800)],
)
def test_durations(text, seconds):
    assert durations.duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "1", "d", "1x", "-1d", "1d2", "one day", "1d;", "0s", "1e9w", "99999999999999w"])
def test_what_is_no_duration(text):
    with pytest.raises(exceptions.InvalidArgument, match=r"duration|no time|calendar"):
        durations.duration(text)


def test_moments():
    assert durations.moment("2013-07-01T00:00:00Z") == durations.moment("2013-07-01") == THEN
    assert durations.moment("2013-07-01T02:00:00+02:00") == THEN
    with pytest.raises(exceptions.InvalidArgument, match="is not a time"):
        durations.moment("July")
    with pytest.raises(exceptions.InvalidArgument, match="before 1970"):
        durations.moment("0001-01-01")

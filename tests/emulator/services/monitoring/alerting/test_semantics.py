"""Conditions against a judge who looks at every minute anew, with all points at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.services.monitoring.alerting.conftest import MINUTE, START, absence, running, threshold

LIMIT, AUTO_CLOSE, LENGTH = 5, 30, 90  # minutes
Points = Mapping[int, float]  # by minute
points = st.dictionaries(st.integers(0, 40), st.sampled_from([1.0, 4.0, 6.0, 9.0]), max_size=25)


def judged(told: Points, *, duration: int, period: int, missing: str) -> Iterator[tuple[int, bool]]:
    """Minute by minute: whether the condition on a mean is met."""
    since: int | None = None
    met = False
    for minute in range(LENGTH):
        window = [value for at, value in told.items() if minute - period < at <= minute]
        seen = [at for at in told if at <= minute]
        if window:
            violates = sum(window) / len(window) > LIMIT
            since = (minute if since is None else since) if violates else None
            met = violates and since is not None and (met or minute - since >= duration)
        elif seen and minute - max(seen) >= 2 * period:
            if missing == "ACTIVE":
                since = max(seen) if since is None else since
                met = met or minute - since >= duration
            elif missing == "INACTIVE" or not met:
                since, met = None, False
        yield minute, met


def incidents(met: Iterator[tuple[int, bool]], told: Points, patience: int) -> list[tuple[int, int | None]]:
    """Openings and closings; one that lacks data for too long closes, and new data are needed for another."""
    found: list[list[int | None]] = []
    spent = -1
    for minute, is_met in met:
        last = max(at for at in told if at <= minute) if is_met else 0
        is_open = bool(found) and found[-1][1] is None
        if is_open and is_met and minute >= max(last, found[-1][0] or 0) + patience:
            found[-1][1], spent = minute, last
        elif is_open and not is_met:
            found[-1][1] = minute
        elif not is_open and is_met and last > spent:
            found.append([minute, None])
    return [(opened or 0, closed) for opened, closed in found]


@contextmanager
def emulated() -> Iterator[Any]:
    with TemporaryDirectory() as folder, running(Path(folder)) as run:
        yield run


def played(condition: Mapping[str, Any], told: Points) -> list[tuple[float, float | None]]:
    """The same points, each written at its time while the clock travels on; nobody looks in between."""
    with emulated() as run:
        run.create(condition, alert_strategy={"auto_close": {"seconds": AUTO_CLOSE * 60}})
        for minute, value in sorted(told.items()):
            run.agenda.at(START + minute * MINUTE, lambda value=value: run.write_quietly(value), name="writer")
        run.agenda.travel(START + (LENGTH - 1) * MINUTE, patience=30)
        found: list[tuple[float, float | None]] = run.history()
        return found


@pytest.mark.parametrize("missing", ["NO_OP", "INACTIVE", "ACTIVE"])
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(told=points, duration=st.sampled_from([1, 2, 5]), period=st.sampled_from([1, 3]))
def test_thresholds(missing: str, told: Points, duration: int, period: int) -> None:
    fields = {"evaluation_missing_data": f"EVALUATION_MISSING_DATA_{missing}"}
    condition = threshold(LIMIT, duration * 60, period=period * 60, **fields)
    expected = judged(told, duration=duration, period=period, missing=missing)
    patience = AUTO_CLOSE + (1440 if missing == "ACTIVE" else 0)
    assert played(condition, told) == incidents(expected, told, patience)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(told=points, duration=st.sampled_from([2, 5, 12]))
def test_absence(told: Points, duration: int) -> None:
    def met() -> Iterator[tuple[int, bool]]:
        for minute in range(LENGTH):
            seen = [at for at in told if at <= minute]
            yield minute, bool(seen) and minute - max(seen) >= duration

    assert played(absence(duration * 60), told) == incidents(met(), told, AUTO_CLOSE)


def test_the_clock_is_moved_in_one_go_or_in_many(tmp_path: Path) -> None:
    told = {0: 9.0, 1: 9.0, 2: 9.0, 5: 1.0, 9: 9.0, 10: 9.0, 11: 9.0}
    condition = threshold(LIMIT, 60)
    with running(tmp_path) as run:
        run.create(condition, alert_strategy={"auto_close": {"seconds": AUTO_CLOSE * 60}})
        for minute in range(LENGTH):
            if minute in told:
                run.write(told[minute])
            run.agenda.travel(run.now + timedelta(seconds=60))
        assert played(condition, told) == run.history()

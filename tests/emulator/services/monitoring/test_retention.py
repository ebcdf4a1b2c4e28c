"""How long points stay, on a clock that is moved by months."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.retention import Retention
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros
from gcpmlops.emulator.state.store import Store

from .conftest import START

MINUTE = 60_000_000
T0 = micros(START)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "state.db", now=lambda: START)
    yield made
    made.close()


@pytest.fixture
def agenda() -> Iterator[Agenda]:
    pool = ThreadPoolExecutor(2)
    made = Agenda(TravelClock(frozen=START), pool)
    yield made
    made.close()
    pool.shutdown()


def read(points: Points) -> list[Any]:
    """Minutes and values, oldest first."""
    found = Reading(points).lines("p1", 'metric.type = "m"', 0, 2**60)
    return [((p.end - T0) / MINUTE, p.value) for line in found for p in reversed(line.points)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("GAUGE", [(10, 10), (20, 20)]), ("DELTA", [(10, 55), (20, 155)]), ("CUMULATIVE", [(10, 10), (20, 20)])],
)
def test_one_point_for_ten_minutes_after_six_weeks_none_after_two_years(
    store: Store, agenda: Agenda, kind: Any, expected: list[Any], packed: bool
) -> None:
    points = Points(store)
    Retention(store, agenda, points)
    own = Series("p1", "m", (), "global", labels({"project_id": "p1"}), kind, "INT64")
    starts = {"GAUGE": lambda n: n * MINUTE, "DELTA": lambda n: (n - 1) * MINUTE, "CUMULATIVE": lambda _: 0}[kind]
    points.add([(own, Point(T0 + starts(n), T0 + n * MINUTE, n)) for n in range(1, 21)])
    if packed:
        points.pack()
    agenda.travel(START + timedelta(weeks=6))
    assert len(read(points)) == 20
    points.add([(own, Point(micros(START + timedelta(weeks=6)) - MINUTE, micros(START + timedelta(weeks=6)), 1))])
    agenda.travel(START + timedelta(weeks=7, minutes=1))
    assert read(points)[:-1] == expected
    assert read(points)[-1][1] == 1
    agenda.travel(START + timedelta(days=725))
    assert len(read(points)) == 3
    agenda.travel(START + timedelta(days=745))
    assert [value for _, value in read(points)] == [1]
    assert agenda.travel(START + timedelta(days=1000)) < 40
    assert read(points) == []
    assert agenda.travel(START + timedelta(days=2000)) == 0


def test_a_later_process_goes_on(store: Store, agenda: Agenda) -> None:
    own = Series("p1", "m", (), "global", labels({"project_id": "p1"}), "GAUGE", "STRING")
    Points(store).add([(own, Point(T0 + n * MINUTE, T0 + n * MINUTE, str(n))) for n in range(1, 31)])
    points = Points(store)
    Retention(store, agenda, points).start()
    agenda.travel(START + timedelta(weeks=8))
    assert read(points) == [(10, "10"), (20, "20"), (30, "30")]

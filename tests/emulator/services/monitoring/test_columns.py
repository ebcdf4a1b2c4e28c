"""Points in columns: what is packed is read, changed and thinned as before; what is acknowledged survives a kill."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros
from gcpmlops.emulator.state.store import Store

from .conftest import START

SECOND = 1_000_000
T0 = micros(START)
TEXT = 'metric.type = "custom.googleapis.com/m"'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "state.db", now=lambda: START)
    yield made
    made.close()


def series(kind: Any = "GAUGE", value_type: Any = "DOUBLE", number: int = 0) -> Series:
    own, resource = labels({"n": str(number)}), labels({"project_id": "p1"})
    return Series("p1", "custom.googleapis.com/m", own, "global", resource, kind, value_type)


def at(second: float, value: Any, length: float = 0) -> Point:
    end = T0 + int(second * SECOND)
    return Point(end - int(length * SECOND), end, value)


def read(points: Points) -> dict[str, list[Any]]:
    """Seconds and values of each series, oldest first."""
    found = Reading(points).lines("p1", TEXT, 0, 2**60)
    return {
        line.series.metric_labels[0][1]: [((p.end - T0) / SECOND, p.value) for p in reversed(line.points)]
        for line in found
    }


@pytest.mark.parametrize("value_type", ["DOUBLE", "INT64", "BOOL", "STRING"])
def test_packed_points_are_as_they_were(store: Store, value_type: str) -> None:
    make: Any = {"DOUBLE": lambda n: n / 3, "INT64": lambda n: -n, "BOOL": lambda n: n % 2 == 0, "STRING": str}[
        value_type
    ]
    points, expected = Points(store), {}
    for number in range(3):
        own = [at(10 * n, make(n)) for n in range(1, 5000 if number == 0 else 50)]
        points.add([(series("GAUGE", value_type, number), point) for point in own])
        expected[str(number)] = [((p.end - T0) / SECOND, p.value) for p in own]
    points.pack()
    assert read(points) == expected
    points.add([(series("GAUGE", value_type, 1), at(1000, make(7)))])
    expected["1"].append((1000.0, make(7)))
    assert read(points) == expected
    points.pack()
    assert read(Points(store)) == expected
    assert points.newest(series("GAUGE", value_type, 1)) == (T0 + 1000 * SECOND,) * 2


def test_points_between_and_over_packed_ones(store: Store) -> None:
    points, own = Points(store), series()
    points.add([(own, at(second, float(second))) for second in range(0, 100, 10)])
    points.pack()
    points.add([(own, at(50, -1.0)), (own, at(55, -2.0))])
    expected = {float(second): float(second) for second in range(0, 100, 10)} | {50.0: -1.0, 55.0: -2.0}
    assert read(points) == {"0": sorted(expected.items())}
    points.pack()
    assert read(points) == {"0": sorted(expected.items())}


def test_deltas_are_packed_once_they_are_an_hour_old_by_the_minute(store: Store) -> None:
    points, own = Points(store), series("DELTA", "INT64")
    points.add([(own, at(second, 1, length=1)) for second in range(1, 2 * 3600 + 1)])
    points.pack()
    (found,) = read(points).values()
    assert sum(value for _, value in found) == 2 * 3600
    assert found[0] == (60.0, 60)
    assert found[-1] == (7200.0, 1)
    points.add([(own, at(60, 5, length=1))])  # late, into what is packed
    assert read(points)["0"][0] == (60.0, 65)


def test_random_writes_with_packing_in_between(store: Store) -> None:
    numbers, points, expected = random.Random(3), Points(store), {}
    for _ in range(40):
        batch = [(series(number=numbers.randrange(3)), at(numbers.randrange(500), numbers.random())) for _ in range(20)]
        points.add(batch)
        for own, point in batch:
            expected[own.metric_labels[0][1], (point.end - T0) / SECOND] = point.value
        if numbers.random() < 0.4:
            points.pack()
    found = {(name, second): value for name, own in read(points).items() for second, value in own}
    assert found == expected


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    program = """
import sys
from tests.emulator.services.monitoring.test_columns import *
points = Points(Store(Path(sys.argv[1]), now=lambda: START))
for second in range(10**6):
    points.add([(series(number=n), at(second, float(second))) for n in range(2)])
    if second % 50 == 49:
        points.pack()
    print(second, flush=True)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "state.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = next(number for number in map(int, child.stdout) if number >= 120)
        child.kill()
        told = max([told, *map(int, child.stdout.read().split())])
    store = Store(tmp_path / "state.db", now=lambda: START)
    found = read(Points(store))
    store.close()
    for own in found.values():
        assert own[: told + 1] == [(float(second), float(second)) for second in range(told + 1)]
        assert len(own) <= told + 2

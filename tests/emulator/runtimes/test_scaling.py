"""How many replicas a load needs: numbers in, numbers out; no time passes."""

from __future__ import annotations

import pytest

from gcpmlops.emulator.runtimes import scaling
from gcpmlops.emulator.runtimes.scaling import Autoscaler, Capacity, Load, Scaling, Targets

BOUNDS = Scaling(1, 5)


def idle() -> Load:
    return Load(cpu=0, in_flight=0, requests_per_minute=0)


def decisions(loads: list[Load], bounds: Scaling = BOUNDS) -> list[int]:
    """The number of replicas after each half second of load."""
    autoscaler, size, found = Autoscaler(), bounds.minimum, []
    for at, load in enumerate(loads):
        size = autoscaler.decide(at / 2, size, load, bounds)
        found.append(size)
    return found


@pytest.mark.parametrize(
    ("load", "targets", "size"),
    [
        (Load(cpu=1.0, in_flight=1, requests_per_minute=0), Targets(), 2),  # one core, 60 % each
        (Load(cpu=1.0, in_flight=1, requests_per_minute=0), Targets(cpu=0.25), 4),
        (Load(cpu=0.65, in_flight=1, requests_per_minute=0), Targets(), 1),  # near enough
        (Load(cpu=0.0, in_flight=12, requests_per_minute=0), Targets(), 3),  # they wait
        (Load(cpu=0.1, in_flight=1, requests_per_minute=900), Targets(requests_per_minute=300), 3),
        (Load(cpu=40.0, in_flight=99, requests_per_minute=0), Targets(), 5),  # the maximum
    ],
)
def test_more_replicas_after_a_second_of_load(load: Load, targets: Targets, size: int) -> None:
    assert decisions([load] * 4, Scaling(1, 5, targets=targets)) == [1, 1, size, size]


def test_a_moment_of_load_changes_nothing() -> None:
    busy = Load(cpu=2, in_flight=9, requests_per_minute=0)
    assert set(decisions([idle(), busy, idle(), busy, idle()])) == {1}


def test_fewer_replicas_after_a_quiet_minute() -> None:
    busy = Load(cpu=1.2, in_flight=2, requests_per_minute=0)
    found = decisions([busy] * 6 + [idle()] * 130)
    quiet = int(scaling.IN_SECONDS * 2)
    assert found[5:quiet] == [2] * (quiet - 5)
    assert found[-1] == 1
    assert 5 + quiet <= found.index(1, 6) <= 7 + quiet


def test_bounds_that_were_raised_hold_without_load() -> None:
    assert decisions([idle()] * 4, Scaling(3, 3)) == [3, 3, 3, 3]
    assert Autoscaler().decide(0, 1, idle(), Scaling(2, 4)) == 1  # after a second:
    autoscaler = Autoscaler()
    assert [autoscaler.decide(at, 1, idle(), Scaling(2, 4)) for at in (0, 1.0)] == [1, 2]


def test_the_machine_has_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    capacity = Capacity(3)
    assert [capacity.take(2), capacity.take(2), capacity.take(1)] == [2, 1, 0]
    capacity.give_back(2)
    monkeypatch.setattr(scaling, "RESERVE_BYTES", 1 << 60)
    assert capacity.take(1) == 0

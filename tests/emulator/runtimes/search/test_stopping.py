"""The three rules of early stopping, on curves that rise to a plateau."""

import math

import pytest

from gcpmlops.emulator.runtimes.search.stopping import Convex, decay_curve, median


def curve(plateau: float, steps: int = 20, rate: float = 0.3) -> list[tuple[float, float]]:
    return [(step, plateau * (1 - math.exp(-rate * step))) for step in range(1, steps + 1)]


COMPLETED = [curve(plateau) for plateau in (0.6, 0.7, 0.75, 0.8, 0.82, 0.85, 0.9)]


@pytest.mark.parametrize("steps", [3, 10])
def test_median(steps: int) -> None:
    assert median(curve(0.3, steps), COMPLETED)
    assert not median(curve(0.9, steps), COMPLETED)
    assert not median(curve(0.3, steps), [])
    assert not median([], COMPLETED)
    later = [[(x + 100, score) for x, score in other] for other in COMPLETED]
    assert not median(curve(0.3, steps), later)  # nobody had measured anything at that step


def test_median_compares_with_running_averages() -> None:
    completed = [[(1, 0.0), (2, 1.0)]]
    assert not median([(1, 0.5), (2, 0.4)], completed)  # not below the average, 0.5
    assert median([(1, 0.49), (2, 0.4)], completed)


@pytest.mark.parametrize("steps", [3, 6, 12])
def test_decay_curve(steps: int) -> None:
    assert decay_curve(curve(0.3, steps), COMPLETED)
    assert not decay_curve(curve(0.92, steps), COMPLETED)
    assert not decay_curve(curve(0.3, steps), COMPLETED[:1])  # too little to learn from
    assert not decay_curve(curve(0.3, 20), COMPLETED)  # at its end
    assert not decay_curve([], COMPLETED)


def test_decay_curve_of_equal_curves() -> None:
    same = [[(1, 0.5), (2, 0.5)]] * 3
    assert not decay_curve([(1, 0.5)], same)


def test_convex() -> None:
    rule = Convex(max_x=20)
    end, score = rule.predicted(curve(0.3, 8), COMPLETED)
    assert end == 20
    assert score == pytest.approx(0.3, abs=0.03)
    assert rule.predicted(curve(0.9, 8), COMPLETED) is None
    assert rule.predicted(curve(0.3, 4), COMPLETED) is None  # too few measurements
    assert rule.predicted(curve(0.3, 8), COMPLETED[:5]) is None  # too few completed trials
    assert Convex(max_x=20, min_x=8).predicted(curve(0.3, 8), COMPLETED) is None
    assert rule.predicted([(step, 0.1) for step in range(1, 9)], COMPLETED) is None  # flat
    assert Convex().predicted(curve(0.3, 8), COMPLETED) == (end, score)  # the maximum is learnt
    assert Convex(max_x=20, min_measurements=2).predicted(curve(0.1, 4), COMPLETED[-3:]) is not None

"""The search engine alone: spaces, suggestions, the best of observations."""

import math
import random

import pytest

from gcpmlops.emulator.runtimes.search.search import Goal, Observation, Search
from gcpmlops.emulator.runtimes.search.space import (
    Categorical,
    Condition,
    Discrete,
    Double,
    Integer,
    choose,
    key,
    nodes,
    points,
    size,
)

MODEL = Categorical(
    "model",
    ("linear", "tree"),
    conditions=(
        Condition(("linear",), Double("c", 0.1, 10, "LOG")),
        Condition(("tree",), Integer("depth", 2, 12, conditions=(Condition((2, 3), Discrete("share", (0.5, 1.0))),))),
    ),
)
SPACE = (Double("rate", 1e-4, 1, "LOG"), Integer("units", 1, 64), MODEL)
FINITE = (Discrete("batch", (16, 32, 64)), Categorical("kind", ("a", "b")))
ACCURACY = [Goal("accuracy")]


def run(search: Search, count: int, objective) -> list[Observation]:
    observations: list[Observation] = []
    for _ in range(count):
        (point,) = search.suggest(1, observations)
        observations.append(Observation(point, {"accuracy": objective(point)}))
    return observations


@pytest.mark.parametrize("algorithm", ["DEFAULT", "RANDOM"])
def test_points_lie_in_the_space_and_follow_from_seed_and_observations(algorithm) -> None:
    search = Search(SPACE, ACCURACY, algorithm, seed=1)
    observations = run(search, 20, lambda point: -abs(math.log10(point["rate"]) + 2))
    for each in observations:
        nodes(SPACE, each.parameters)
        assert ("c" in each.parameters) == (each.parameters["model"] == "linear")
        assert ("share" in each.parameters) == (each.parameters.get("depth") in (2, 3))
    assert search.suggest(3, observations) == search.suggest(3, observations)
    assert Search(SPACE, ACCURACY, algorithm, seed=2).suggest(1, []) != search.suggest(1, [])


def test_the_model_learns() -> None:
    def loss(point):
        return -((math.log10(point["rate"]) + 2) ** 2) - (point["model"] == "tree")

    best = {}
    for algorithm in ("DEFAULT", "RANDOM"):
        ends = []
        for seed in range(2):
            search = Search(SPACE, ACCURACY, algorithm, seed)
            observations = run(search, 25, loss)
            ends.append(sum(each.values["accuracy"] for each in observations[15:]))
        best[algorithm] = sum(ends)
    assert best["DEFAULT"] > best["RANDOM"]


def test_infeasible_trials_are_learnt_from() -> None:
    search = Search((Double("x", 0, 1),), ACCURACY, seed=3)
    observations: list[Observation] = []
    for _ in range(25):
        (point,) = search.suggest(1, observations)
        values = None if point["x"] > 0.4 else {"accuracy": -abs(point["x"] - 0.25)}
        observations.append(Observation(point, values))
    assert sum(each.values is None for each in observations[12:]) < 5  # 8 of 13 would be chance
    assert math.isclose(observations[search.best(observations)].parameters["x"], 0.25, abs_tol=0.1)


def test_a_grid_is_walked_once() -> None:
    search = Search((*FINITE, MODEL.conditions[1].parameter), ACCURACY, "GRID")
    assert size(search.space) == 6 * (2 * 2 + 9)
    everything = search.suggest(1000, [])
    assert len({key(point) for point in everything}) == len(everything) == size(search.space)
    assert everything == list(points(search.space))
    assert search.suggest(1, [Observation(point) for point in everything]) == []
    assert search.suggest(2, [Observation(everything[1])]) == [everything[0], everything[2]]
    with pytest.raises(TypeError, match="rate"):
        Search(SPACE, ACCURACY, "GRID").suggest(1, [])


@pytest.mark.parametrize("algorithm", ["DEFAULT", "RANDOM"])
def test_a_finite_space_is_tried_out_before_points_come_again(algorithm) -> None:
    observations = run(Search(FINITE, ACCURACY, algorithm), 6, lambda point: point["batch"])
    assert len({key(each.parameters) for each in observations}) == 6
    assert len(Search(FINITE, ACCURACY, algorithm).suggest(1, observations)) == 1
    assert Search(FINITE, ACCURACY, algorithm, repeats=False).suggest(1, observations) == []


def test_what_comes_again_is_what_the_model_would_look_at() -> None:
    observations = run(Search(FINITE, ACCURACY), 6, lambda point: point["batch"] + (point["kind"] == "a"))
    again = [Search(FINITE, ACCURACY, seed=seed).suggest(1, observations)[0] for seed in range(6)]
    assert sum(point == {"batch": 64, "kind": "a"} for point in again) > 3


def test_defaults_come_first() -> None:
    space = (
        Double("a", 1, 100, "LOG", default=7.0),
        Double("b", 1, 100, "LOG"),
        Discrete("c", (1, 2, 5), default=4.2),
        Categorical("d", ("x", "y"), default="y", conditions=(Condition(("y",), Integer("e", 0, 9, default=8)),)),
    )
    (first,) = Search(space, ACCURACY).suggest(1, [])
    assert first == {"a": 7.0, "b": pytest.approx(10), "c": 5, "d": "y", "e": 8}
    two = Search(space, ACCURACY).suggest(2, [])
    assert two[0] == first != two[1]


def test_scales() -> None:
    def share(parameter, low: float) -> float:
        draw = random.Random(0)
        return sum(parameter.at(draw.random()) < low for _ in range(2000)) / 2000

    assert share(Double("x", 1, 100), 10) == pytest.approx(0.09, abs=0.03)
    assert share(Double("x", 1, 100, "LOG"), 10) == pytest.approx(0.5, abs=0.04)
    assert share(Double("x", 1, 100, "REVERSE_LOG"), 91) == pytest.approx(0.5, abs=0.04)
    assert share(Integer("n", 1, 100, "LOG"), 10) == pytest.approx(0.55, abs=0.05)
    assert {Integer("n", 3, 5).at(i / 100) for i in range(101)} == {3, 4, 5}
    for scale in ("LINEAR", "LOG", "REVERSE_LOG"):
        for parameter in (Double("x", 0.1, 3, scale), Integer("n", 1, 3, scale)):
            assert parameter.at(0) == pytest.approx(parameter.min)
            assert parameter.at(1) == pytest.approx(parameter.max)
            search = Search((parameter,), ACCURACY)
            for each in run(search, 14, lambda point: next(iter(point.values()))):
                nodes((parameter,), each.parameters)


def test_the_same_id_under_other_values_is_another_parameter() -> None:
    parent = Categorical(
        "p", ("a", "b"), conditions=(Condition(("a",), Integer("x", 0, 9)), Condition(("b",), Double("x", 50, 60)))
    )
    for each in run(Search((parent,), ACCURACY), 15, lambda point: point["x"]):
        low, high = (0, 9) if each.parameters["p"] == "a" else (50, 60)
        assert low <= each.parameters["x"] <= high


def test_the_best_and_the_pareto_front() -> None:
    observations = [
        Observation({}, {"up": 1, "down": 1}),
        Observation({}, {"up": 3, "down": 3}),
        Observation({}, {"up": 2, "down": 4}),
        Observation({}, {"up": 2, "down": 2}),
        Observation({}, {"up": math.nan, "down": 0}),
        Observation({}, None),
        Observation({}, active=True),
    ]
    up, down = Goal("up"), Goal("down", maximize=False)
    assert Search((), [up]).best(observations) == 1
    assert Search((), [up]).optimal(observations) == [1]
    assert Search((), [down]).best(observations[:4]) == 0
    assert Search((), [up, down]).optimal(observations) == [0, 1, 3]
    assert Search((), [up]).best(observations[4:]) is None
    assert Search((), [up]).optimal(observations[4:]) == []
    safe = Goal("down", maximize=False, safe_threshold=2.5)
    assert Search((), [up, safe]).best(observations) == 3


def test_several_objectives_and_bounds_are_searched() -> None:
    goals = [Goal("up"), Goal("down", maximize=False), Goal("cost", maximize=False, safe_threshold=0.5)]
    search = Search((Double("x", 0, 1), Double("y", 0, 1)), goals, seed=5)
    observations: list[Observation] = []
    for _ in range(30):
        (point,) = search.suggest(1, observations)
        x, y = point["x"], point["y"]
        observations.append(Observation(point, {"up": x, "down": x * x + y, "cost": y}))
    late = [each.parameters["y"] for each in observations[15:]]
    assert sum(y <= 0.5 for y in late) > len(late) * 0.6
    assert search.optimal(observations)


def test_fixed_values_are_kept() -> None:
    for algorithm in ("DEFAULT", "RANDOM"):
        search = Search(SPACE, ACCURACY, algorithm)
        for point in search.suggest(3, [], {"units": 7, "model": "tree"}):
            assert (point["units"], point["model"]) == (7, "tree")
            assert "depth" in point
    assert {point["kind"] for point in Search(FINITE, ACCURACY, "GRID").suggest(9, [], {"kind": "b"})} == {"b"}


def test_choose_asks_only_for_what_exists() -> None:
    asked = []

    def pick(name, parameter):
        asked.append(name)
        return parameter.at(0.0)

    choose(SPACE, pick)
    assert asked == ["rate", "units", "model", "model/0/c"]
    with pytest.raises(LookupError, match="depth"):
        nodes((MODEL,), {"model": "linear", "c": 1.0, "depth": 3})
    with pytest.raises(LookupError, match="'c'"):
        nodes((MODEL,), {"model": "linear", "c": 11.0})

"""The Gaussian-process sampler on its own: what it suggests in all kinds of studies."""

import math
import statistics

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from gcpmlops.emulator.runtimes.search.acquisition import log_improvement, log_improvement_with_slope
from gcpmlops.emulator.runtimes.search.coding import Coding
from gcpmlops.emulator.runtimes.search.descent import minimize
from gcpmlops.emulator.runtimes.search.gp import GaussianProcessSampler
from gcpmlops.emulator.runtimes.search.process import Prior, Processes, fit
from gcpmlops.emulator.runtimes.search.warping import warped

CUBE = {f"x{i}": FloatDistribution(0, 1) for i in range(3)}
MIXED = {
    "rate": FloatDistribution(1e-5, 1, log=True),
    "share": FloatDistribution(0, 1, step=0.1),
    "units": IntDistribution(1, 1000, log=True),
    "depth": IntDistribution(3, 9, step=2),
    "kind": CategoricalDistribution(("a", None, 3)),
}


@pytest.fixture(autouse=True)
def quiet():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def bowl(params) -> float:
    return sum((value - 0.3) ** 2 for value in params.values())


def search(space, objective, trials: int, sampler=None, **study_options) -> optuna.Study:
    study = optuna.create_study(sampler=sampler or GaussianProcessSampler(seed=0), **study_options)
    for _ in range(trials):
        trial = study.ask(space)
        study.tell(trial, objective(trial.params))
    return study


def filled(space, values, **study_options) -> optuna.Study:
    """A study of random points that were given these values."""
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0), **study_options)
    rng = np.random.default_rng(0)
    for value in values:
        params = {name: float(rng.random()) for name in space}
        study.add_trial(create_trial(params=params, distributions=space, value=value))
    return study


def branin(params) -> float:
    x, y = 15 * params["x"] - 5, 15 * params["y"]
    bend = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def test_it_beats_random_search_and_comes_close_to_the_minimum():
    space = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    ours = [search(space, branin, 20, GaussianProcessSampler(seed=seed)).best_value for seed in range(4)]
    random = [search(space, branin, 20, RandomSampler(seed=seed)).best_value for seed in range(4)]
    assert statistics.median(ours) < 0.6 < statistics.median(random)


def test_the_same_seed_suggests_the_same():
    first, again, other = (search(CUBE, bowl, 9, GaussianProcessSampler(seed=seed)) for seed in (1, 1, 2))
    assert [t.params for t in first.trials] == [t.params for t in again.trials] != [t.params for t in other.trials]


def test_a_new_sampler_goes_on_where_another_one_stopped():
    whole = search(CUBE, bowl, 9)
    resumed = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
    resumed.add_trials(whole.trials[:8])
    assert resumed.ask(CUBE).params == whole.trials[8].params


def test_without_a_seed_samplers_differ():
    studies = [search(CUBE, bowl, 3, GaussianProcessSampler()) for _ in range(2)]
    assert studies[0].trials[2].params != studies[1].trials[2].params


def test_the_direction_is_respected():
    study = search({"x": FloatDistribution(-2, 2)}, lambda p: -((p["x"] - 1) ** 2), 14, direction="maximize")
    assert study.best_params["x"] == pytest.approx(1, abs=0.05)


def test_bounds_steps_and_choices_are_kept():
    def objective(params) -> float:
        return -math.log(params["rate"]) + params["share"] + params["units"] + params["depth"] + (params["kind"] == 3)

    study = search(MIXED, objective, 20)
    for params in (trial.params for trial in study.trials):
        assert 1e-5 <= params["rate"] <= 1
        assert 0 <= params["share"] <= 1
        assert params["share"] * 10 == pytest.approx(round(params["share"] * 10))
        assert isinstance(params["units"], int)
        assert 1 <= params["units"] <= 1000
        assert params["depth"] in {3, 5, 7, 9}
        assert params["kind"] in {"a", None, 3}
    best = study.best_params
    assert (best["depth"], best["units"]) == (3, 1)
    assert best["kind"] != 3


def test_a_finite_space_is_tried_out_before_points_come_again():
    space = {"n": IntDistribution(0, 3), "flag": CategoricalDistribution((True, False))}
    study = search(space, lambda p: abs(p["n"] - 2) + p["flag"], 14)
    values = [(t.params["n"], t.params["flag"]) for t in study.trials]
    assert len(set(values)) == 8
    assert study.best_params == {"n": 2, "flag": False}


@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 8,
        [math.inf, 1.0, 2.0, -math.inf, 3.0, 1.0, math.inf, 0.5],
        [1e308, -1e308, 0.0, 1e308, 5e307, 1.0, 2.0, 3.0],
        [1e-300 * i for i in range(8)],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ],
    ids=["constant", "infinite", "huge", "tiny", "one outlier"],
)
def test_degenerate_values(values):
    with np.errstate(all="raise", under="ignore"):
        params = filled(CUBE, values).ask(CUBE).params
    assert all(0 <= value <= 1 for value in params.values())


def test_the_same_point_again_and_again_with_different_values():
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
    same = dict.fromkeys(CUBE, 0.5)
    study.add_trials([create_trial(params=same, distributions=CUBE, value=float(i % 2)) for i in range(20)])
    assert study.ask(CUBE).params != same


def test_only_failures_so_far():
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
    for _ in range(8):
        study.tell(study.ask(CUBE), state=TrialState.FAIL)
    assert study.ask(CUBE).params.keys() == CUBE.keys()


def test_where_trials_fail_it_seldom_goes_again():
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
    space = {"x": FloatDistribution(0, 1)}
    for _ in range(20):
        trial = study.ask(space)
        if trial.params["x"] < 0.5:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, trial.params["x"])
    late = [trial.state for trial in study.trials[10:]]
    assert late.count(TrialState.FAIL) <= 4
    assert study.best_value == pytest.approx(0.5, abs=0.05)


def test_constraints_bound_the_search():
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
    for _ in range(18):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        trial.set_constraint("limit", trial.params["x"] - 0.5)
        study.tell(trial, -trial.params["x"])
    allowed = [t.params["x"] for t in study.trials if t.params["x"] <= 0.5]
    assert max(allowed) > 0.4


def test_pruned_trials_teach_their_last_value():
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
    space = {"x": FloatDistribution(0, 1)}
    for _ in range(14):
        trial = study.ask(space)
        trial.report((trial.params["x"] - 0.7) ** 2, step=3)
        study.tell(trial, state=TrialState.PRUNED)
    late = [trial.params["x"] for trial in study.trials[8:]]
    assert min(abs(x - 0.7) for x in late) < 0.01


def test_parallel_suggestions_are_apart():
    study = filled(CUBE, [float(i) for i in range(10)])
    points = np.array([list(study.ask(CUBE).params.values()) for _ in range(5)])
    gaps = np.abs(points[:, None] - points[None]).max(axis=2)
    assert gaps[~np.eye(5, dtype=bool)].min() > 0.01


def test_conditional_parameters_are_left_to_tpe():
    study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))

    def objective(trial) -> float:
        if trial.suggest_categorical("model", ["a", "b"]) == "a":
            return trial.suggest_float("of_a", 0, 1)
        return 1 + trial.suggest_float("of_b", 0, 1)

    study.optimize(objective, 16)
    assert study.best_params["model"] == "a"
    assert [t.params["model"] for t in study.trials[-6:]].count("a") >= 3


def test_several_objectives_spread_over_the_front():
    space = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    study = search(space, lambda p: (p["x"] + p["y"], (p["x"] - 1) ** 2 + p["y"]), 20, directions=["minimize"] * 2)
    front = [trial.params["x"] for trial in study.best_trials]
    assert min(front) < 0.2
    assert max(front) > 0.7


def test_parameters_of_one_value():
    space = {"x": FloatDistribution(0, 1), "only": CategoricalDistribution(("a",)), "one": IntDistribution(2, 2)}
    study = search(space, lambda p: p["x"], 8)
    assert {(t.params["only"], t.params["one"]) for t in study.trials} == {("a", 2)}


@pytest.mark.parametrize(("dimensions", "observations"), [(1, 1), (20, 30), (2, 320)])
def test_sizes(dimensions, observations):
    space = {f"x{i}": FloatDistribution(-1, 1) for i in range(dimensions)}
    params = filled(space, [math.sin(i) for i in range(observations)]).ask(space).params
    assert len(params) == dimensions
    assert all(-1 <= value <= 1 for value in params.values())


def test_the_widest_ranges():
    space = {"x": FloatDistribution(-8e307, 8e307), "n": IntDistribution(1 - 2**52, 2**52 - 1)}
    study = search(space, lambda p: abs(p["x"] / 8e307 - 0.5) + p["n"] / 2**52, 12)
    assert all(isinstance(trial.params["n"], int) and abs(trial.params["n"]) < 2**52 for trial in study.trials)
    assert study.best_value < 0


def test_a_running_trial_of_another_space_is_left_out():
    study = filled(CUBE, [float(i) for i in range(8)])
    study.ask(dict.fromkeys(CUBE, FloatDistribution(5, 6)))
    assert all(0 <= value <= 1 for value in study.ask(CUBE).params.values())


def test_coding_goes_there_and_back():
    coding = Coding(MIXED)
    params = {"rate": 0.01, "share": 0.3, "units": 30, "depth": 7, "kind": None}
    back = coding.decode(coding.encode(params))
    assert back == {**params, "rate": pytest.approx(0.01), "share": pytest.approx(0.3)}
    rows = coding.spread(50, np.random.default_rng(0))
    assert rows == pytest.approx(np.stack([coding.encode(coding.decode(row)) for row in rows]))


def test_slopes_are_those_of_the_values():
    rng = np.random.default_rng(0)
    points, groups = rng.random((12, 4)), np.array([0, 1, 2, 2])
    theta = rng.normal(size=(2, 5)) * 0.3 - 1
    processes = Processes(points, rng.normal(size=(2, 12)), groups, theta)
    rows = rng.random((3, 4))
    for best in ([0.0, 0.5], [-2.0, -3.0], [-40.0, -60.0]):
        value, slope = log_improvement_with_slope(processes, rows, np.array(best))
        assert value == pytest.approx(log_improvement(processes, rows, np.array(best)))
        for column in range(4):
            step = np.zeros(4)
            step[column] = 1e-6
            ahead = log_improvement(processes, rows + step, np.array(best))
            behind = log_improvement(processes, rows - step, np.array(best))
            assert (ahead - behind) / 2e-6 == pytest.approx(slope[:, column], rel=1e-3, abs=1e-3)


def test_fitting_finds_which_parameter_matters():
    points = np.random.default_rng(0).random((30, 2))
    found = fit(points, warped(np.sin(6 * points[:, 0])).targets[:1], np.arange(2), Prior.of(2, 0.5))
    length_scales = np.exp(found.theta[0, :2])
    assert 3 * length_scales[0] < length_scales[1]


def test_warps_keep_the_order():
    values = np.array([3.0, -1.0, 0.0, 250.0, 7.0])
    for targets in warped(values).targets:
        assert np.argsort(targets).tolist() == np.argsort(values).tolist()
        assert (targets.mean(), targets.std()) == (pytest.approx(0), pytest.approx(1))


def test_descent_stops_at_the_bounds():
    def valley(x):
        return 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2, np.stack(
            [-400 * x[:, 0] * (x[:, 1] - x[:, 0] ** 2) - 2 * (1 - x[:, 0]), 200 * (x[:, 1] - x[:, 0] ** 2)], axis=1
        )

    starts = np.array([[-1.0, 1.0], [0.0, 0.0]])
    free = minimize(valley, starts, np.full(2, -2.0), np.full(2, 2.0), steps=200, tolerance=1e-6, longest=1.0)
    bounded = minimize(valley, starts, np.full(2, -2.0), np.full(2, 0.5), steps=200, tolerance=1e-6, longest=1.0)
    assert free.points == pytest.approx(np.ones((2, 2)), abs=1e-4)
    assert bounded.points == pytest.approx(np.array([[0.5, 0.25]] * 2), abs=1e-4)

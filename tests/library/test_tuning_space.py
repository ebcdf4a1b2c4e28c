"""Search spaces and searches: what is checked before anything is sent, and the message that comes of them."""

import pytest

from gcpmlops import Categorical, Discrete, Double, Integer
from gcpmlops._tuning.space import check, samples, specs
from gcpmlops._tuning.spec import Search, tuning_job
from gcpmlops.exceptions import InvalidArgument

AUC = {"auc": "maximize"}


def test_every_kind_becomes_googles_message() -> None:
    space = {
        "rate": Double(1e-4, 0.3, scale="log", default=0.1),
        "depth": Integer(2, 10),
        "rows": Discrete([100, 10, 50], scale="reverse_log"),
        "booster": Categorical(["tree", "linear"], default="tree"),
    }
    rate, depth, rows, booster = specs(space)
    assert (rate.double_value_spec.min_value, rate.double_value_spec.default_value) == (1e-4, 0.1)
    assert rate.scale_type.name == "UNIT_LOG_SCALE"
    assert (depth.integer_value_spec.max_value, depth.scale_type.name) == (10, "UNIT_LINEAR_SCALE")
    assert list(rows.discrete_value_spec.values) == [10, 50, 100]  # the API wants them sorted
    assert rows.scale_type.name == "UNIT_REVERSE_LOG_SCALE"
    assert (list(booster.categorical_value_spec.values), booster.scale_type.name) == (
        ["tree", "linear"],
        "SCALE_TYPE_UNSPECIFIED",
    )


def test_conditions_nest() -> None:
    leaf = {"leaves": Integer(4, 64)}
    tree = {"depth": Integer(2, 10).when(range(8, 11), leaf), "rows": Discrete([1, 2]).when(2, {"seed": Integer(0, 9)})}
    space = {"booster": Categorical(["tree", "dart", "linear"]).when(["tree", "dart"], tree)}
    (booster,) = specs(space)
    depth, rows = booster.conditional_parameter_specs
    assert list(depth.parent_categorical_values.values) == ["tree", "dart"]
    (leaves,) = depth.parameter_spec.conditional_parameter_specs
    assert (leaves.parameter_spec.parameter_id, list(leaves.parent_int_values.values)) == ("leaves", [8, 9, 10])
    (seed,) = rows.parameter_spec.conditional_parameter_specs
    assert list(seed.parent_discrete_values.values) == [2.0]
    assert list(check(space)) == ["booster", "depth", "leaves", "rows", "seed"]
    assert samples(space) == {"booster": "tree", "depth": 2, "leaves": 4, "rows": 1, "seed": 0}
    assert str(samples({"rows": Discrete([2, 4])})["rows"]) == "2"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Double(0.3, 0.1), "min 0.3 is above max 0.1"),
        (lambda: Integer(5, 2), "min 5 is above max 2"),
        (lambda: Double(0, 1, scale="log"), "scale log needs values above 0, and min is 0"),
        (lambda: Discrete([-1, 2], scale="reverse_log"), "values above 0"),
        (lambda: Double(1, 2, scale="lin"), "scale 'lin' is not known"),
        (lambda: Double(float("nan"), 1), "min is nan"),
        (lambda: Double(0, float("inf")), "max is inf"),
        (lambda: Double("low", 1), "min is 'low'"),
        (lambda: Double(True, 2), "min is True"),
        (lambda: Integer(1.5, 3), "min is 1.5"),
        (lambda: Integer(1, 3, default=7), "default 7 is outside of 1 to 3"),
        (lambda: Discrete([]), r"values is \[\]"),
        (lambda: Discrete([1, 2, 1.0]), "1.0 stands twice"),
        (lambda: Categorical("tree"), "values is 'tree'"),
        (lambda: Categorical(["a", "a"]), "'a' stands twice"),
        (lambda: Categorical(["1", 2]), "2 is not text"),
        (lambda: Categorical(["a"], default="b"), "'b' is not one of the values"),
        (lambda: Categorical(["a"]).when("b", {"x": Integer(0, 1)}), "'b' is not one of the values"),
        (lambda: Integer(0, 3).when(4, {"x": Integer(0, 1)}), "4 is outside of 0 to 3"),
        (lambda: Integer(0, 3).when([], {"x": Integer(0, 1)}), "names no value"),
        (lambda: Integer(0, 3).when(1, {}), "holds no parameters"),
        (lambda: check({}), "the search space is empty"),
        (lambda: check({"a b": Integer(0, 1)}), "'a b' is not a parameter's name"),
        (lambda: check({"a": 3}), "3 is not a parameter"),
        (lambda: check({"a": Integer(0, 3).when(1, {"a": Integer(0, 1)})}), "'a' stands twice"),
    ],
)
def test_what_cannot_be_searched(make, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        make()
    assert caught.value.next_step.startswith("Allowed: ")


def test_a_search_becomes_googles_message() -> None:
    search = Search(
        {"depth": Integer(2, 10)},
        {"auc": "maximize", "seconds": "minimize"},
        max_trials=8,
        parallel_trials=2,
        max_failed_trials=3,
        algorithm="grid",
        early_stopping="median",
        early_stopping_by_time=True,
        measurement_selection="last",
    )
    job = tuning_job("search", search, None, labels={"team": "risk"})
    assert [(m.metric_id, m.goal.name) for m in job.study_spec.metrics] == [
        ("auc", "MAXIMIZE"),
        ("seconds", "MINIMIZE"),
    ]
    assert (job.max_trial_count, job.parallel_trial_count, job.max_failed_trial_count) == (8, 2, 3)
    assert job.study_spec.algorithm.name == "GRID_SEARCH"
    assert job.study_spec.median_automated_stopping_spec.use_elapsed_duration
    assert job.study_spec.measurement_selection_type.name == "LAST_MEASUREMENT"
    decay = Search({"depth": Integer(2, 10)}, AUC, early_stopping="decay_curve").study_spec()
    assert "decay_curve_stopping_spec" in decay
    assert decay.algorithm.name == "ALGORITHM_UNSPECIFIED"  # the service's Bayesian search


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": {}}, "no metric to search for"),
        ({"metrics": {"auc": "up"}}, "metrics.auc: 'up' is not known"),
        ({"metrics": {"the auc": "maximize"}}, "'the auc' is not a metric's name"),
        ({"max_trials": 0}, "max_trials is 0"),
        ({"max_trials": 2.5}, "max_trials is 2.5"),
        ({"max_trials": 2, "parallel_trials": 3}, "parallel_trials is 3"),
        ({"max_failed_trials": -1}, "max_failed_trials is -1"),
        ({"algorithm": "genetic"}, "algorithm: 'genetic' is not known"),
        ({"early_stopping": "soon"}, "early_stopping: 'soon' is not known"),
        ({"measurement_selection": "first"}, "measurement_selection: 'first' is not known"),
        ({"algorithm": "grid", "space": {"rate": Double(0, 1)}}, "a grid has no place for the Double rate"),
        ({"space": {}}, "the search space is empty"),
    ],
)
def test_what_is_no_search(settings, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Search(**{"space": {"depth": Integer(2, 10)}, "metrics": AUC, **settings})

"""What may be logged, and comparisons: without a service."""

import math
import sys

import numpy as np
import pytest

from gcpmlops import _google, exceptions
from gcpmlops._experiments import values
from gcpmlops._experiments.comparison import Comparison
from gcpmlops._experiments.runs import Run
from gcpmlops._experiments.series import Point


def test_plain_values() -> None:
    given = {"a": np.int64(3), "b": np.float32(0.5), "c": np.array([2.0]), "d": True, "e": "deep", "f": 2**53}
    found = values.check_params(given)
    assert found == {"a": 3, "b": 0.5, "c": 2.0, "d": True, "e": "deep", "f": 2**53}
    assert [type(each) for each in found.values()] == [int, float, float, bool, str, int]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"auc": math.nan}, r'auc is nan\nAllowed: a finite number; log it as text \(auc="nan"\)'),
        ({"auc": math.inf}, "auc is inf"),
        ({"auc": None}, "auc is a NoneType"),
        ({"auc": [1, 2]}, "auc is a list"),
        ({"auc": np.array([1, 2])}, "auc is a ndarray"),
        ({"n": 2**53 + 1}, "n is 9007199254740993"),
        ({"": 1}, "'' is not a name"),
        ({" auc": 1}, "' auc' is not a name"),
        ({3: 1}, "3 is not a name"),
        ([("auc", 1)], "a dict"),
    ],
)
def test_what_cannot_be_logged(metrics, message: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=message):
        values.check_metrics(metrics)


def test_points_of_series() -> None:
    found = values.check_points({"loss": np.float64(math.nan), "n": 3}, np.int64(0))
    assert math.isnan(found["loss"])
    assert found["n"] == 3.0
    for metrics, step in (({"loss": "low"}, 1), ({"loss": True}, 1), ({"loss": 1}, -1), ({"loss": 1}, 1.5)):
        with pytest.raises(exceptions.InvalidArgument):
            values.check_points(metrics, step)


def test_names() -> None:
    assert values.check_experiment("flights-1") == "flights-1"
    for name in ("Flights", "-x", "a_b", "", None, "x" * 129):
        with pytest.raises(exceptions.InvalidArgument, match="not an experiment's name"):
            values.check_experiment(name)
    assert values.check_run("flights", "deep-trees") == "deep-trees"
    with pytest.raises(exceptions.InvalidArgument, match="not a run's name"):
        values.check_run("flights", "Deep Trees")
    with pytest.raises(exceptions.InvalidArgument, match="is too long\nAllowed: 121 characters"):
        values.check_run("x" * 60, "y" * 61)
    with pytest.raises(exceptions.InvalidArgument, match="300,0"):
        values.check_size({"_params": {"text": "x" * 300_000}}, "run-1")


class Place:
    """Stands where time series are read."""

    def __init__(self, series: dict[str, dict[str, list[float]]]) -> None:
        self._series = series

    def series(self, run):
        points = self._series.get(run.display_name, {})
        read = {name: [Point(step, value, None) for step, value in enumerate(each)] for name, each in points.items()}
        return type("Series", (), {"read": lambda self: read})()


def runs(*given: dict, series: dict | None = None) -> list[Run]:
    place = Place(series or {})
    made = []
    for number, metadata in enumerate(given):
        context = _google.context.Context(
            display_name=f"run-{number}",
            schema_title="system.ExperimentRun",
            metadata={"_state": "COMPLETE", **metadata},
        )
        made.append(Run(context, "flights", place))
    return made


def test_a_comparison_as_a_table() -> None:
    chosen = runs(
        {"_params": {"depth": 3}, "_metrics": {"auc": 0.5}},
        {"_params": {"depth": 4, "kind": "<tree>"}, "_metrics": {"auc": 0.75, "n": 10}},
        series={"run-1": {"loss": [3, 2, 1]}},
    )
    comparison = Comparison("flights", chosen)
    frame = comparison.to_dataframe()
    assert list(frame.columns) == [
        "experiment_name", "run_name", "run_type", "state", "param.depth", "param.kind", "metric.auc", "metric.n",
        "time_series_metric.loss",
    ]  # fmt: skip
    assert frame["time_series_metric.loss"].tolist()[1] == 1
    assert "&lt;tree&gt;" in comparison._repr_html_()
    only = Comparison("flights", chosen, ("loss",)).check()
    assert "metric.auc" not in only.rows()[1]
    with pytest.raises(
        exceptions.InvalidArgument, match="no run of flights has the metric 'f1'\nAllowed: auc, loss, n"
    ):
        Comparison("flights", chosen, ("f1",)).check()
    assert list(Comparison("flights", []).to_dataframe().columns) == []


def test_pictures_of_many_and_of_few() -> None:
    metadata = [
        {"_params": {"depth": n, "kind": "ab"[n % 2], "same": 1}, "_metrics": {"auc": n / 10}} for n in range(4)
    ]
    series = {f"run-{n}": {"loss": [3, 2, 1 + n]} for n in range(4)}
    figure = Comparison("flights", runs(*metadata, series=series)).plot()
    parallel, *lines = figure.data
    assert [d.label for d in parallel.dimensions] == ["depth", "kind", "auc"]  # "same" says nothing
    assert list(parallel.dimensions[1].ticktext) == ["a", "b"]
    assert [line.name for line in lines] == ["run-0", "run-1", "run-2", "run-3"]
    assert list(lines[3].y) == [3, 2, 4]
    del metadata[0]["_params"]
    parallel, *_ = Comparison("flights", runs(*metadata)).plot().data
    depth, kind, _, _ = parallel.dimensions  # "same" is missing once now
    assert (list(depth["values"]), list(depth.ticktext)) == ([0.6, 1, 2, 3], ["none", "1", "3"])
    assert list(kind.ticktext) == ["", "a", "b"]
    bars = Comparison("flights", runs(*metadata[:2])).plot()
    assert (bars.data[0].type, list(bars.data[0].y)) == ("bar", [0, 0.1])


def test_nothing_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(exceptions.FailedPrecondition, match="has a metric that is a number"):
        Comparison("flights", runs({"_metrics": {"auc": "high"}})).plot()
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(exceptions.MissingExtra, match="needs plotly"):
        Comparison("flights", runs({"_metrics": {"auc": 1}})).plot()

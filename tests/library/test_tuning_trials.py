"""Trials as handles and tables, pictures of them, and why a search failed: all without a service."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gcpmlops import Categorical, Discrete, Double, Integer, _google, exceptions
from gcpmlops._tuning.failure import failure
from gcpmlops._tuning.spec import Search, tuning_job
from gcpmlops._tuning.watch import Watch, progress_line
from gcpmlops.tuning import TuningJob

SPACE = {
    "rate": Double(0.001, 1, scale="log"),
    "rows": Discrete([10, 50]),
    "booster": Categorical(["tree", "linear"]).when("tree", {"depth": Integer(2, 9)}),
}
START = datetime(2024, 1, 1, tzinfo=UTC)


def trial(number: int, auc: float | None, **parameters: object) -> object:
    types = _google.study
    found = types.Trial(
        id=str(number),
        state="INFEASIBLE" if auc is None else "SUCCEEDED",
        parameters=[{"parameter_id": name, "value": value} for name, value in parameters.items()],
        start_time=START,
        end_time=START + timedelta(seconds=number),
    )
    if auc is None:
        found.infeasible_reason = "The trial reported nan."
    else:
        metrics = [{"metric_id": "auc", "value": auc}, {"metric_id": "loss", "value": 1 - auc}]
        found.measurements = [types.Measurement(step_count=3, elapsed_duration=timedelta(seconds=2), metrics=metrics)]
        found.final_measurement = found.measurements[0]
    return found


@pytest.fixture
def job() -> TuningJob:
    search = Search(SPACE, {"auc": "maximize", "loss": "minimize"}, max_trials=12)
    proto = tuning_job("late <flights>", search, None, labels=None)
    proto.name, proto.state = "projects/p/locations/l/hyperparameterTuningJobs/7", "JOB_STATE_SUCCEEDED"
    proto.trials = [
        trial(10, 0.6, rate=0.5, rows=10.0, booster="linear"),
        trial(2, None, rate=0.1, rows=10.0, booster="linear"),
        *(trial(n, 0.5 + n / 100, rate=0.1 * n, rows=50.0, booster="tree", depth=float(n)) for n in range(3, 7)),
    ]
    return TuningJob(proto, None)


def test_a_trial(job: TuningJob) -> None:
    third = job.trials[1]
    assert [each.id for each in job.trials] == ["2", "3", "4", "5", "6", "10"]
    assert third.parameters == {"rate": pytest.approx(0.3), "rows": 50, "booster": "tree", "depth": 3}
    assert [type(third.parameters[name]) for name in ("rows", "depth")] == [int, int]  # as arguments they are whole
    assert (third.metrics, third.duration) == ({"auc": 0.53, "loss": 0.47}, 3.0)
    (measured,) = third.measurements
    assert (measured.step, measured.elapsed, measured.metrics["auc"]) == (3, 2.0, 0.53)
    assert str(third).startswith("trial 3 SUCCEEDED: auc 0.53, loss 0.47 (rate=0.3, rows=50, booster=tree, depth=3)")
    assert "The trial reported nan." in str(job.trials[0])


def test_the_best_of_each_metric(job: TuningJob) -> None:
    assert job.best().id == "10"
    assert job.best("loss").id == "10"
    assert job.goals == {"auc": "maximize", "loss": "minimize"}
    with pytest.raises(exceptions.InvalidArgument, match="'f1' is not searched for"):
        job.best("f1")
    job.proto.trials = [trial(1, None, rate=0.1)]
    with pytest.raises(exceptions.FailedPrecondition, match="no trial yet"):
        job.best()


def test_a_table(job: TuningJob) -> None:
    frame = job.trials.to_dataframe()
    assert list(frame.columns) == [
        "trial", "state", "param.rate", "param.rows", "param.booster", "param.depth", "metric.auc", "metric.loss",
        "duration",
    ]  # fmt: skip
    assert frame["metric.auc"].isna().tolist() == [True, False, False, False, False, False]
    assert "late &lt;flights&gt;" in job._repr_html_()
    assert "<td>0.53</td>" in job.trials._repr_html_()
    assert repr(job) == "TuningJob('late <flights>', 7, JOB_STATE_SUCCEEDED, 6/12 trials)"


def test_pictures(job: TuningJob) -> None:
    history = job.plot_history()
    assert list(history.data[0].x) == [2, 3, 4, 5, 6]  # the first failed, and keeps its number
    assert list(history.data[0].y) == pytest.approx([0.53, 0.54, 0.55, 0.56, 0.6])
    coordinates = job.plot_parallel_coordinates()
    assert list(coordinates.layout.xaxis.ticktext) == ["auc", "booster", "rate", "rows"]  # not all have a depth
    assert [len(line.x) for line in coordinates.data if line.mode == "lines"] == [4] * 5
    importances = job.plot_importances("loss")
    assert sum(importances.data[0].x) == pytest.approx(1)


def test_a_report_needs_no_network(job: TuningJob, tmp_path: Path) -> None:
    text = job.report(tmp_path / "report.html").read_text()
    assert text.count('<div id="figure-') == 3
    assert "late &lt;flights&gt;" in text
    assert "<flights>" not in text.replace("late \\u003cflights\\u003e", "")
    assert "<script src" not in text
    assert "<link" not in text
    with pytest.raises(exceptions.InvalidArgument, match="No such file"):
        job.report(tmp_path / "no" / "report.html")


def test_too_little_for_a_picture(job: TuningJob, tmp_path: Path) -> None:
    job.proto.trials = [trial(1, 0.5, rate=0.1, rows=10.0, booster="linear")]
    with pytest.raises(exceptions.FailedPrecondition, match="1 of 1 trials succeeded with auc; the plot needs 2"):
        job.plot_importances()
    assert "the plot needs 2" in job.report(tmp_path / "report.html").read_text()
    job.proto.trials = []
    with pytest.raises(exceptions.FailedPrecondition, match="0 of 0 trials"):
        job.plot_history()


def test_a_missing_package_is_named_with_its_extra(job: TuningJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        exceptions.MissingExtra, match=r"needs optuna.*\nInstall it with: pip install 'gcpmlops\[plots\]'"
    ):
        job.plot_history()


def test_why_a_search_failed(job: TuningJob) -> None:
    assert failure(job, lambda each: []) is None
    job.proto.state = "JOB_STATE_FAILED"
    job.proto.error = {"message": "Too many trials failed."}
    job.proto.trials = [trial(1, None, rate=0.1), trial(2, None, rate=0.2)]
    job.proto.trials[1].measurements = [{"step_count": 1, "metrics": [{"metric_id": "AUC", "value": 1}]}]
    error = failure(job, lambda each: [f"last words of {each.id}"])
    text = str(error)
    assert "ended JOB_STATE_FAILED: Too many trials failed.\n2 x The trial reported nan." in text
    assert "Searched for: auc, loss; reported: AUC." in text
    assert "    last words of 2\n" in text
    assert "gcpmlops tuning logs 7 --trial N" in text
    assert (type(error), error.cause) == (exceptions.JobFailed, "The trial reported nan.")


def test_a_cancelled_search(job: TuningJob) -> None:
    job.proto.state = "JOB_STATE_CANCELLED"
    error = failure(job, lambda each: ["unused"])
    assert (type(error), error.log_tail) == (exceptions.JobCancelled, ())


def test_each_trial_is_told_once(job: TuningJob) -> None:
    told: list[str] = []
    looks: list[TuningJob] = []
    watch = Watch(lambda trial, job: told.append(progress_line(trial, job)), looks.append)
    everything = list(job.proto.trials)
    job.proto.trials = everything[1:3]
    watch(job)
    watch(job)
    job.proto.trials = everything
    watch(job)
    assert len(looks) == 3
    assert [line.partition(":")[0] for line in told[:3]] == [
        "[2/12] trial 2 INFEASIBLE", "[2/12] trial 3 SUCCEEDED", "[6/12] trial 4 SUCCEEDED"
    ]  # fmt: skip
    assert [line.endswith(" *best") for line in told] == [False, True, False, False, False, True]
    assert not Watch()

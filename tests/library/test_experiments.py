"""client.experiments against the emulator, and beside Google's SDK."""

import math
from pathlib import Path

import pandas
import pytest

from gcpmlops import Client, exceptions


@pytest.fixture
def experiment(client: Client, unique):
    name = unique("flights")
    yield name
    if name in [each.name for each in client.experiments.list()]:
        client.experiments.delete(name)


def test_a_run(client: Client, experiment: str) -> None:
    with client.experiments.run(experiment, "deep-trees", params={"depth": 9}) as run:
        run.log_params({"kind": "tree"})
        run.log_metrics({"auc": 0.5, "n": 10})
        run.log_metric("auc", 0.75)
        for step in range(3):
            run.log_metric("loss", 1 / (step + 1), step=step)
        run.log_time_series({"loss": math.nan, "speed": 2})
        assert client.experiments.get_run(experiment, "deep-trees").state == "RUNNING"
    found = client.experiments.get_run(experiment, "deep-trees")
    assert (found.state, found.params) == ("COMPLETE", {"depth": 9, "kind": "tree"})
    assert found.metrics == {"auc": 0.75, "n": 10}
    loss = found.time_series["loss"]
    assert [point.step for point in loss] == [0, 1, 2, 3]
    assert (loss[1].value, math.isnan(loss[3].value)) == (0.5, True)
    assert [point.step for point in found.time_series["speed"]] == [3]
    assert found.series_dataframe()["loss"].tolist()[:2] == [1.0, 0.5]
    assert run.handle.proto.name == found.resource_name
    assert "deep-trees" in found._repr_html_()


def test_an_exception_ends_the_run_and_goes_on(client: Client, experiment: str) -> None:
    with pytest.raises(ZeroDivisionError):
        with client.experiments.run(experiment, "broken"):
            1 / 0  # noqa: B018
    assert client.experiments.get_run(experiment, "broken").state == "FAILED"
    with pytest.raises(SystemExit):
        with client.experiments.run(experiment, "left"):
            raise SystemExit(0)
    assert client.experiments.get_run(experiment, "left").state == "COMPLETE"


def test_an_exception_in_the_block_is_not_hidden_by_another(client: Client, experiment: str) -> None:
    run = client.experiments.run(experiment, "gone")
    client.experiments.delete_run(experiment, "gone")
    with pytest.raises(ZeroDivisionError):
        with run:
            1 / 0  # noqa: B018


def test_a_run_goes_on(client: Client, experiment: str) -> None:
    client.experiments.run(experiment, "first").log_metrics({"auc": 0.5})
    with pytest.raises(exceptions.AlreadyExists, match="resume=True"):
        client.experiments.run(experiment, "first")
    with client.experiments.run(experiment, "first", resume=True) as run:
        run.log_metrics({"f1": 0.25})
    assert client.experiments.get_run(experiment, "first").metrics == {"auc": 0.5, "f1": 0.25}
    run = client.experiments.run(experiment, "new", resume=True)
    assert run.end(state="CANCELLED").state == "CANCELLED"
    with pytest.raises(exceptions.InvalidArgument, match="state is 'DONE'"):
        run.end(state="DONE")


def test_two_writers_of_one_run(client: Client, experiment: str) -> None:
    one = client.experiments.run(experiment, "shared")
    other = client.experiments.run(experiment, "shared", resume=True)
    one.log_params({"a": 1})
    other.log_params({"b": 2})
    one.log_metrics({"c": 3})
    found = client.experiments.get_run(experiment, "shared")
    assert (found.params, found.metrics) == ({"a": 1, "b": 2}, {"c": 3})


def test_a_job_finds_its_run(client: Client, emulator, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = f"projects/{emulator.project}/locations/us-central1/metadataStores/default/contexts"
    client.experiments.run(experiment, "job-1")
    monkeypatch.setenv("AIP_EXPERIMENT_NAME", f"{contexts}/{experiment}")
    monkeypatch.setenv("AIP_EXPERIMENT_RUN_NAME", f"{contexts}/{experiment}-job-1")
    settings = {name: getattr(client.config, name) for name in ("project", "endpoint", "credentials_file")}
    with Client(**settings) as inside:
        with inside.experiments.run() as run:
            run.log_metrics({"auc": 1})
    assert client.experiments.get_run(experiment, "job-1").metrics == {"auc": 1}


def test_without_an_experiment(client: Client) -> None:
    with pytest.raises(exceptions.ConfigError, match="experiment"):
        client.experiments.run()


def test_artifacts_and_models(
    client: Client, staging: str, experiment: str, tmp_path: Path, google_environment
) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    model = sklearn.LinearRegression().fit([[0], [1]], [0, 1])
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "roc.txt").write_text("a curve")
    with client.experiments.run(experiment, "first") as run:
        run.log_metric("loss", 1, step=0)  # what leads to its time series is not shown as an artifact
        folder = run.log_artifact(tmp_path / "plots", metadata={"kind": "roc"})
        known = run.log_artifact("gs://some-bucket/data.csv", kind="system.Dataset")
        saved = run.log_model(model)
        run.log_model("gs://some-bucket/model", name="other")
    assert client.storage.read(f"{folder.uri.rstrip('/')}/roc.txt") == b"a curve"
    assert (folder.metadata, known.name, known.kind) == ({"kind": "roc"}, "data.csv", "system.Dataset")
    found = {each.name: each.kind for each in client.experiments.get_run(experiment, "first").artifacts}
    assert found == {
        "plots": "system.Artifact", "data.csv": "system.Dataset", "model": "google.ExperimentModel",
        "other": "system.Model",
    }  # fmt: skip
    assert saved.metadata["frameworkName"] == "sklearn"
    with pytest.raises(exceptions.InvalidArgument, match="no such file"):
        run.log_artifact(tmp_path / "none")
    with pytest.raises(exceptions.InvalidArgument, match="dict is not a model"):
        run.log_model({})

    from google.cloud import aiplatform

    aiplatform.init(project=client.config.project, location="us-central1")
    (theirs,) = aiplatform.ExperimentRun("first", experiment).get_experiment_models()
    assert theirs.load_model().predict([[3]])[0] == pytest.approx(3)


def test_googles_sdk_sees_these_runs_and_the_other_way_round(
    client: Client, experiment: str, google_environment
) -> None:
    from google.cloud import aiplatform

    with client.experiments.run(experiment, "ours", params={"depth": 3}) as run:
        run.log_metrics({"auc": 0.5})
        run.log_metric("loss", 2.0, step=1)
    aiplatform.init(project=client.config.project, location="us-central1", experiment=experiment)
    with aiplatform.start_run("theirs"):
        aiplatform.log_params({"depth": 4})
        aiplatform.log_metrics({"auc": 0.75})
        aiplatform.log_time_series_metrics({"loss": 1.0}, step=1)
    comparison = client.experiments.compare(experiment)
    ours = comparison.to_dataframe().set_index("run_name").sort_index()
    theirs = aiplatform.get_experiment_df(experiment).set_index("run_name").sort_index()
    assert ours.index.tolist() == ["ours", "theirs"]
    assert ours["time_series_metric.loss"].tolist() == [2.0, 1.0]
    assert sorted(ours.columns) == sorted(theirs.columns)
    pandas.testing.assert_frame_equal(ours[sorted(ours.columns)], theirs[sorted(ours.columns)], check_dtype=False)
    resumed = aiplatform.ExperimentRun("ours", experiment)
    assert resumed.get_params() == {"depth": 3}
    assert resumed.get_time_series_data_frame()["loss"].tolist() == [2.0]


def test_experiments(client: Client, experiment: str) -> None:
    made = client.experiments.create(experiment, description="late or not", labels={"team": "risk"})
    assert (made.name, made.description, made.labels) == (experiment, "late or not", {"team": "risk"})
    with pytest.raises(exceptions.AlreadyExists):
        client.experiments.create(experiment)
    assert client.experiments.ensure(experiment).description == "late or not"
    assert client.experiments.ensure(experiment, description="how late").description == "how late"
    assert client.experiments.get(made.resource_name).labels == {"team": "risk"}
    assert [each.name for each in client.experiments.list(filter=f'display_name="{experiment}"')] == [experiment]
    made.run("second")
    with made.run() as run:
        assert run.name.startswith("run-2")
    assert [each.name for each in made.runs()] == [run.name, "second"]
    with pytest.raises(exceptions.InvalidArgument, match=r"is a system.ExperimentRun, not an experiment"):
        client.experiments.get(f"{experiment}-second")
    made.delete()
    for call in (
        client.experiments.get,
        client.experiments.runs,
        client.experiments.delete,
        client.experiments.compare,
    ):
        with pytest.raises(exceptions.NotFound, match="experiments list"):
            call(experiment)


def test_deleting_takes_time_series_along(client: Client, experiment: str) -> None:
    for value in (1.0, 2.0):
        with client.experiments.run(experiment, "again") as run:
            run.log_metric("loss", value, step=0)
        found = client.experiments.get_run(experiment, "again")
        assert [point.value for point in found.time_series["loss"]] == [value]
        client.experiments.delete_run(experiment, "again")
    with pytest.raises(exceptions.NotFound, match="experiments runs"):
        client.experiments.get_run(experiment, "again")


def test_comparing(client: Client, experiment: str, tmp_path: Path) -> None:
    for number in range(3):
        with client.experiments.run(experiment, f"run-{number}", params={"depth": number}) as run:
            run.log_metrics({"auc": number / 4, "f1": 1})
    comparison = client.experiments.compare(experiment, runs=["run-2", "run-0"], metrics=["auc"])
    assert [row["metric.auc"] for row in comparison.rows()] == [0.5, 0]
    assert len(client.experiments.compare(experiment, time_series=False).plot().data[0].dimensions) == 3
    text = client.experiments.compare(experiment).report(tmp_path / "runs.html").read_text()
    assert '<div id="figure-' in text
    assert "<td>run-1</td>" in text
    with pytest.raises(exceptions.NotFound, match="has no run run-9\nIts runs: run-0, run-1, run-2"):
        client.experiments.compare(experiment, runs=["run-9"])
    with pytest.raises(exceptions.InvalidArgument, match="'recall'\nAllowed: auc, f1"):
        client.experiments.compare(experiment, metrics=["recall"])
    with pytest.raises(exceptions.InvalidArgument, match="are lists"):
        client.experiments.compare(experiment, metrics="auc")

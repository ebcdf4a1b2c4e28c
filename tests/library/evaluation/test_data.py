"""Where rows come from: tables, queries, files, and what batch predictions leave."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from gcpmlops import exceptions

FAST = {"resamples": 0}
RESULTS = "prediction.results-0000{}-of-00002"


def lines(frame: pd.DataFrame, predictions) -> str:
    """What a batch prediction writes of these instances, the target among them."""
    rows = zip(frame.to_dict("records"), predictions, strict=True)
    return "".join(json.dumps({"instance": row, "prediction": said}) + "\n" for row, said in rows)


@pytest.fixture
def output(loans, tmp_path: Path) -> Path:
    """Two shards and two instances that failed; predictions are the chances of both classes."""
    rows = loans[["late", "carrier", "score"]].head(300)
    chances = [[1 - score, score] for score in rows["score"]]
    folder = tmp_path / "out" / "prediction-loans-2026-01-02T03:04:05.678Z"
    folder.mkdir(parents=True)
    for number, part in enumerate((slice(0, 200), slice(200, 300))):
        text = lines(rows.drop(columns="score")[part], chances[part])
        (folder / RESULTS.format(number)).write_text(text)
    failed = json.dumps({"instance": {"late": 1}, "error": {"code": 3, "message": "no carrier"}})
    (folder / "prediction.errors_stats-00000-of-00001").write_text(f"{failed}\n{failed}\n")
    return tmp_path / "out"


def test_batch_prediction_in_files(evaluation, loans, output: Path) -> None:
    found = evaluation.classification(output, target="late", score="prediction_1", slices="carrier", **FAST)
    plain = evaluation.classification(loans.head(300), target="late", score="score", slices="carrier", **FAST)
    assert dict(found.metrics) == dict(plain.metrics)
    assert [each.rows for each in found.slices] == [each.rows for each in plain.slices]
    assert found.settings["instances without a prediction"] == 2
    both = evaluation.classification(str(output), target="late", score={0: "prediction_0", 1: "prediction_1"}, **FAST)
    assert both.value("log_loss") == pytest.approx(plain.value("log_loss"))
    job = SimpleNamespace(output_uri=None, output_table=None, name="batchPredictionJobs/1")
    with pytest.raises(exceptions.InvalidArgument, match="batchPredictionJobs/1 has no output yet"):
        evaluation.classification(job, target="late", score="prediction_1")
    again = output / "prediction-loans-2026-01-03T03:04:05.678Z"
    again.mkdir()
    (again / RESULTS.format(0)).write_text("")
    with pytest.raises(exceptions.InvalidArgument, match="the output of 2 batch predictions"):
        evaluation.frame(output)


@pytest.mark.parametrize(
    ("prediction", "columns"),
    [
        (0.5, {"prediction": 0.5}),
        ([0.5], {"prediction": 0.5}),
        ({"chance": 0.5, "label": "late"}, {"prediction_chance": 0.5, "prediction_label": "late"}),
        ({"classes": ["no", "yes"], "scores": [0.25, 0.75]}, {"prediction_no": 0.25, "prediction_yes": 0.75}),
        ([0.25, 0.75], {"prediction_0": 0.25, "prediction_1": 0.75}),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_forms_of_predictions(evaluation, tmp_path: Path, prediction, columns, form: str) -> None:
    path = tmp_path / RESULTS.format(0)
    if form == "jsonl":
        path.write_text(lines(pd.DataFrame({"y": [1]}), [prediction]))
    else:
        pd.DataFrame({"y": [1], "prediction": [json.dumps(prediction)]}).to_csv(path, index=False)
    assert evaluation.frame(tmp_path).to_dict("records") == [{"y": 1, **columns}]


def test_instances_without_names(evaluation, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instance": [3, 4], "prediction": 1}\n\n{"key": 7, "prediction": 0}\n')
    rows = evaluation.frame(path).to_dict("list")
    assert rows["prediction"] == [1, 0]
    assert rows["instance_1"][0] == 4
    assert rows["key"][1] == 7


def test_files(evaluation, loans, tmp_path: Path) -> None:
    loans.to_csv(tmp_path / "loans.csv", index=False)
    loans.to_parquet(tmp_path / "loans.parquet")
    for name in ("loans.csv", "loans.parquet"):
        found = evaluation.classification(str(tmp_path / name), target="late", score="score", **FAST)
        assert found.rows == 2000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, "No such file"),
        ("a.csv", b"", "cannot be read"),
        ("a.parquet", b"no parquet", "cannot be read"),
        ("a.jsonl", b'{"a": 1}\n{"a":\n', "a.jsonl:2 is not JSON"),
        ("a.jsonl", b"{}\n[1]\n", "a.jsonl:2 is not an object"),
    ],
)
def test_bad_files(evaluation, tmp_path: Path, name: str, content, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(exceptions.InvalidArgument, match=message):
        evaluation.frame(tmp_path / name)


def test_no_data(evaluation, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").touch()
    with pytest.raises(exceptions.InvalidArgument, match=r"holds no data: .*model\.joblib"):
        evaluation.frame(str(tmp_path))
    for data in ("", None, 3):
        with pytest.raises(exceptions.InvalidArgument, match="is not data"):
            evaluation.frame(data)


def test_bigquery_and_cloud_storage(client, unique, loans, output: Path, bucket: str) -> None:
    evaluation, rows = client.evaluation, loans[["late", "score", "carrier"]].head(300)
    dataset = unique("evaluation").replace("-", "_")
    client.bigquery.create_dataset(dataset)
    said = rows.drop(columns="score").assign(prediction=[json.dumps([1 - s, s]) for s in rows["score"]])
    client.bigquery.load(f"{dataset}.predictions_2026", source=said)
    client.bigquery.load(f"{dataset}.errors_2026", source=rows.head(3))
    job = SimpleNamespace(output_table=f"{client.config.project}.{dataset}.predictions_2026")
    whole = evaluation.classification(job, target="late", score="prediction_1", **FAST)
    query = f"SELECT late, prediction FROM {dataset}.predictions_2026 WHERE carrier = 'UA'"
    part = evaluation.classification(query, target="late", score="prediction_1", **FAST)
    assert (whole.rows, part.rows) == (300, (rows["carrier"] == "UA").sum())
    assert whole.settings["instances without a prediction"] == 3
    with pytest.raises(exceptions.NotFound, match="nothing"):
        evaluation.frame(f"{dataset}.nothing")

    client.storage.upload(output, destination=f"gs://{bucket}/jobs/")
    filed = evaluation.classification(f"gs://{bucket}/jobs", target="late", score="prediction_1", **FAST)
    assert dict(filed.metrics) == dict(whole.metrics)
    assert filed.settings["instances without a prediction"] == 2
    with pytest.raises(exceptions.NotFound, match="nothing under"):
        evaluation.frame(f"gs://{bucket}/none")

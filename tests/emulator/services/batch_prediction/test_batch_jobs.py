"""Batch prediction jobs through the official client, with real models on real servers."""

import csv
import io
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import joblib
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, bigquery, storage
from google.cloud.aiplatform_v1 import types
from sklearn.linear_model import LinearRegression

OPTIONS = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"
STATES: Any = types.JobState
FINAL = {STATES[f"JOB_STATE_{state}"] for state in ("SUCCEEDED", "FAILED", "CANCELLED")}


class Batch:
    """A model whose prediction is twice its one feature plus the other, and what the tests do with it."""

    def __init__(self, parent: str, bucket: storage.Bucket) -> None:
        self.parent = parent
        self.bucket = bucket
        self.uri = f"gs://{bucket.name}"
        self.jobs = aiplatform_v1.JobServiceClient(client_options=OPTIONS)
        models = aiplatform_v1.ModelServiceClient(client_options=OPTIONS)
        file = io.BytesIO()
        joblib.dump(LinearRegression().fit([[0, 0], [1, 0], [0, 1], [5, 7]], [0, 2, 1, 17]), file)
        bucket.blob("model/model.joblib").upload_from_string(file.getvalue())
        container = {"image_uri": SERVING}
        model = types.Model(display_name="doubler", artifact_uri=f"{self.uri}/model", container_spec=container)
        self.model = models.upload_model(parent=parent, model=model).result(60).model

    def put(self, name: str, content: str | bytes) -> str:
        self.bucket.blob(name).upload_from_string(content)
        return f"{self.uri}/{name}"

    def create(self, uris: list[str], kind: str, predictions: str = "jsonl", **fields: Any) -> types.BatchPredictionJob:
        given = {
            "display_name": "b",
            "model": self.model,
            "input_config": {"gcs_source": {"uris": uris}, "instances_format": kind},
            "output_config": {
                "gcs_destination": {"output_uri_prefix": f"{self.uri}/out"}, "predictions_format": predictions,
            },
            **fields,
        }  # fmt: skip
        job = types.BatchPredictionJob(given)
        return self.jobs.create_batch_prediction_job(parent=self.parent, batch_prediction_job=job)

    def until(self, name: str, condition: Callable[[Any], bool]) -> types.BatchPredictionJob:
        deadline = time.monotonic() + 90
        while not condition(found := self.jobs.get_batch_prediction_job(name=name)):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)  # between two looks, not for timing
        return found

    def done(self, *arguments: Any, **fields: Any) -> types.BatchPredictionJob:
        return self.until(self.create(*arguments, **fields).name, lambda job: job.state in FINAL)

    def text(self, job: types.BatchPredictionJob, kind: str = "results") -> str:
        prefix = job.output_info.gcs_output_directory.removeprefix(f"{self.uri}/")
        found = {blob.name.removeprefix(f"{prefix}/"): blob for blob in self.bucket.list_blobs(prefix=prefix)}
        return found[f"prediction.{kind}-00000-of-00001"].download_as_text()

    def lines(self, job: types.BatchPredictionJob, kind: str = "results") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(job, kind).splitlines()]


@pytest.fixture
def batch(google_environment: dict[str, str], emulator: Any, bucket: str) -> Batch:
    return Batch(f"projects/{emulator.project}/locations/us-central1", storage.Client().bucket(bucket))


def near(*values: float) -> list[Any]:
    return [pytest.approx(value, abs=1e-6) for value in values]


def state(job: types.BatchPredictionJob) -> str:
    return job.state.name.removeprefix("JOB_STATE_")


def test_json_lines(batch: Batch) -> None:
    first = batch.put("in/1.jsonl", "".join(f"[{n}, 1]\n" for n in range(100)))
    batch.put("in/2.jsonl", "[1000, 1]\n\n")
    job = batch.done([first.replace("1.jsonl", "*.jsonl")], "jsonl")
    assert state(job) == "SUCCEEDED", job.error
    assert job.output_info.gcs_output_directory.startswith(f"{batch.uri}/out/prediction-doubler-20")
    assert (job.completion_stats.successful_count, job.completion_stats.failed_count) == (101, 0)
    lines = batch.lines(job)
    assert [line["instance"] for line in lines] == [[n, 1] for n in [*range(100), 1000]]
    assert [line["prediction"] for line in lines] == near(*[2 * n + 1 for n in [*range(100), 1000]])
    assert job.model_version_id == "1"
    assert job.create_time <= job.start_time <= job.end_time
    batch.jobs.delete_batch_prediction_job(name=job.name).result(60)
    with pytest.raises(exceptions.NotFound, match=job.name):
        batch.jobs.get_batch_prediction_job(name=job.name)


def test_bad_instances_spoil_only_themselves(batch: Batch) -> None:
    uri = batch.put("in.jsonl", '[1, 1]\nnot json\n["a", 1]\n[1, 2, 3]\n[2, 1]\n')
    job = batch.done([uri], "jsonl")
    assert state(job) == "SUCCEEDED"
    assert (job.completion_stats.successful_count, job.completion_stats.failed_count) == (2, 3)
    assert [line["instance"] for line in batch.lines(job)] == [[1, 1], [2, 1]]
    errors = batch.lines(job, "errors_stats")
    assert [line["instance"] for line in errors] == [None, ["a", 1], [1, 2, 3]]
    assert f"{uri}, line 2 is not JSON" in errors[0]["error"]["message"]
    assert [status.code for status in job.partial_failures] == [3, 3, 3]


def test_csv_in_and_out(batch: Batch) -> None:
    uri = batch.put("in.csv", "x,y\n1,0.5\n2,1\n")
    job = batch.done([uri], "csv", "csv")
    assert state(job) == "SUCCEEDED", job.error
    rows = list(csv.DictReader(io.StringIO(batch.text(job))))
    assert [json.loads(row["instance"]) for row in rows] == [[1, 0.5], [2, 1]]
    assert [float(row["prediction"]) for row in rows] == near(2.5, 5)


def test_keys_and_fields(batch: Batch) -> None:
    uri = batch.put("in.jsonl", '{"id": "k1", "b": 1, "a": 5}\n{"id": "k2", "b": 2, "a": 6}\n{"b": 2, "a": 6}\n')
    config = {"instance_type": "array", "key_field": "id", "included_fields": ["a", "b"]}
    job = batch.done([uri], "jsonl", instance_config=config)
    assert batch.lines(job) == [
        {"key": "k1", "prediction": near(11)[0]},
        {"key": "k2", "prediction": near(14)[0]},
    ]
    (error,) = batch.lines(job, "errors_stats")
    assert "no field 'id', which is the key_field" in error["error"]["message"]


def test_bigquery_in_and_out(batch: Batch, emulator: Any) -> None:
    client = bigquery.Client()
    dataset = f"batch_{uuid.uuid4().hex[:8]}"
    client.create_dataset(dataset)
    client.query(
        f"CREATE TABLE {dataset}.t AS SELECT n AS x, n * 0.5 AS y FROM UNNEST(GENERATE_ARRAY(1, 150)) AS n"
    ).result()
    source = {"bigquery_source": {"input_uri": f"bq://{emulator.project}.{dataset}.t"}, "instances_format": "bigquery"}
    project = {"bigquery_destination": {"output_uri": f"bq://{emulator.project}"}, "predictions_format": "bigquery"}
    job = batch.done([], "", input_config=source, output_config=project)
    assert state(job) == "SUCCEEDED", job.error
    made = job.output_info.bigquery_output_dataset
    assert made.startswith(f"bq://{emulator.project}.prediction_doubler_20")
    found = made.removeprefix("bq://")
    assert {table.table_id for table in client.list_tables(found)} == {"predictions", "errors"}
    rows = list(client.list_rows(f"{found}.{job.output_info.bigquery_output_table}"))
    assert len(rows) == 150
    assert all(float(row["prediction"]) == pytest.approx(2 * row["x"] + row["y"]) for row in rows)
    assert [field.field_type for field in client.get_table(f"{found}.predictions").schema] == [
        "INTEGER",
        "FLOAT",
        "STRING",
    ]

    uri = batch.put("in.jsonl", '{"x": 1, "y": 2.5}\n{"x": "a", "y": 1}\n')
    target = {
        "bigquery_destination": {"output_uri": f"bq://{emulator.project}.{dataset}"},
        "predictions_format": "bigquery",
    }
    job = batch.done([uri], "jsonl", output_config=target, instance_config={"instance_type": "array"})
    assert state(job) == "SUCCEEDED", job.error
    table = job.output_info.bigquery_output_table
    assert table.startswith("predictions_20")
    assert [(row["x"], row["y"]) for row in client.list_rows(f"{dataset}.{table}")] == [("1", 2.5)]
    (error,) = client.list_rows(f"{dataset}.{table.replace('predictions', 'errors')}")
    assert (error["x"], error["errors"]["code"]) == ("a", 3)


def test_contents_of_listed_files_are_sent_as_base64(batch: Batch) -> None:
    listed = batch.put("list.txt", f"{batch.put('a.bin', b'some bytes')}\n{batch.uri}/none.bin\n")
    job = batch.done([listed], "file-list")  # this model knows no bytes: what was sent is in the errors
    errors = batch.lines(job, "errors_stats")
    assert [error["instance"] for error in errors] == [{"b64": "c29tZSBieXRlcw=="}, None]
    assert f"{batch.uri}/none.bin is not found" in errors[1]["error"]["message"]
    assert (state(job), job.completion_stats.failed_count) == ("FAILED", 2)
    assert "All 2 instances failed" in job.error.message


def test_input_that_is_not_there(batch: Batch) -> None:
    job = batch.done([f"{batch.uri}/none.jsonl"], "jsonl")
    assert (state(job), job.error.code) == ("FAILED", 5)
    assert f"{batch.uri}/none.jsonl is not found" in job.error.message


def test_cancelling(batch: Batch) -> None:
    uri = batch.put("in.jsonl", "[1, 1]\n" * 3_000_000)
    job = batch.create([uri], "jsonl")
    with pytest.raises(exceptions.FailedPrecondition, match="cancel it first"):
        batch.jobs.delete_batch_prediction_job(name=job.name)
    batch.until(job.name, lambda found: found.state == STATES.JOB_STATE_RUNNING)
    batch.jobs.cancel_batch_prediction_job(name=job.name)
    done = batch.until(job.name, lambda found: found.state in FINAL)
    assert (state(done), done.error.code) == ("CANCELLED", 1)
    assert not list(batch.bucket.list_blobs(prefix="out/"))


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"display_name": ""}, exceptions.InvalidArgument, "batch_prediction_job.display_name"),
    ({"model": ""}, exceptions.InvalidArgument, "batch_prediction_job.model: required"),
    ({"model": "projects/p/locations/us-central1/models/1"}, exceptions.NotFound, "models/1"),
    ({"input_config": {"instances_format": "jsonl"}}, exceptions.InvalidArgument, "gcs_source or bigquery_source"),
    (
        {"input_config": {"gcs_source": {"uris": ["gs://b/x"]}, "instances_format": "parquet"}},
        exceptions.InvalidArgument,
        "instances_format: 'parquet' is not one of jsonl, csv",
    ),
    (
        {"input_config": {"bigquery_source": {"input_uri": "p.d.t"}, "instances_format": "bigquery"}},
        exceptions.InvalidArgument,
        "bigquery_source.input_uri: 'p.d.t'",
    ),
    (
        {
            "output_config": {
                "gcs_destination": {"output_uri_prefix": "gs://none-at-all"},
                "predictions_format": "jsonl",
            }
        },
        exceptions.NotFound,
        "none-at-all",
    ),
    (
        {
            "output_config": {"bigquery_destination": {"output_uri": "bq://p"}, "predictions_format": "bigquery"},
            "instance_config": {"key_field": "k"},
        },
        exceptions.InvalidArgument,
        "key_field",
    ),
    ({"instance_config": {"instance_type": "tree"}}, exceptions.InvalidArgument, "'tree' is neither object nor"),
    ({"generate_explanation": True}, exceptions.MethodNotImplemented, "generate_explanation is not built"),
]


def test_refused_jobs(batch: Batch) -> None:
    for fields, error, words in REFUSED:  # one by one would take a second each for the clients
        with pytest.raises(error, match=words):
            batch.create(["gs://b/x"], "jsonl", **fields)


def test_by_the_sdk(batch: Batch, emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    aiplatform.init(project=emulator.project, location="us-central1", api_transport="rest")
    monkeypatch.setattr("google.cloud.aiplatform.jobs._JOB_WAIT_TIME", 0.05)
    uri = batch.put("in.jsonl", "[3, 1]\n")
    job = aiplatform.Model(batch.model).batch_predict(
        job_display_name="sdk", gcs_source=uri, gcs_destination_prefix=f"{batch.uri}/sdk",
        machine_type="n1-standard-2", labels={"by": "sdk"},
    )  # fmt: skip
    (blob,) = job.iter_outputs()
    line = json.loads(blob.download_as_text())
    assert (line["instance"], line["prediction"]) == ([3, 1], near(7)[0])
    assert job.completion_stats.successful_count == 1
    listed = aiplatform.BatchPredictionJob.list(filter='labels.by="sdk"')
    assert job.resource_name in [found.resource_name for found in listed]
    job.delete()

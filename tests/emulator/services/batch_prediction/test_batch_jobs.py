"""Batch prediction jobs through the official client: real models on real servers, all jobs of the module at once."""

import csv
import io
import json
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gcpmlops import Client

SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"
STATES: Any = types.JobState
FINAL = {STATES[f"JOB_STATE_{state}"] for state in ("SUCCEEDED", "FAILED", "CANCELLED")}
DOUBLER = LinearRegression().fit([[0, 0], [1, 0], [0, 1], [5, 7]], [0, 2, 1, 17])  # 2x + y

SHAPLEY = {
    "parameters": {"sampled_shapley_attribution": {"path_count": 5}},
    "metadata": {
        "inputs": {"row": {"encoding": "BAG_OF_FEATURES", "index_feature_mapping": ["x", "y"]}},
        "outputs": {"z": {}},
    },
}


class Batch:
    """A bucket, a dataset, a model, and the jobs over them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.parent = f"projects/{client.config.project}/locations/us-central1"
        self.name = f"batch-{uuid.uuid4().hex[:10]}"
        self.uri = f"gs://{self.name}"
        self.dataset = self.name.replace("-", "_")
        client.storage.create_bucket(self.name)
        client.bigquery.create_dataset(self.dataset)

    @property
    def jobs(self) -> Any:
        return self.client.clients.jobs

    def put(self, name: str, content: str | bytes) -> str:
        data = content if isinstance(content, bytes) else content.encode()
        self.client.storage.upload(data, destination=f"{self.uri}/{name}")
        return f"{self.uri}/{name}"

    def put_model(self, folder: str, model: Any) -> str:
        file = io.BytesIO()
        joblib.dump(model, file)
        return self.put(f"{folder}/model.joblib", file.getvalue()).rpartition("/")[0]

    @cached_property
    def model(self) -> str:
        folder = self.put_model("model", DOUBLER)
        return self.client.models.upload(folder, display_name="doubler", image=SERVING, check=False).name

    def create(self, uris: list[str], kind: str, predictions: str = "jsonl", **fields: Any) -> str:
        given = {
            "display_name": "b",
            "model": self.model,
            "input_config": {"gcs_source": {"uris": uris}, "instances_format": kind},
            "output_config": {
                "gcs_destination": {"output_uri_prefix": f"{self.uri}/out"},
                "predictions_format": predictions,
            },
            **fields,
        }
        job = types.BatchPredictionJob(given)
        return self.jobs.create_batch_prediction_job(parent=self.parent, batch_prediction_job=job).name

    def until(self, name: str, condition: Callable[[Any], bool]) -> types.BatchPredictionJob:
        deadline = time.monotonic() + 90
        while not condition(found := self.jobs.get_batch_prediction_job(name=name)):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)  # between two looks, not for timing
        return found

    def ended(self, name: str) -> types.BatchPredictionJob:
        return self.until(name, lambda job: job.state in FINAL)

    def text(self, job: types.BatchPredictionJob, kind: str = "results") -> str:
        return self.client.storage.read(
            f"{job.output_info.gcs_output_directory}/prediction.{kind}-00000-of-00001"
        ).decode()

    def lines(self, job: types.BatchPredictionJob, kind: str = "results") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(job, kind).splitlines()]

    def hanging(self) -> str:
        """A job whose model sleeps for as many seconds as its instance says."""
        sleeper = make_pipeline(FunctionTransformer(np.vectorize(time.sleep)), LinearRegression())
        model = self.client.models.upload(
            self.put_model("hanging", sleeper), display_name="h", image=SERVING, check=False
        ).name
        uri = self.put("hanging.jsonl", "[1000]\n")
        return self.create([uri], "jsonl", model=model)

    def files(self) -> str:
        first = self.put("in/1.jsonl", "".join(f"[{n}, 1]\n" for n in range(100)) + "not json\n")
        self.put("in/2.jsonl", '[1000, 1]\n\n["a", 1]\n[1, 2, 3]')
        return self.create([first.replace("1.jsonl", "*.jsonl")], "jsonl", labels={"by": self.name})

    def tables(self) -> str:
        self.client.bigquery.query(
            f"CREATE TABLE {self.dataset}.t AS SELECT n AS x, n * 0.5 AS y FROM UNNEST(GENERATE_ARRAY(1, 150)) AS n"
        )
        project = self.client.config.project
        source = {
            "bigquery_source": {"input_uri": f"bq://{project}.{self.dataset}.t"},
            "instances_format": "bigquery",
        }
        target = {"bigquery_destination": {"output_uri": f"bq://{project}"}, "predictions_format": "bigquery"}
        explained = {"generate_explanation": True, "explanation_spec": SHAPLEY}
        return self.create([], "", input_config=source, output_config=target, **explained)

    def keyed(self) -> str:
        uri = self.put("keyed.csv", "id,x,y\nk1,1,2\nk2,a,2\n")
        table = f"bq://{self.client.config.project}.{self.dataset}.scores"
        target = {"bigquery_destination": {"output_uri": table}, "predictions_format": "bigquery"}
        return self.create([uri], "csv", output_config=target, instance_config={"key_field": "id"})

    def file_to_table(self) -> str:
        uri = self.put("table.jsonl", '{"x": 1, "y": 2.5}\n{"x": "a", "y": 1}\n')
        target = {
            "bigquery_destination": {"output_uri": f"bq://{self.client.config.project}.{self.dataset}"},
            "predictions_format": "bigquery",
        }
        return self.create([uri], "jsonl", output_config=target, instance_config={"instance_type": "array"})

    def unmanaged(self) -> str:
        uri = self.put("in.csv", "x,y\n1,0.5\n2,1\n")
        container = {"artifact_uri": self.put_model("loose", DOUBLER), "container_spec": {"image_uri": SERVING}}
        return self.create([uri], "csv", "csv", model="", unmanaged_container_model=container)

    def missing(self) -> str:
        return self.create([f"{self.uri}/none.jsonl"], "jsonl")


@pytest.fixture(scope="module")
def batch(client: Client) -> Batch:
    return Batch(client)


@pytest.fixture(scope="module")
def started(batch: Batch) -> Iterator[dict[str, str]]:
    """All jobs, under way: two run at a time, while the tests look at those before."""
    kinds = (batch.hanging, batch.files, batch.tables, batch.file_to_table, batch.keyed, batch.unmanaged, batch.missing)
    names = {kind.__name__: kind() for kind in kinds}
    yield names
    batch.jobs.cancel_batch_prediction_job(name=names["hanging"])  # should its test have run elsewhere


def near(*values: float) -> list[Any]:
    return [pytest.approx(value, abs=1e-6) for value in values]


def state(job: types.BatchPredictionJob) -> str:
    return job.state.name.removeprefix("JOB_STATE_")


def test_files(batch: Batch, started: dict[str, str]) -> None:
    job = batch.ended(started["files"])
    assert state(job) == "SUCCEEDED", job.error
    assert job.output_info.gcs_output_directory.startswith(f"{batch.uri}/out/prediction-doubler-20")
    assert (job.completion_stats.successful_count, job.completion_stats.failed_count) == (101, 3)
    lines = batch.lines(job)
    assert [line["instance"] for line in lines] == [[n, 1] for n in [*range(100), 1000]]
    assert [line["prediction"] for line in lines] == near(*[2 * n + 1 for n in [*range(100), 1000]])
    errors = batch.lines(job, "errors_stats")
    assert [line["instance"] for line in errors] == [None, ["a", 1], [1, 2, 3]]
    assert f"{batch.uri}/in/1.jsonl, line 101 is not JSON" in errors[0]["error"]["message"]
    assert [status.code for status in job.partial_failures] == [3, 3, 3]
    assert job.model_version_id == "1"
    assert job.create_time <= job.start_time <= job.end_time


def test_the_log(batch: Batch, started: dict[str, str]) -> None:
    name = batch.ended(started["files"]).name
    query = f'resource.type="ml_job" AND resource.labels.job_id="{name.rpartition("/")[2]}"'
    request = {"resource_names": [f"projects/{batch.client.config.project}"], "filter": query}
    entries = list(batch.client.clients.logging.list_log_entries(request=request))
    said = [entry.text_payload for entry in entries if entry.resource.labels["task_name"] == "service"]
    assert said == ["Waiting for job to be provisioned.", "Job is running.", "Job completed successfully."]
    own = [entry for entry in entries if entry.resource.labels["task_name"] == "prediction-container"]
    assert any("LinearRegression" in entry.json_payload["message"] for entry in own)


def test_tables(batch: Batch, started: dict[str, str]) -> None:
    job, bigquery = batch.ended(started["tables"]), batch.client.clients.bigquery
    assert state(job) == "SUCCEEDED", job.error
    made = job.output_info.bigquery_output_dataset
    assert made.startswith(f"bq://{batch.client.config.project}.prediction_doubler_20")
    found = made.removeprefix("bq://")
    assert {table.table_id for table in bigquery.list_tables(found)} == {"predictions", "errors"}
    rows = list(bigquery.list_rows(f"{found}.{job.output_info.bigquery_output_table}"))
    assert len(rows) == 150
    assert all(float(row["prediction"]) == pytest.approx(2 * row["x"] + row["y"]) for row in rows)
    kinds = [field.field_type for field in bigquery.get_table(f"{found}.predictions").schema]
    assert kinds == ["INTEGER", "FLOAT", "STRING", "STRING"]
    explained = [(row["x"], json.loads(row["explanation"])["attributions"][0]) for row in rows]
    assert all(each["featureAttributions"]["row"] == near(2 * x, x * 0.5) for x, each in explained)


def test_a_file_to_a_table(batch: Batch, started: dict[str, str]) -> None:
    job, bigquery = batch.ended(started["file_to_table"]), batch.client.clients.bigquery
    assert state(job) == "SUCCEEDED", job.error
    table = job.output_info.bigquery_output_table
    assert table.startswith("predictions_20")
    assert [(row["x"], row["y"]) for row in bigquery.list_rows(f"{batch.dataset}.{table}")] == [("1", 2.5)]
    (error,) = bigquery.list_rows(f"{batch.dataset}.{table.replace('predictions', 'errors')}")
    assert (error["x"], error["errors"]["code"]) == ("a", 3)


def test_a_key_stands_in_a_table_instead_of_the_instance(batch: Batch, started: dict[str, str]) -> None:
    job, bigquery = batch.ended(started["keyed"]), batch.client.clients.bigquery
    assert state(job) == "SUCCEEDED", job.error
    assert job.output_info.bigquery_output_table == "scores"
    (row,) = bigquery.list_rows(f"{batch.dataset}.scores")
    assert list(row.keys()) == ["key", "prediction"]
    assert (row["key"], float(row["prediction"])) == ("k1", pytest.approx(4))
    (error,) = bigquery.list_rows(f"{batch.dataset}.scores_errors")
    assert (error["key"], error["errors"]["code"]) == ("k2", 3)


def test_a_container_without_a_model(batch: Batch, started: dict[str, str]) -> None:
    job = batch.ended(started["unmanaged"])
    assert state(job) == "SUCCEEDED", job.error
    assert job.model_version_id == ""
    rows = list(csv.DictReader(io.StringIO(batch.text(job))))
    assert [json.loads(row["instance"]) for row in rows] == [[1, 0.5], [2, 1]]
    assert [float(row["prediction"]) for row in rows] == near(2.5, 5)


def test_input_that_is_not_there(batch: Batch, started: dict[str, str]) -> None:
    job = batch.ended(started["missing"])
    assert (state(job), job.error.code) == ("FAILED", 5)
    assert f"{batch.uri}/none.jsonl is not found" in job.error.message
    batch.jobs.delete_batch_prediction_job(name=job.name).result(60)
    with pytest.raises(exceptions.NotFound, match=job.name):
        batch.jobs.get_batch_prediction_job(name=job.name)


def test_cancelling_cuts_a_request_off(batch: Batch, started: dict[str, str]) -> None:
    name = started["hanging"]
    with pytest.raises(exceptions.FailedPrecondition, match="cancel it first"):
        batch.jobs.delete_batch_prediction_job(name=name)
    batch.until(name, lambda found: found.state == STATES.JOB_STATE_RUNNING)
    begun = time.monotonic()
    batch.jobs.cancel_batch_prediction_job(name=name)
    done = batch.ended(name)
    assert (state(done), done.error.code) == ("CANCELLED", 1)
    assert time.monotonic() - begun < 20  # the request itself would take longer, and its deadline too
    assert done.output_info.gcs_output_directory == ""


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"display_name": ""}, exceptions.InvalidArgument, "batch_prediction_job.display_name"),
    ({"model": ""}, exceptions.InvalidArgument, "batch_prediction_job.model: required"),
    (
        {"unmanaged_container_model": {"container_spec": {"image_uri": SERVING}}},
        exceptions.InvalidArgument,
        "unmanaged_container_model: must be empty where model is given",
    ),
    (
        {"model": "", "unmanaged_container_model": {"artifact_uri": "gs://b/m"}},
        exceptions.InvalidArgument,
        "unmanaged_container_model.container_spec.image_uri: required",
    ),
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
    ({"instance_config": {"instance_type": "tree"}}, exceptions.InvalidArgument, "'tree' is neither object nor"),
    ({"generate_explanation": True}, exceptions.FailedPrecondition, "does not support explanation"),
    ({"explanation_spec": {"parameters": {"top_k": 1}}}, exceptions.InvalidArgument, "only with generate_explanation"),
    ({"model": "publishers/google/models/g"}, exceptions.MethodNotImplemented, "a publisher's model is not built"),
]


def test_refused_jobs(batch: Batch) -> None:
    for fields, error, words in REFUSED:  # one by one would take a second each for the clients
        with pytest.raises(error, match=words):
            batch.create(["gs://b/x"], "jsonl", **fields)
    with pytest.raises(exceptions.InvalidArgument, match="not supported for the predictions_format 'csv'"):
        batch.create(["gs://b/x"], "jsonl", "csv", generate_explanation=True)

"""`client.batch_predictions`: what is asked for, and what comes of it, with a real model on a real server."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from google.cloud.aiplatform_v1 import types
from sklearn.linear_model import LinearRegression

from gcpmlops import Client, exceptions
from gcpmlops._batches import request as batch_request
from gcpmlops._batches.outputs import InstanceError, _error
from gcpmlops._batches.prediction import BatchPrediction, Counts
from gcpmlops._jobs.job import Job

FRAME = pd.DataFrame({"id": ["a", "b", "c"], "x": [1, 2, 3], "y": [0.5, 1.0, 2.0]})
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
MODEL = "projects/p/locations/us-central1/models/7"


@pytest.fixture(scope="module")
def offline() -> Client:
    """Nothing listens there."""
    return Client(project="p", endpoint="http://127.0.0.1:9", staging_bucket="gs://staging")


def request(client: Client, source: Any, **settings: Any) -> types.BatchPredictionJob:
    return client.batch_predictions.submit(f"{MODEL}@2", source=source, dry_run=True, **settings).proto


def test_files_to_files(offline: Client) -> None:
    job = request(
        offline, ["gs://bucket/a.csv", "gs://bucket/b-*.csv"], destination="gs://bucket/out", display_name="scores",
        parameters={"threshold": 0.5}, replicas=3, machine_type="n1-standard-8", accelerator_type="nvidia_tesla_t4",
        batch_size=10, labels={"team": "ops"}, key_field="id", excluded_fields=["day"], instance_type="object",
        predictions_format="csv", service_account="me@p.iam.gserviceaccount.com", explain=True,
    )  # fmt: skip
    assert job == types.BatchPredictionJob(
        display_name="scores",
        model=f"{MODEL}@2",
        input_config={"gcs_source": {"uris": ["gs://bucket/a.csv", "gs://bucket/b-*.csv"]}, "instances_format": "csv"},
        output_config={
            "gcs_destination": {"output_uri_prefix": "gs://bucket/out"}, "predictions_format": "csv",
        },
        instance_config={"instance_type": "object", "key_field": "id", "excluded_fields": ["day"]},
        model_parameters={"threshold": 0.5},
        dedicated_resources={
            "machine_spec": {
                "machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1,
            },
            "starting_replica_count": 3, "max_replica_count": 3,
        },
        manual_batch_tuning_parameters={"batch_size": 10},
        labels={"team": "ops"},
        service_account="me@p.iam.gserviceaccount.com",
        generate_explanation=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "destination", "read", "written"),
    [
        ("d.t", "d", "bq://p.d.t", "bq://p.d"),
        ("q.d.t", "d.u", "bq://q.d.t", "bq://p.d.u"),
        ("bq://q.d.t", "bq://q", "bq://q.d.t", "bq://q"),
    ],
)
def test_tables_to_tables(offline: Client, source: str, destination: str, read: str, written: str) -> None:
    job = request(offline, source, destination=destination)
    assert (job.input_config.bigquery_source.input_uri, job.input_config.instances_format) == (read, "bigquery")
    assert job.output_config.bigquery_destination.output_uri == written
    assert job.output_config.predictions_format == "bigquery"


def test_rows_at_hand_go_to_the_staging_bucket(offline: Client, tmp_path: Path) -> None:
    job = request(offline, FRAME, key_field="id")
    (uri,) = job.input_config.gcs_source.uris
    assert uri.startswith("gs://staging/gcpmlops/batch-predictions/7-2-")
    assert uri.endswith("/instances.jsonl")
    assert job.output_config.gcs_destination.output_uri_prefix == uri.rpartition("/")[0]
    assert (job.instance_config.instance_type, list(job.instance_config.included_fields)) == ("array", ["x", "y"])
    (tmp_path / "rows.ndjson").write_text("[1]\n")
    job = request(offline, tmp_path / "rows.ndjson", destination="gs://bucket/out")
    assert job.input_config.gcs_source.uris[0].endswith("/rows.ndjson")
    assert job.input_config.instances_format == "jsonl"


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        ("none.jsonl", {}, "none.jsonl: no such file"),
        (Path("none"), {}, "none: no such file"),
        ("flights", {}, "flights: no such file, and not a table's name"),
        ("gs://bucket/a.parquet", {}, "the format of gs://bucket/a.parquet cannot be told"),
        ("gs://bucket/a", {"instances_format": "parquet"}, "instances_format"),
        ("gs://bucket", {}, "'' is not an object name"),
        ("d.t", {"destination": "a b"}, "neither a gs:// folder nor a table"),
        ("d.t", {"destination": "gs://bucket/x", "predictions_format": "bigquery"}, "predictions_format"),
        ("d.t", {"replicas": 0}, "replicas"),
        ("d.t", {"accelerator_type": "T4"}, "accelerator_type: 'T4' is not known"),
        ("d.t", {"included_fields": ["a"], "excluded_fields": ["b"]}, "both included_fields and excluded_fields"),
        (FRAME, {"key_field": "nr"}, "the DataFrame has no column 'nr'"),
        (FRAME, {"instances_format": "csv"}, "instances_format"),
        ({"a": 1}, {}, "instances must be a list"),
        ([], {}, "no instances"),
        ("d.t", {"labels": {"A": "b"}}, "label A=b is not valid"),
    ],
)
def test_what_cannot_be_right(offline: Client, source: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        request(offline, source, **settings)
    assert words in str(caught.value)


def test_one_name_is_a_list_of_one(offline: Client) -> None:
    assert list(request(offline, "d.t", excluded_fields="late").instance_config.excluded_fields) == ["late"]


@pytest.mark.parametrize("row", [[1, float("nan")], [object()]])
def test_what_json_has_no_form_for(row: list[Any]) -> None:
    source = batch_request.Source.of([[1, 2], row], None, project="p")
    with pytest.raises(exceptions.InvalidArgument, match="instance 1 cannot be written as JSON"):
        source.content()


def test_unknown_settings(offline: Client) -> None:
    with pytest.raises(TypeError, match="replica_count"):
        request(offline, "d.t", replica_count=2)


def test_errors_in_whatever_form() -> None:
    assert _error({"instance": [1], "error": {"code": 3, "message": "m"}}) == InstanceError([1], 3, "m")
    assert _error({"key": "k", "error": "m"}) == InstanceError("k", 0, "m")
    assert _error(["a", 1]) == InstanceError(None, 0, '["a", 1]')


def test_what_counts_say() -> None:
    assert str(Counts(1000, 0, 0)) == "1,000 predicted, 0 failed"
    assert str(Counts(1, 2, -1)) == "1 predicted, 2 failed, the rest was not tried"


@pytest.fixture(scope="module")
def model(client: Client) -> str:
    assert client.config.staging_bucket
    client.storage.ensure_bucket(client.config.staging_bucket)
    doubler = LinearRegression().fit([[0, 0], [1, 0], [0, 1], [5, 7]], [0, 2, 1, 17])  # 2x + y
    settings: dict[str, Any] = {"image": SERVING, "check": False, "version_aliases": ["champion"]}
    return client.models.upload(doubler, display_name="batch-doubler", **settings).name


def test_a_frame_to_a_frame(client: Client, model: str) -> None:
    frame = pd.concat([FRAME, pd.DataFrame({"id": ["bad"], "x": ["one"], "y": [1.0]})])
    lines: list[str] = []
    states: list[str] = []
    job = client.batch_predictions.run(
        "batch-doubler@champion", source=frame, excluded_fields=["id"], labels={"of": "frame"},
        on_log=lambda line: lines.append(line.text), on_state=lambda job: states.append(job.state.name),
    )  # fmt: skip
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert job.model == f"{model}@1"
    assert job.counts == (3, 1, 0)
    assert job.output_uri.startswith(
        f"gs://{client.config.staging_bucket}/gcpmlops/batch-predictions/batch-doubler-champion"
    )
    assert job.output_table == ""
    found = job.to_dataframe()
    assert list(found.columns) == ["id", "x", "y", "prediction"]
    assert list(found["id"]) == ["a", "b", "c"]
    assert found["prediction"].tolist() == pytest.approx([2.5, 5.0, 8.0])
    (error,) = job.errors()
    assert (error.instance, error.code) == ({"id": "bad", "x": "one", "y": 1.0}, 3)
    assert "Exception during sklearn prediction" in error.message
    assert states[-1] == "JOB_STATE_SUCCEEDED"
    assert lines[-1] == "Job completed successfully."
    assert [each.name for each in client.batch_predictions.list(filter='labels.of="frame"')] == [job.name]
    assert "3 predicted, 1 failed" in job._repr_html_()
    assert "Job is running." in [line.text for line in job.logs()]
    job.delete()
    with pytest.raises(exceptions.NotFound, match="gcpmlops batch-predictions list"):
        job.refresh()


def test_a_table_to_a_table(client: Client, model: str, unique: Any) -> None:
    dataset = unique("batch").replace("-", "_")
    client.bigquery.create_dataset(dataset)
    client.bigquery.query(
        f"CREATE TABLE {dataset}.t AS SELECT 'k' AS id, 2 AS x, 1.5 AS y UNION ALL SELECT 'l', 3, 0.5"
    )
    settings: dict[str, Any] = {"source": f"{dataset}.t", "destination": f"{dataset}.scores"}
    done = client.batch_predictions.submit(model, excluded_fields=["id"], **settings).wait(timeout=120)
    assert done.output_table == f"{client.config.project}.{dataset}.scores"
    found = done.to_dataframe().sort_values("id")
    assert [json.loads(text) for text in found["prediction"]] == pytest.approx([5.5, 6.5])
    assert done.errors() == []


def test_failures_say_why(client: Client, model: str) -> None:
    uri = f"gs://{client.config.staging_bucket}/none.jsonl"
    job = client.batch_predictions.submit(model, source=uri)
    with pytest.raises(exceptions.JobFailed) as caught:
        job.wait(timeout=120)
    assert f"{uri} is not found" in caught.value.cause
    assert "gcpmlops batch-predictions logs" in str(caught.value)
    with pytest.raises(exceptions.FailedPrecondition, match="JOB_STATE_FAILED and has no output"):
        job.refresh().errors()
    with pytest.raises(exceptions.InvalidArgument, match="is not a batch prediction"):
        client.batch_predictions.get("a/b")
    with pytest.raises(exceptions.NotFound):
        client.batch_predictions.submit(model, source=uri, destination="gs://no-such-bucket-anywhere/out")


def test_the_handle_is_frozen(offline: Client) -> None:
    job = BatchPrediction(types.BatchPredictionJob(name="projects/p/locations/l/batchPredictionJobs/3"), None)  # type: ignore[arg-type]
    assert job.id == "3"
    with pytest.raises(AttributeError):
        job.proto = None  # type: ignore[misc]


def test_a_model_that_no_registry_has(client: Client, bucket: str) -> None:
    output = f"gs://{bucket}/run"
    client.storage.upload(b"a model", destination=f"{output}/model/model.joblib")
    job = Job(types.CustomJob(job_spec={"base_output_directory": {"output_uri_prefix": output}}), client.training)
    made = client.batch_predictions.submit(
        job, source="gs://bucket/a.csv", destination=output, display_name="candidate", dry_run=True
    ).proto
    assert made.model == ""
    assert made.unmanaged_container_model.artifact_uri == f"{output}/model/"
    assert made.unmanaged_container_model.container_spec.image_uri == SERVING
    own = client.batch_predictions.submit(
        job, source="gs://bucket/a.csv", destination=output, server={"image": "example.com/own:1"}, dry_run=True
    )
    assert own.proto.unmanaged_container_model.container_spec.image_uri == "example.com/own:1"
    with pytest.raises(exceptions.InvalidArgument, match="a registered model has its server"):
        request(client, "gs://bucket/a.csv", destination=output, server={"image": "example.com/own:1"})

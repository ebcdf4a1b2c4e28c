"""Batch prediction by the SDK and by Google's own client. Arguments: a model file, then the transports to use."""

import json
import sys
import time
import uuid

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, bigquery, storage
from google.cloud.aiplatform import explain, jobs

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
HOST = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
MACHINE = {"machine_type": "n1-standard-2"}
jobs._JOB_WAIT_TIME = 0.05  # seconds between two looks
FILES = {
    "in.jsonl": "[1, 1]\n[2, 1]\nno json\n[3]\n",
    "in.csv": "x,y\n1,1\n2,1.5\n",
    "wrong.jsonl": '{"x": 1}\n{"x": 2}\n',
    "empty.jsonl": "\n",
}
EXPLAINED = {
    "explanation_metadata": explain.ExplanationMetadata(
        inputs={"row": {"encoding": "BAG_OF_FEATURES", "index_feature_mapping": ["x", "y"]}}, outputs={"z": {}}
    ),
    "explanation_parameters": explain.ExplanationParameters(sampled_shapley_attribution={"path_count": 5}),
}


def versions(name: str) -> tuple[aiplatform.Model, aiplatform.Model]:
    """Twice: what differs is the explanation."""
    given = {"artifact_uri": f"gs://{name}/model", "serving_container_image_uri": IMAGE}
    first = aiplatform.Model.upload(display_name=name, **given)
    return first, aiplatform.Model.upload(parent_model=first.name, is_default_version=False, **given, **EXPLAINED)


def lines(job: aiplatform.BatchPredictionJob, kind: str = "results") -> list[dict[str, object]]:
    job.wait()
    blobs = [blob for blob in job.iter_outputs() if f"/prediction.{kind}-" in blob.name]
    return [json.loads(line) for blob in blobs for line in blob.download_as_text().splitlines()]


def by_the_sdk(name: str, first: aiplatform.Model, second: aiplatform.Model) -> None:
    """All at once: files, tables, explanations; then what has come of each."""
    project, out = aiplatform.initializer.global_config.project, f"gs://{name}/out"
    files = first.batch_predict(
        job_display_name="files", gcs_source=f"gs://{name}/in.jsonl", gcs_destination_prefix=out,
        labels={"of": name}, model_parameters={}, sync=False, **MACHINE,
    )  # fmt: skip
    files.wait_for_resource_creation()
    tables = aiplatform.BatchPredictionJob.submit(
        job_display_name="tables", model_name=f"{first.resource_name}@2", instances_format="csv",
        gcs_source=[f"gs://{name}/in.csv"], predictions_format="bigquery",
        bigquery_destination_prefix=f"bq://{project}", labels={"of": name}, batch_size=1, **MACHINE,
    )  # fmt: skip
    explained = second.batch_predict(
        job_display_name="explained", bigquery_source=f"bq://{project}.{name.replace('-', '_')}.t",
        instances_format="bigquery", gcs_destination_prefix=out, generate_explanation=True, sync=False, **MACHINE,
    )  # fmt: skip
    assert [line["prediction"] for line in lines(files)] == pytest.approx([3, 5])
    assert (files.completion_stats.successful_count, files.completion_stats.failed_count) == (2, 2)
    errors = lines(files, "errors_stats")
    assert [line["instance"] for line in errors] == [None, [3]]
    assert "is not JSON" in errors[0]["error"]["message"]
    assert {status.code for status in files.partial_failures} == {3}
    tables._block_until_complete()
    assert [float(row["prediction"]) for row in tables.iter_outputs()] == pytest.approx([3, 5.5])
    assert tables._gca_resource.model_version_id == "2"
    (line,) = lines(explained)
    (attribution,) = line["explanation"]["attributions"]
    assert attribution["featureAttributions"]["row"] == pytest.approx([14, 0.5])
    listed = aiplatform.BatchPredictionJob.list(filter=f'labels.of="{name}"')
    assert {job.resource_name for job in listed} == {files.resource_name, tables.resource_name}
    files.delete()
    with pytest.raises(exceptions.NotFound):
        aiplatform.BatchPredictionJob(files.resource_name)


def by_the_client(name: str, model: aiplatform.Model, transport: str) -> None:
    """What is wrong with a job says so, and nothing is lost of what was not."""
    client = aiplatform_v1.JobServiceClient(transport=transport, client_options=HOST)
    parent = model.resource_name.rpartition("/models/")[0]

    def create(source: str, destination: str = f"gs://{name}/out", **fields: object) -> str:
        job = {
            "display_name": "b", "model": model.resource_name, "labels": {"by": f"{name}-{transport}"},
            "input_config": {"instances_format": "jsonl", "gcs_source": {"uris": [f"gs://{name}/{source}"]}},
            "output_config": {
                "predictions_format": "jsonl", "gcs_destination": {"output_uri_prefix": destination},
            },
            "dedicated_resources": {"machine_spec": MACHINE, "starting_replica_count": 1},
            **fields,
        }  # fmt: skip
        return client.create_batch_prediction_job(parent=parent, batch_prediction_job=job).name

    names = [create("wrong.jsonl"), create("empty.jsonl"), create("none.jsonl")]
    unwanted = create("in.jsonl")
    client.cancel_batch_prediction_job(name=unwanted)  # still in the queue, or just begun
    with pytest.raises(exceptions.NotFound, match="no-such-bucket"):
        create("in.jsonl", f"gs://no-such-bucket-{name}/out")
    with pytest.raises(exceptions.BadRequest, match="does not support explanation"):
        create("in.jsonl", generate_explanation=True)
    ended = {each: until_ended(client, each) for each in [*names, unwanted]}
    assert [ended[each].state.name for each in names] == ["JOB_STATE_FAILED"] * 3
    wrong, empty, missing = (ended[each].error.message for each in names)
    assert "All 2 instances failed." in wrong
    assert "Exception during sklearn prediction" in wrong
    assert f"gs://{name}/empty.jsonl has no instances" in empty
    assert f"gs://{name}/none.jsonl is not found" in missing
    assert ended[unwanted].state.name == "JOB_STATE_CANCELLED"
    found = client.list_batch_prediction_jobs(
        request={
            "parent": parent, "page_size": 2, "read_mask": {"paths": ["name", "state"]},
            "filter": f'labels.by="{name}-{transport}" AND state="JOB_STATE_FAILED"',
        }
    )  # fmt: skip
    (first, second) = list(found.pages)
    assert [job.name for job in [*first.batch_prediction_jobs, *second.batch_prediction_jobs]] == names[::-1]
    assert first.batch_prediction_jobs[0].display_name == ""
    client.delete_batch_prediction_job(name=names[0]).result(60)


def until_ended(client: aiplatform_v1.JobServiceClient, name: str) -> aiplatform_v1.BatchPredictionJob:
    while (job := client.get_batch_prediction_job(name=name)).end_time is None:
        time.sleep(0.05)
    return job


def run(model_file: str, transports: list[str]) -> None:
    name = f"batches-{uuid.uuid4().hex[:10]}"
    bucket = storage.Client().create_bucket(name, location="us-central1")
    bucket.blob("model/model.joblib").upload_from_filename(model_file)
    for file, content in FILES.items():
        bucket.blob(file).upload_from_string(content)
    client = bigquery.Client()
    client.create_dataset(dataset := name.replace("-", "_"))
    client.query(f"CREATE TABLE {dataset}.t AS SELECT 7 AS x, 0.5 AS y").result()
    for transport in transports:
        aiplatform.init(location="us-central1", api_transport=transport)
        if transport == transports[0]:
            first, second = versions(name)
            by_the_sdk(name, first, second)
        else:
            given = {"gcs_source": f"gs://{name}/in.jsonl", "gcs_destination_prefix": f"gs://{name}/out"}
            job = aiplatform.BatchPredictionJob.create(
                job_display_name="again", model_name=first.name, **given, **MACHINE
            )
            assert [line["instance"] for line in lines(job)] == [[1, 1], [2, 1]]
        by_the_client(name, first, transport)
        print(f"batch prediction over {transport}")


run(sys.argv[1], sys.argv[2:])

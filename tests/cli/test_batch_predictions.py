"""`gcpmlops batch-predictions`: what it sends; the library's tests have what comes of it."""

import json

import yaml

MODEL = "projects/local-project/locations/us-central1/models/1"


def test_a_dry_run_shows_the_request(gcpmlops) -> None:
    options = ("--parameters", '{"a": 1}', "--included-field", "x", "--included-field", "y", "--replicas", "2")
    uris = ("--source", "gs://bucket/a.csv", "--source", "gs://bucket/b.csv")
    shown = gcpmlops("batch-predictions", "run", MODEL, *uris, "--destination", "d.t", *options, "--dry-run").stdout
    job = yaml.safe_load(shown)
    assert job["inputConfig"]["gcsSource"]["uris"] == ["gs://bucket/a.csv", "gs://bucket/b.csv"]
    assert job["outputConfig"]["bigqueryDestination"]["outputUri"] == "bq://local-project.d.t"
    assert job["modelParameters"] == {"a": 1}
    assert job["instanceConfig"]["includedFields"] == ["x", "y"]
    assert job["dedicatedResources"]["startingReplicaCount"] == 2


def test_wrong_values(gcpmlops) -> None:
    wrong = ("batch-predictions", "submit", MODEL, "--source", "gs://bucket/a.csv", "--parameters")
    assert "'[1]' is not a JSON object" in gcpmlops(*wrong, "[1]", code=2).stderr
    assert "is not JSON" in gcpmlops(*wrong, "{", code=2).stderr


def test_a_job_that_fails(gcpmlops, client, staging) -> None:
    """The model's server is never asked: there is no input."""
    client.storage.upload(b"x", destination=f"gs://{staging}/cli-batch/model.joblib")
    image = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
    name = client.models.upload(f"gs://{staging}/cli-batch", display_name="cli-batch", image=image, check=False).name
    run = ("batch-predictions", "run", name, "--source", f"gs://{staging}/none.jsonl", "--name", "cli-batch")
    failed = gcpmlops(*run, code=1)
    assert "none.jsonl is not found" in failed.stderr
    (job,) = json.loads(gcpmlops("batch-predictions", "list", "--limit", "1", "--format", "json").stdout)
    number = job["name"].rpartition("/")[2]
    assert "JOB_STATE_FAILED" in gcpmlops("batch-predictions", "get", number).stdout
    assert "Job is running." in gcpmlops("batch-predictions", "logs", number).stdout
    assert "is not found" in gcpmlops("batch-predictions", "wait", number, code=1).stderr
    assert "has no output" in gcpmlops("batch-predictions", "errors", number, code=1).stderr
    gcpmlops("batch-predictions", "cancel", number)
    gcpmlops("batch-predictions", "delete", number)
    assert "gcpmlops batch-predictions list" in gcpmlops("batch-predictions", "get", number, code=1).stderr

"""Whole command lines against the emulator."""

import json
from pathlib import Path

import pandas as pd

from gcpmlops import Client


def test_storage(gcpmlops, unique, tmp_path: Path) -> None:
    bucket = unique("cli")
    (tmp_path / "a.csv").write_text("x\n1\n")
    gcpmlops("storage", "create-bucket", bucket, "--label", "team=risk")
    assert bucket in gcpmlops("storage", "list-buckets").stdout
    gcpmlops("storage", "upload", tmp_path / "a.csv", f"gs://{bucket}/raw/")
    rows = json.loads(gcpmlops("storage", "list", f"gs://{bucket}/", "--format", "json").stdout)
    assert [row["name"] for row in rows] == ["raw/a.csv"]
    assert gcpmlops("storage", "read", f"gs://{bucket}/raw/a.csv").stdout == "x\n1\n"
    gcpmlops("storage", "exists", f"gs://{bucket}/raw/b.csv", code=1)
    assert "not empty" in gcpmlops("storage", "delete-bucket", bucket, code=1).stderr
    gcpmlops("storage", "delete-bucket", bucket, "--force")
    assert "does not exist" in gcpmlops("storage", "get-bucket", bucket, code=1).stderr


def test_bigquery(gcpmlops, unique, tmp_path: Path) -> None:
    dataset = unique("cli").replace("-", "_")
    (tmp_path / "a.csv").write_text("carrier,hour\nUA,5\nAA,6\n")
    gcpmlops("bigquery", "create-dataset", dataset)
    assert "carrier=STRING" in gcpmlops("bigquery", "load", f"{dataset}.t", tmp_path / "a.csv").stdout
    sql = f"SELECT carrier FROM {dataset}.t WHERE hour > @hour"
    found = gcpmlops("bigquery", "query", sql, "--parameter", "hour=INT64:5", "--format", "json").stdout
    assert json.loads(found) == [{"carrier": "AA"}]
    gcpmlops("bigquery", "check", f"{dataset}.t", "--min-rows", "2", "--not-null", "carrier", "--in-range", "hour:0:23")
    failed = gcpmlops("bigquery", "check", f"{dataset}.t", "--min-rows", "3", code=1)
    assert "False" in failed.stdout
    gcpmlops("bigquery", "delete-dataset", dataset, "--force")


def test_training(gcpmlops, staging: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nprint('rows', *sys.argv[1:])\n")
    result = gcpmlops("training", "run", tmp_path / "train.py", "--image", "python:3.11", "--", "--n=5")
    assert "rows --n=5" in result.stderr
    assert "JOB_STATE_SUCCEEDED" in result.stdout
    (job, *_) = json.loads(gcpmlops("training", "list", "--limit", "1", "--format", "json").stdout)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    identifier = job["name"].rpartition("/")[2]
    assert "rows --n=5" in gcpmlops("training", "logs", identifier).stdout
    gcpmlops("training", "delete", identifier)
    assert "training list" in gcpmlops("training", "get", identifier, code=1).stderr


def test_failed_job_is_exit_1_with_the_cause(gcpmlops, staging: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("raise ValueError('no data')\n")
    result = gcpmlops("training", "run", tmp_path / "train.py", "--image", "python:3.11", code=1)
    assert "ValueError: no data" in result.stderr
    assert "JOB_STATE_FAILED" in result.stderr


def _story_of_a_model(gcpmlops, client: Client, name: str, tmp_path: Path) -> None:
    assert "Nothing is known" in gcpmlops("models", "lineage", name).stderr
    assert "d.t" in gcpmlops("models", "record-lineage", name, "--data", "d.t").stderr
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "p": [1.0, 2.0, 4.0]})
    client.evaluation.regression(frame, target="y", prediction="p", resamples=0).to_json(tmp_path / "e.json")
    (tmp_path / "gates.yaml").write_text("gates:\n  - {metric: mae, maximum: 0}\n")
    more = ("--display-name", "May", "--gates", tmp_path / "gates.yaml")
    gcpmlops("models", "import-evaluation", name, tmp_path / "e.json", *more)
    assert "May" in gcpmlops("models", "evaluations", name).stdout
    assert client.models.evaluations(name)[0].passed is False
    report = gcpmlops("models", "report", name).stdout.strip()
    assert client.storage.exists(report)
    found = json.loads(gcpmlops("models", "lineage", name, "--format", "json").stdout)
    assert (found["data"], len(found["evaluations"])) == ([f"{client.config.project}.d.t"], 1)
    assert "May" in gcpmlops("models", "lineage", name).stdout


def test_models_and_endpoints(gcpmlops, client: Client, staging: str, unique, tmp_path: Path) -> None:
    name = unique("cli")
    client.storage.upload(b"x", destination=f"gs://{staging}/{name}/model.joblib")
    gcpmlops("models", "upload", f"gs://{staging}/{name}", "--name", name, "--alias", "champion", "--no-check")
    assert "champion" in gcpmlops("models", "get", f"{name}@champion").stdout
    gcpmlops("models", "set-alias", f"{name}@1", "best")
    assert "best" in gcpmlops("models", "versions", name).stdout
    gcpmlops("models", "promote", f"{name}@1", "--to", "staging", "--reason", "looks good", "--who", "ann")
    assert "production" in gcpmlops("models", "promote", f"{name}@1", "--to", "production", "--dry-run").stdout
    gcpmlops("models", "demote", name, "--from", "staging")
    moves = gcpmlops("models", "history", name).stdout.splitlines()
    assert len(moves) == 3
    assert moves[2].split()[-3:] == ["ann", "looks", "good"]
    assert "no samples" in gcpmlops("models", "samples", name, code=1).stderr
    _story_of_a_model(gcpmlops, client, name, tmp_path)
    folder = gcpmlops("models", "export", f"{name}@1", f"gs://{staging}/exports").stdout.strip()
    assert client.storage.read(f"{folder}/model.joblib") == b"x"
    checked = gcpmlops("models", "check", f"{name}@1", "--registered", code=1)
    assert "stage  " in checked.stdout
    assert "model.joblib" in checked.stderr
    copied = gcpmlops("models", "copy", name, "--model-id", f"{name}-copy", "--format", "json").stdout
    assert json.loads(copied)["name"].endswith(f"/{name}-copy")
    gcpmlops("models", "delete", f"{name}-copy")
    gcpmlops("endpoints", "create", name)
    gcpmlops("endpoints", "ensure", name)
    assert name in gcpmlops("endpoints", "list").stdout
    assert json.loads(gcpmlops("endpoints", "get", name, "--format", "json").stdout)["displayName"] == name
    gcpmlops("endpoints", "delete", name)
    gcpmlops("models", "delete", name)
    assert "models list" in gcpmlops("models", "get", name, code=1).stderr

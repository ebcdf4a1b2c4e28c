"""The Google Cloud CLI, unmodified, through `gcpmlops emulator exec`."""

import json
import shutil
from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from .conftest import Shell, until

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-gcloud"),
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed"),
]
REGION = "--region=us-central1"
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
POOL = "machine-type=n1-standard-4,replica-count=1"


@pytest.fixture
def gcloud(shell: Shell):
    """Runs gcloud; its standard output."""
    return lambda *command, **options: shell.tool("gcloud", "--quiet", *command, **options).stdout.strip()


@pytest.fixture
def refused(shell: Shell):
    """Runs a gcloud command that has to fail; what it says."""
    return lambda *command: shell.tool("gcloud", "--quiet", *command, code=1).stderr


def test_project_and_token(shell: Shell, gcloud, emulator) -> None:
    done = shell("gcloud", "projects", "describe", emulator.project, "--format=value(projectNumber)")
    assert done.stdout.strip().isdigit()
    assert gcloud("auth", "print-access-token")


def test_storage(gcloud, refused, tmp_path: Path, unique) -> None:
    bucket = unique("gcloud")
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "a.txt").write_text("a\n")
    (tmp_path / "folder" / "sub" / "b.txt").write_text("b\n")
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 40_000)  # more than one upload chunk
    gcloud("storage", "buckets", "create", f"gs://{bucket}", "--location=eu")
    assert bucket in gcloud("storage", "buckets", "list", "--format=value(name)").split()
    gcloud("storage", "cp", "-r", "folder", "big.bin", f"gs://{bucket}/")
    listed = gcloud("storage", "ls", "-r", f"gs://{bucket}/**").split()
    assert listed == [f"gs://{bucket}/{name}" for name in ("big.bin", "folder/a.txt", "folder/sub/b.txt")]
    assert gcloud("storage", "cat", f"gs://{bucket}/folder/sub/b.txt") == "b"
    (tmp_path / "down").mkdir()
    gcloud("storage", "cp", "-r", f"gs://{bucket}/*", "down")
    assert (tmp_path / "down" / "big.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    assert (tmp_path / "down" / "folder" / "sub" / "b.txt").read_text() == "b\n"
    gcloud("storage", "rm", "-r", f"gs://{bucket}")
    assert f"gs://{bucket} not found" in refused("storage", "ls", f"gs://{bucket}")


def test_logging(gcloud, unique) -> None:
    name = unique("log")
    gcloud("logging", "write", name, "something happened", "--severity=WARNING")
    entries = json.loads(gcloud("logging", "read", f"logName:{name} severity>=WARNING", "--format=json"))
    assert [entry["textPayload"] for entry in entries] == ["something happened"]


def test_custom_jobs(gcloud, refused, tmp_path: Path, unique) -> None:
    name = unique("job")
    create = ("ai", "custom-jobs", "create", REGION, "--format=value(name)")
    container = f"--worker-pool-spec={POOL},container-image-uri=python:3.11"
    script = "--args=-c,for i in range(3): print('step %d' % i)"
    done = gcloud(*create, f"--display-name={name}", container, "--command=python3", script)
    (tmp_path / "job.yaml").write_text(
        "workerPoolSpecs:\n"
        "- machineSpec: {machineType: n1-standard-4}\n"
        "  replicaCount: 1\n"
        "  containerSpec:\n"
        "    imageUri: python:3.11\n"
        "    command: [python3, -c, 'import time; time.sleep(1000)']\n"
        "scheduling: {timeout: 600s, restartJobOnWorkerRestart: true}\n"
    )
    endless = gcloud(*create, f"--display-name={name}", "--config=job.yaml")
    listed = gcloud("ai", "custom-jobs", "list", REGION, f"--filter=displayName={name}", "--format=value(name)")
    assert listed.split() == [endless, done]

    def state(job: str) -> str:
        return gcloud("ai", "custom-jobs", "describe", job, "--format=value(state)")

    gcloud("ai", "custom-jobs", "cancel", endless)
    until(lambda: state(endless) == "JOB_STATE_CANCELLED")
    until(lambda: state(done) == "JOB_STATE_SUCCEEDED")
    streamed = gcloud("ai", "custom-jobs", "stream-logs", done, "--polling-interval=1")
    said = [line.split("\t")[-2:] for line in streamed.splitlines()]
    assert [text for task, text in said if task == "workerpool0-0"] == ["step 0", "step 1", "step 2"]
    assert said[-1] == ["service", "Job completed successfully."]
    scheduled = gcloud("ai", "custom-jobs", "describe", endless, "--format=json(jobSpec.scheduling)")
    assert json.loads(scheduled)["jobSpec"]["scheduling"] == {"timeout": "600s", "restartJobOnWorkerRestart": True}
    unknown = f"--worker-pool-spec={POOL},container-image-uri=gcr.io/nobody/nothing"
    assert "gcr.io/nobody/nothing" in refused(*create, f"--display-name={name}", unknown)


def test_python_package(gcloud, tmp_path: Path, unique) -> None:
    """`local-package-path` is built by gcloud with Docker; what is packaged already needs none."""
    bucket = unique("gcloud")
    package = tmp_path / "trainer-1.0"
    (package / "trainer").mkdir(parents=True)
    (package / "trainer" / "__init__.py").touch()
    (package / "trainer" / "task.py").write_text("import sys\nprint('trained', *sys.argv[1:])\n")
    (package / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='trainer', version='1.0', packages=['trainer'])\n"
    )
    shutil.make_archive(str(tmp_path / "trainer-1.0"), "gztar", tmp_path, "trainer-1.0")
    gcloud("storage", "buckets", "create", f"gs://{bucket}")
    gcloud("storage", "cp", "trainer-1.0.tar.gz", f"gs://{bucket}/")
    job = gcloud(
        *("ai", "custom-jobs", "create", REGION, f"--display-name={bucket}", "--format=value(name)"),
        f"--python-package-uris=gs://{bucket}/trainer-1.0.tar.gz", "--args=--rows=3",
        f"--worker-pool-spec={POOL},executor-image-uri=python:3.11,python-module=trainer.task",
    )  # fmt: skip
    describe = ("ai", "custom-jobs", "describe", job, "--format=value(state)")
    until(lambda: gcloud(*describe) in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"))
    query = f"resource.labels.job_id={job.rpartition('/')[2]}"
    messages = gcloud("logging", "read", query, "--format=value(jsonPayload.message)")
    assert "trained --rows=3" in messages


def test_models_and_endpoints(gcloud, refused, client, bucket, tmp_path: Path, unique) -> None:
    name = unique("gcloud")
    joblib.dump(LogisticRegression().fit([[0], [1], [8], [9]], [0, 0, 1, 1]), tmp_path / "model.joblib")
    features = {"encoding": "BAG_OF_FEATURES", "indexFeatureMapping": ["x"]}
    (tmp_path / "spec.json").write_text(json.dumps({"inputs": {"row": features}, "outputs": {"y": {}}}))
    client.storage.upload(tmp_path / "model.joblib", destination=f"gs://{bucket}/model/model.joblib")
    upload = ("ai", "models", "upload", REGION, f"--display-name={name}", f"--artifact-uri=gs://{bucket}/model")
    upload = (*upload, f"--container-image-uri={SERVING}")
    gcloud(
        *upload, f"--model-id={name}", "--version-aliases=golden", f"--labels=team={name}",
        "--explanation-method=sampled-shapley", "--explanation-path-count=2", "--explanation-metadata-file=spec.json",
    )  # fmt: skip
    assert gcloud("ai", "models", "list", REGION, f"--filter=labels.team={name}", "--format=value(name)") == name
    model = f"projects/{client.config.project}/locations/us-central1/models/{name}"
    gcloud(*upload, f"--parent-model={model}", "--version-description=second")
    assert gcloud("ai", "models", "describe", f"{name}@2", REGION, "--format=value(versionDescription)") == "second"
    versions = ("ai", "models", "list-version", name, REGION, "--format=value(versionId,versionAliases)")
    assert sorted(gcloud(*versions).splitlines()) == ["1\tdefault;golden", "2"]
    gcloud("ai", "models", "copy", f"--source-model={model}@2", REGION, f"--destination-parent-model={model}")
    gcloud("ai", "models", "delete-version", f"{name}@2", REGION)
    assert [line.split()[0] for line in sorted(gcloud(*versions).splitlines())] == ["1", "3"]

    endpoint = gcloud("ai", "endpoints", "create", REGION, f"--display-name={name}", "--format=value(name)")
    assert name in gcloud("ai", "endpoints", "list", REGION)
    gcloud(
        *("ai", "endpoints", "deploy-model", endpoint, f"--model={model}", "--display-name=one"),
        *("--machine-type=n1-standard-2", "--traffic-split=0=100", "--deployed-model-id=42"),
    )
    (tmp_path / "request.json").write_text('{"instances": [[0.5], [8.5]]}')
    asked = (endpoint, "--json-request=request.json")
    assert json.loads(gcloud("ai", "endpoints", "predict", *asked)) == [0, 1]
    explained = json.loads(gcloud("ai", "endpoints", "explain", *asked, "--format=json"))["explanations"]
    assert explained[1]["attributions"][0]["instanceOutputValue"] == 1
    for method in ("raw-predict", "stream-raw-predict"):
        assert json.loads(gcloud("ai", "endpoints", method, endpoint, "--request=@request.json")) == {
            "predictions": [0, 1]
        }
    (tmp_path / "tensors.json").write_text('{"inputs": [{"dtype": "DOUBLE", "shape": [1, 1], "doubleVal": [8.5]}]}')
    direct = gcloud("ai", "endpoints", "direct-predict", endpoint, "--json-request=tensors.json", "--format=json")
    assert json.loads(direct)["outputs"][0]["int64Val"] == ["1"]
    gcloud("ai", "endpoints", "update", endpoint, f"--display-name={name} x", "--traffic-split=42=100")
    described = json.loads(gcloud("ai", "endpoints", "describe", endpoint, "--format=json"))
    assert (described["displayName"], described["trafficSplit"]) == (f"{name} x", {"42": 100})
    assert "undeploy" in refused("ai", "endpoints", "delete", endpoint).lower()
    assert "undeploy" in refused("ai", "models", "delete", model, REGION).lower()
    gcloud("ai", "endpoints", "undeploy-model", endpoint, "--deployed-model-id=42")
    gcloud("ai", "endpoints", "delete", endpoint)
    gcloud("ai", "models", "delete", model, REGION)
    assert "NOT_FOUND" in refused("ai", "models", "describe", model, REGION)

"""Models and endpoints through Google's own SDK, as a user's script runs it, and again after `kill -9`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gcpmlops.emulator import launch

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"

WHOLE_LIFE = """
import sys
from google.api_core import exceptions
from google.cloud import aiplatform, storage

aiplatform.init(project="local-project", location="us-central1", api_transport=sys.argv[1])
bucket = storage.Client().create_bucket("models-" + sys.argv[1])
bucket.blob("m/model.pkl").upload_from_filename(sys.argv[2])
upload = dict(artifact_uri=f"gs://{bucket.name}/m", serving_container_image_uri=sys.argv[3], display_name="m")
one = aiplatform.Model.upload(**upload)
two = aiplatform.Model.upload(**upload, parent_model=one.resource_name, is_default_version=False)
assert [v.version_id for v in one.versioning_registry.list_versions()] == ["1", "2"]
endpoint = one.deploy(machine_type="n1-standard-2")
endpoint.deploy(two, machine_type="n1-standard-2", traffic_percentage=40)
assert sorted(endpoint.traffic_split.values()) == [40, 60]
answer = endpoint.predict([[3]])
assert answer.predictions == [6.0], answer
assert answer.model_resource_name == one.resource_name
assert endpoint.predict([[3]], use_raw_predict=True).predictions == [6.0]
try:
    endpoint.predict([["a"]])
except exceptions.BadRequest as error:
    assert "Exception during sklearn prediction" in str(error), error
try:
    one.delete()
except exceptions.BadRequest as error:
    assert "undeploy it first" in str(error), error
endpoint.undeploy_all()
endpoint.delete()
one.delete()
assert aiplatform.Model.list() == []
"""

DEPLOY = """
import sys
from google.cloud import aiplatform, storage

aiplatform.init(project="local-project", location="us-central1")
bucket = storage.Client().create_bucket("models")
bucket.blob("m/model.pkl").upload_from_filename(sys.argv[1])
model = aiplatform.Model.upload(
    artifact_uri="gs://models/m", serving_container_image_uri=sys.argv[2], display_name="m")
print("ENDPOINT", model.deploy(machine_type="n1-standard-2").resource_name)
"""

PREDICT = """
import sys
from google.cloud import aiplatform

aiplatform.init(project="local-project", location="us-central1")
assert aiplatform.Endpoint(sys.argv[1]).predict([[3]]).predictions == [6.0]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that doubles its rows' first cell, made without a framework so that any version loads it."""
    path = tmp_path_factory.mktemp("model") / "model.pkl"
    source = "type('Doubler', (), {'predict': lambda self, rows: (rows.astype(float) * 2)[:, 0]})()"
    path.write_bytes(b"cbuiltins\neval\n(V" + source.encode() + b"\ntR.")
    return path


def script(environment: dict[str, str], text: str, *arguments: str) -> str:
    """Run a user's script; its output."""
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_models_whole_life_through_the_sdk(emulator_environment: dict[str, str], model: Path, transport: str) -> None:
    script(emulator_environment, WHOLE_LIFE, transport, str(model), IMAGE)


def test_an_endpoint_answers_again_after_kill_9(tmp_path: Path, model: Path) -> None:
    data = tmp_path / "data"
    first = launch.start(data)
    try:
        output = script(launch.environment(first), DEPLOY, str(model), IMAGE)
        endpoint = output.split("ENDPOINT ")[1].split()[0]
        servers = serving(data)
        assert len(servers) == 1
        os.kill(first.pid, signal.SIGKILL)
        assert psutil.wait_procs(servers, timeout=20)[1] == []
        second = launch.start(data)
        script(launch.environment(second), PREDICT, endpoint)
        assert json.loads((data / "emulator.json").read_text())["pid"] == second.pid
    finally:
        state = launch.alive(data)
        if state is not None:
            launch.stop(state)
    assert serving(data) == []


def serving(data: Path) -> list[psutil.Process]:
    """The model servers of one data directory, without their supervisors."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:  # ended meanwhile, or not ours
            continue
        if "--model-dir" in words and str(data) in " ".join(words) and "supervisor.py" not in " ".join(words):
            found.append(process)
    return found

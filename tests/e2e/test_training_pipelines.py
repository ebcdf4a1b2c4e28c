"""The SDK's managed datasets and training pipelines, unchanged; a kill -9 in the middle of one."""

import os
import signal
import sys
from pathlib import Path

import pytest

from gcpmlops.emulator import launch

from .conftest import Shell, run, until

pytestmark = pytest.mark.xdist_group("e2e-pipelines")
CLIENT = """
import sys
from google.cloud import aiplatform_v1
options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
client = aiplatform_v1.PipelineServiceClient(client_options=options)
"""
ENDLESS = """
container = {"imageUri": "python:3.11", "command": ["python3", "-c", "import time; time.sleep(600)"]}
pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}
task = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
pipeline = aiplatform_v1.TrainingPipeline(display_name="endless", training_task_definition=task)
aiplatform_v1.TrainingPipeline.pb(pipeline).training_task_inputs.struct_value.update({"workerPoolSpecs": [pool]})
parent = "projects/local-project/locations/us-central1"
print(client.create_training_pipeline(parent=parent, training_pipeline=pipeline).name)
"""
STATE = """
found = client.get_training_pipeline(name=sys.argv[1])
print(found.state.name, found.error.message)
"""


def test_datasets_and_pipelines(shell: Shell) -> None:
    said = shell.python("training_pipelines.py", "grpc", "rest").stdout
    assert "datasets and training pipelines over grpc" in said
    assert "datasets and training pipelines over rest" in said


def test_kill_9_in_the_middle_of_a_pipeline(tmp_path: Path) -> None:
    def python(script: str, *arguments: str) -> str:
        state = launch.alive(tmp_path / "data") or launch.start(tmp_path / "data", ())
        command = (sys.executable, "-c", CLIENT + script, *arguments)
        return str(run(command, env=launch.environment(state), cwd=tmp_path).stdout).strip().rpartition("\n")[2]

    name = python(ENDLESS)
    state = launch.alive(tmp_path / "data")
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    launch.stop(state)  # reaps it
    until(lambda: launch.alive(tmp_path / "data") is None)
    found = python(STATE, name)
    state = launch.alive(tmp_path / "data")
    assert state is not None
    launch.stop(state)
    assert found == "PIPELINE_STATE_FAILED The emulator was restarted while the training pipeline ran."

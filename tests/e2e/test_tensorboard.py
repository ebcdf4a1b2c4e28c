"""TensorBoard as users reach it: the SDK's uploader, jobs with a TensorBoard, gcloud, and a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from google.cloud.aiplatform_v1 import TensorboardServiceClient

from gcpmlops import Client
from gcpmlops.emulator import launch
from gcpmlops.emulator.server import Running

from .conftest import SCRIPTS, Shell

pytestmark = pytest.mark.xdist_group("e2e-tensorboard")
REGION = "--region=us-central1"
WRITER = """
import sys
from google.cloud.aiplatform_v1 import TensorboardServiceClient
client = TensorboardServiceClient(client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"})
run, _, series = sys.argv[1].rpartition("/timeSeries/")
for step in range(10**6):
    point = {"step": step, "scalar": {"value": step}}
    data = {"tensorboard_time_series_id": series, "value_type": "SCALAR", "values": [point]}
    client.write_tensorboard_run_data(tensorboard_run=run, time_series_data=[data], retry=None)
    print(step, flush=True)
"""


def test_upload_tb_log(shell: Shell) -> None:
    said = shell.python("upload_tb_log.py").stdout
    assert [transport for transport in ("rest", "grpc") if f"read back over {transport}" in said] == ["rest", "grpc"]


def test_a_job_with_a_tensorboard(shell: Shell) -> None:
    assert "the job's logs over rest" in shell.python("tensorboard_job.py", "rest").stdout


@pytest.mark.gcloud
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud_and_the_uploader_command(shell: Shell, unique) -> None:
    def gcloud(*command: str, **options: object) -> str:
        return shell.tool("gcloud", "--quiet", "ai", "tensorboards", *command, REGION, **options).stdout.strip()

    title = unique("gcloud")
    name = gcloud("create", f"--display-name={title}", "--labels=team=x", "--format=value(name)")
    gcloud("update", name, "--description=words", "--update-labels=a=b")
    found = json.loads(gcloud("describe", name, "--format=json"))
    assert (found["displayName"], found["description"], found["labels"]) == (title, "words", {"team": "x", "a": "b"})
    shell.tool(sys.executable, SCRIPTS / "event_files.py", "logs", "5")
    options = [f"--tensorboard_resource_name={name}", "--logdir=logs", f"--experiment_name={title}", "--one_shot"]
    shell.tool(sys.executable, SCRIPTS / "without_tensorflow.py", *options)
    assert f"{title}\t3" in gcloud("list", "--format=value(displayName,runCount)").splitlines()
    gcloud("delete", name)
    gcloud("describe", name, code=1)


def connect(state: Running) -> Client:
    key = Path(state.data_dir) / "credentials.json"
    return Client(project=state.project, location="us-central1", endpoint=state.endpoint, credentials_file=str(key))


def new_series(client: TensorboardServiceClient, project: str) -> str:
    """A time series of scalars in a new tensorboard."""
    parent = f"projects/{project}/locations/us-central1"
    board = client.create_tensorboard(parent=parent, tensorboard={"display_name": "t"}).result(timeout=60)
    experiment = client.create_tensorboard_experiment(
        parent=board.name, tensorboard_experiment={}, tensorboard_experiment_id="e"
    )
    run = client.create_tensorboard_run(
        parent=experiment.name, tensorboard_run={"display_name": "r"}, tensorboard_run_id="r"
    )
    new = {"display_name": "loss", "value_type": "SCALAR"}
    return client.create_tensorboard_time_series(parent=run.name, tensorboard_time_series=new).name


def test_points_outlive_a_kill(tmp_path: Path) -> None:
    state = launch.start(tmp_path / "data")
    try:
        with connect(state) as client:
            series = new_series(client.clients.tensorboard, state.project)
        command, environment = [sys.executable, "-c", WRITER, series], launch.environment(state)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=environment, text=True, **pipes) as writer:
            answered = [int(line) for line in iter(writer.stdout.readline, "200\n")] + [200]
            os.kill(state.pid, signal.SIGKILL)
            launch.stop(state)  # reaps it
            answered += [int(line) for line in writer.stdout]
        state = launch.start(tmp_path / "data")
        with connect(state) as client:
            request = {"tensorboard_time_series": series, "max_data_points": -1}
            data = client.clients.tensorboard.read_tensorboard_time_series_data(request).time_series_data
            steps = [point.step for point in data.values]
            found = client.clients.tensorboard.get_tensorboard_time_series(name=series).metadata
        assert steps[: len(answered)] == answered == list(range(len(answered)))
        assert len(steps) <= len(answered) + 1  # one may be stored without its answer
        assert found.max_step == steps[-1]
    finally:
        launch.stop(state)

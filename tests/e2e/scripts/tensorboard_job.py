"""Custom jobs with a TensorBoard, followed while they run. Argument: the transport of the SDK."""

import sys
import time
import uuid
from pathlib import Path

import event_files
import numpy as np
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, storage
from google.cloud.aiplatform import jobs

JOB = """
import pathlib, shutil, sys, time
prepared, logs, go = (pathlib.Path(argument) for argument in sys.argv[1:])
shutil.copytree(prepared / "first", logs, dirs_exist_ok=True)
while not go.exists():
    time.sleep(0.05)
shutil.copytree(prepared / "second", logs / "late", dirs_exist_ok=True)
"""
MACHINE = {"machine_type": "n1-standard-4"}
ACCOUNT = "trainer@example.iam.gserviceaccount.com"
name = f"tb-{uuid.uuid4().hex[:10]}"
bucket = storage.Client().create_bucket(name, location="us-central1")
event_files.write(Path("first"), 0, 20, graph=True)
event_files.write(Path("first/validation"), 0, 20)
event_files.write(Path("second"), 0, 5)
for file in [*Path("first").rglob("events*"), *Path("second").rglob("events*")]:
    bucket.blob(f"prepared/{file}").upload_from_filename(file)

jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds
aiplatform.init(location="us-central1", api_transport=sys.argv[1], staging_bucket=f"gs://{name}")
board = aiplatform.Tensorboard.create(display_name=name)


def job(tensorboard: str) -> aiplatform.CustomJob:
    """One that runs, and ends when there is a file `go`."""
    arguments = [f"/gcs/{name}/prepared", f"/gcs/{name}/out/logs", str(Path("go").absolute())]
    container = {"image_uri": "python:3.11", "command": ["python", "-c", JOB], "args": arguments}
    pools = [{"machine_spec": MACHINE, "replica_count": 1, "container_spec": container}]
    made = aiplatform.CustomJob("with logs", pools, base_output_dir=f"gs://{name}/out")
    made.submit(tensorboard=tensorboard, service_account=ACCOUNT)
    return made


def points(experiment: str) -> dict[str, int]:
    """The number of points of `loss` by run."""
    try:
        runs = aiplatform.TensorboardRun.list(tensorboard_experiment_name=experiment)
        return {run.name: len(run.read_time_series_data()["loss"].values) for run in runs}
    except (exceptions.NotFound, KeyError):  # not yet
        return {}


with pytest.raises(exceptions.NotFound, match=f"{board.resource_name}9 is not found"):
    job(f"{board.resource_name}9")

followed = job(board.resource_name)
experiment = f"{board.resource_name}/experiments/{followed.name}"
deadline = time.monotonic() + 100
while points(experiment) != {"default": 20, "validation": 20}:
    assert time.monotonic() < deadline, (followed.state, points(experiment))
    time.sleep(0.2)  # between two looks
assert followed.state.name == "JOB_STATE_RUNNING", followed.state
Path("go").touch()
followed._block_until_complete()
assert followed.state.name == "JOB_STATE_SUCCEEDED", followed.error
assert points(experiment) == {"default": 20, "validation": 20, "late": 5}
made = aiplatform.TensorboardExperiment(experiment).gca_resource
assert (made.display_name, made.source) == ("with logs", followed.resource_name), made
run = aiplatform.TensorboardRun(f"{experiment}/runs/late")
assert run.gca_resource.labels["aiplatform.googleapis.com/training_job_id"] == followed.name
data = aiplatform.TensorboardRun(f"{experiment}/runs/default").read_time_series_data()
assert sorted(data) == ["__run_graph__", "epoch/accuracy", "loss", "notes", "sample", "weights"], data
assert event_files.tensor(data["weights"].values[0].tensor.value).shape == (8, 3)
frame = aiplatform.get_experiment_df(followed.name)
assert sorted(frame["run_name"]) == ["default", "late", "validation"], frame
assert set(frame["state"]) == {"COMPLETE"}, frame
assert sorted(frame["time_series_metric.epoch/accuracy"]) == [np.float32(step / 1000) for step in (4, 19, 19)], frame
print(f"the job's logs over {sys.argv[1]}")

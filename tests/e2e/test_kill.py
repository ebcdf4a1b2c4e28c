"""kill -9 of a whole emulator, many jobs at once, and a disk that is full."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest
from google.api_core import exceptions as google_exceptions
from google.cloud import bigquery
from sklearn.linear_model import LogisticRegression

from gcpmlops import Client, exceptions
from gcpmlops.emulator import launch
from gcpmlops.emulator.server import Running

from .conftest import GCPMLOPS, run, until

pytestmark = pytest.mark.xdist_group("e2e-kill")
IMAGE = "python:3.11"
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
DAEMON = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
print("begun", flush=True)
time.sleep(1000)
"""


def connect(state: Running) -> Client:
    return Client(
        project=state.project,
        endpoint=state.endpoint,
        credentials_file=str(Path(state.data_dir) / "credentials.json"),
        staging_bucket="gs://staging",
    )


def family(data_dir: Path) -> list[psutil.Process]:
    """Every process that has the data directory in its command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            texts = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:  # ended, or another user's
            continue
        if process.status() != psutil.STATUS_ZOMBIE and any(str(data_dir) in text for text in texts):
            found.append(process)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[Running, Client]]]:
    """Starts an emulator on the test's data directory, again and again."""
    clients: list[Client] = []

    def start(*arguments: str) -> tuple[Running, Client]:
        state = launch.start(tmp_path / "data", arguments)
        clients.append(connect(state))
        return state, clients[-1]

    yield start
    for client in clients:
        client.close()
    state = launch.alive(tmp_path / "data")
    if state is not None:
        launch.stop(state)
    assert family(tmp_path / "data") == []


def kill(state: Running) -> None:
    os.kill(state.pid, signal.SIGKILL)
    launch.stop(state)  # reaps it


def test_kill_9_while_a_job_runs_and_a_load_is_under_way(start, tmp_path: Path) -> None:
    state, client = start()
    client.storage.create_bucket("staging")
    client.storage.upload(b"a,b\n1,x\n2,y\n", destination="gs://staging/small.csv")
    client.storage.upload(
        b"".join(b"%d,%s\n" % (i, b"v" * 60) for i in range(300_000)), destination="gs://staging/large.csv"
    )
    client.bigquery.create_dataset("d")
    client.bigquery.load("d.t", source="gs://staging/small.csv")
    model_file = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression().fit([[0.0], [9.0]], [0, 1]), model_file)
    client.storage.upload(model_file, destination="gs://staging/model/")
    model = client.models.upload("gs://staging/model", display_name="m", image=SERVING, check=False)
    client.endpoints.create("e")
    client.endpoints.deploy("e", model=model)
    (tmp_path / "daemon.py").write_text(DAEMON)
    job = client.training.submit(tmp_path / "daemon.py", image=IMAGE)
    until(lambda: [line for line in job.logs() if "begun" in line.text])
    config = bigquery.LoadJobConfig(write_disposition="WRITE_TRUNCATE", autodetect=True)
    load = client.clients.bigquery.load_table_from_uri("gs://staging/large.csv", "d.t", job_config=config)
    before = family(tmp_path / "data")
    kill(state)

    _, alive = psutil.wait_procs(before, timeout=30)
    assert alive == []
    assert family(tmp_path / "data") == []

    _, client = start()
    assert client.storage.read("gs://staging/small.csv") == b"a,b\n1,x\n2,y\n"
    rows = next(iter(client.bigquery.query("SELECT COUNT(*) AS n FROM d.t")))["n"]
    found = client.clients.bigquery.get_job(load.job_id)
    assert found.state == "DONE"
    assert rows == (2 if found.error_result else 300_000)
    job = client.training.get(job.name)
    assert job.state.name == "JOB_STATE_FAILED"
    assert "restarted while the job ran" in job.proto.error.message
    assert [line for line in job.logs() if "begun" in line.text]
    (deployed,) = client.endpoints.get("e").deployed
    answer = until(lambda: _predicted(client))
    assert (list(answer.predictions), answer.deployed_model_id) == ([0, 1], deployed)


def _predicted(client: Client) -> Any:
    try:
        return client.endpoints.predict("e", instances=[[0.0], [9.0]])
    except exceptions.Unavailable:  # its model server is still starting
        return None


def test_kill_9_with_200_jobs_in_the_queue(start, tmp_path: Path) -> None:
    state, client = start("--max-jobs", "1")
    parent = f"projects/{state.project}/locations/us-central1"
    container = {"image_uri": IMAGE, "command": ["python3", "-c", DAEMON]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    spec = {"display_name": "many", "job_spec": {"worker_pool_specs": [pool]}}
    create = client.clients.jobs.create_custom_job
    running, *queued = [create(parent=parent, custom_job=spec).name for _ in range(201)]
    until(lambda: [line for line in client.training.get(running).logs() if "begun" in line.text])
    before = family(tmp_path / "data")
    kill(state)
    _, alive = psutil.wait_procs(before, timeout=30)
    assert alive == []

    _, client = start()
    found = {job.name: job for job in client.clients.jobs.list_custom_jobs(parent=parent)}
    assert list(found) == [*reversed(queued), running]
    assert {job.state.name for job in found.values()} == {"JOB_STATE_FAILED"}
    assert found[running].error.message == "The emulator was restarted while the job ran."
    assert {found[name].error.message for name in queued} == {"The emulator was restarted before the job's turn came."}
    assert family(tmp_path / "data") != []  # the new emulator itself, and nothing of the jobs:
    assert not [process for process in family(tmp_path / "data") if "begun" in " ".join(process.cmdline())]


def test_an_emulator_that_stops_ends_daemons_of_its_jobs(start, tmp_path: Path) -> None:
    state, client = start()
    client.storage.create_bucket("staging")
    (tmp_path / "daemon.py").write_text(DAEMON)
    job = client.training.submit(tmp_path / "daemon.py", image=IMAGE)
    until(lambda: [line for line in job.logs() if "begun" in line.text])
    run((*GCPMLOPS, "emulator", "stop", "--data-dir", tmp_path / "data"))
    launch.stop(state)  # ours to reap
    assert family(tmp_path / "data") == []
    _, client = start()
    assert "was stopped while the job ran" in client.training.get(job.name).proto.error.message


def test_50_jobs_at_once_run_3_at_a_time(start, tmp_path: Path) -> None:
    _, client = start("--max-jobs", "3")
    client.storage.create_bucket("staging")
    script = (
        "import glob, os, pathlib, sys, time\n"
        f"mine = pathlib.Path({str(tmp_path)!r}, 'running-' + os.environ['CLOUD_ML_JOB_ID']); mine.touch()\n"
        f"print('at a time:', len(glob.glob({str(tmp_path / 'running-*')!r})))\n"
        "time.sleep(0.05); mine.unlink()\n"
        "sys.exit(int(os.environ['CODE']))\n"
    )
    command = [sys.executable, "-S", "-c", script]
    jobs = [
        client.training.submit(
            image=IMAGE,
            command=command,
            env={"CODE": str(index % 2)},
            base_output_dir="gs://staging",
            display_name="many",
        )
        for index in range(50)
    ]
    final = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"}

    def ended() -> Any:
        states = [job.state.name for job in client.training.list()]
        return states if set(states) <= final else None

    states = until(ended, timeout=150)
    assert len(states) == 50
    found = {job.name: job for job in client.training.list()}
    for index, job in enumerate(jobs):
        assert found[job.name].state.name == ("JOB_STATE_FAILED" if index % 2 else "JOB_STATE_SUCCEEDED")
    query = 'resource.type="ml_job" AND jsonPayload.message:"at a time"'
    request = {"resource_names": ["projects/local-project"], "filter": query, "page_size": 1000}
    entries = list(client.clients.logging.list_log_entries(request=request))
    counts = [int(re.findall(r"\d+", entry.json_payload["message"])[0]) for entry in entries]
    assert len(counts) == 50
    assert max(counts) <= 3


def test_a_full_disk_is_told_and_got_over(tmp_path: Path) -> None:
    """No file may grow over 64 MiB: what a full disk does to the process that writes."""
    line = (sys.executable, "-m", "gcpmlops.emulator", "--data-dir", str(tmp_path / "data"), "--ready-fd", "1")
    limit = 64 << 20
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=log)
        try:
            assert child.stdout.readline() == b"ready\n"
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (limit, limit))
            state = launch.alive(tmp_path / "data")
            with connect(state) as client:
                client.storage.create_bucket("disk")
                blob = client.clients.storage.bucket("disk").blob("large")
                with pytest.raises(google_exceptions.GoogleAPICallError, match=r"(?i)file too large|no space|disk"):
                    blob.upload_from_string(bytes(limit + 1), retry=None)
                client.storage.upload(b"small", destination="gs://disk/small")
                assert [each.name for each in client.storage.list("gs://disk")] == ["small"]
        finally:
            child.terminate()
            assert child.wait(30) == 0
            child.stdout.close()

"""Hyperparameter tuning as users run it: Google's SDK, gcloud, and an emulator that is killed in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest
from google.cloud import aiplatform_v1

from gcpmlops import Client
from gcpmlops.emulator import launch

from .conftest import Shell, until

pytestmark = pytest.mark.xdist_group("e2e-tuning")
REGION = "--region=us-central1"
REPORT = (
    "import json, os; open(os.environ['CLOUD_ML_HP_METRIC_FILE'], 'w').write(json.dumps("
    "{'timestamp': 1, 'trial': '1', 'accuracy': '0.5', 'global_step': '1'}) + chr(10)); "
    "print('trial', os.environ['CLOUD_ML_TRIAL_ID'], flush=True)"
)
SLEEP = "import time; time.sleep(1000)"


def config(trials: int, parallel: int, script: str) -> dict[str, object]:
    """What gcloud's --config holds."""
    container = {"imageUri": "python:3.11", "command": ["python3", "-S", "-c", script]}
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}
    return {
        "maxTrialCount": trials,
        "parallelTrialCount": parallel,
        "studySpec": {
            "metrics": [{"metricId": "accuracy", "goal": "MAXIMIZE"}],
            "parameters": [
                {"parameterId": "rate", "doubleValueSpec": {"minValue": 0.001, "maxValue": 1}, "scaleType": 2},
                {"parameterId": "units", "integerValueSpec": {"minValue": "1", "maxValue": "9"}},
                {"parameterId": "kind", "categoricalValueSpec": {"values": ["a", "b"]}},
                {"parameterId": "batch", "discreteValueSpec": {"values": [16, 32]}},
            ],
        },
        "trialJobSpec": {"workerPoolSpecs": [pool]},
    }


def test_sdk(shell: Shell) -> None:
    said = shell.python("tuning.py", "grpc", "rest").stdout
    assert "tuned over grpc" in said
    assert "tuned over rest" in said


def test_vizier_sdk(shell: Shell) -> None:
    said = shell.python("vizier_study.py", "grpc", "rest").stdout
    assert "a study over grpc" in said
    assert "a study over rest" in said


@pytest.mark.gcloud
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud(shell: Shell, tmp_path: Path, unique) -> None:
    def gcloud(*command: str) -> str:
        return shell.tool("gcloud", "--quiet", "ai", "hp-tuning-jobs", *command).stdout.strip()

    name = unique("hp")
    create = ("create", REGION, "--config=job.json", "--format=value(name)")
    (tmp_path / "job.json").write_text(json.dumps(config(2, 1, REPORT)))
    job = gcloud(*create, f"--display-name={name}", "--algorithm=random-search", "--labels=team=a")
    (tmp_path / "job.json").write_text(json.dumps(config(9, 2, SLEEP)))
    endless = gcloud(*create, f"--display-name={name}")
    listed = gcloud("list", REGION, f"--filter=displayName={name}", "--format=value(name)").split()
    assert listed == [endless, job]
    gcloud("cancel", endless)
    until(lambda: gcloud("describe", endless, "--format=value(state)") == "JOB_STATE_CANCELLED")
    found = until(lambda: (reply := json.loads(gcloud("describe", job, "--format=json"))).get("endTime") and reply)
    assert found["state"] == "JOB_STATE_SUCCEEDED"
    assert [trial["finalMeasurement"]["metrics"] for trial in found["trials"]] == [
        [{"metricId": "accuracy", "value": 0.5}]
    ] * 2
    assert {each["parameterId"] for each in found["trials"][0]["parameters"]} == {"rate", "units", "kind", "batch"}
    # of a search, other than of a job, gcloud asks once whether it has ended: begun before, it would stream for ever
    streamed = gcloud("stream-logs", job, "--task-name=workerpool0-0", "--polling-interval=1").splitlines()
    assert [line.split("\t")[-1] for line in streamed] == ["trial 1", "trial 2"]


def test_kill_9_during_a_search(tmp_path: Path) -> None:
    data = tmp_path / "data"
    script = f"{REPORT}\nif os.environ['CLOUD_ML_TRIAL_ID'] == '3': {SLEEP}"
    spec = config(5, 1, script)
    clients: list[Client] = []

    def start() -> Client:
        state = launch.start(data, [])
        options = {"endpoint": state.endpoint, "credentials_file": str(data / "credentials.json")}
        clients.append(Client(project=state.project, location="us-central1", **options))
        return clients[-1]

    try:
        client = start()
        parent = f"projects/{client.config.project}/locations/us-central1"
        job = aiplatform_v1.HyperparameterTuningJob.from_json(json.dumps({"displayName": "killed", **spec}))
        jobs = client.clients.jobs
        name = jobs.create_hyperparameter_tuning_job(parent=parent, hyperparameter_tuning_job=job).name

        def measured() -> bool:
            trials = jobs.get_hyperparameter_tuning_job(name=name).trials
            return len(trials) == 3 and bool(trials[2].measurements)

        until(measured)
        state = launch.alive(data)
        assert state is not None
        os.kill(state.pid, signal.SIGKILL)
        launch.stop(state)  # reaps it
        until(lambda: not [one for one in psutil.process_iter() if _mentions(one, str(data))], timeout=30)
        jobs = start().clients.jobs
        found = jobs.get_hyperparameter_tuning_job(name=name)
        assert found.state.name == "JOB_STATE_FAILED"
        assert "restarted while the job ran" in found.error.message
        assert [trial.state.name for trial in found.trials] == ["SUCCEEDED", "SUCCEEDED", "INFEASIBLE"]
        assert [trial.final_measurement.metrics[0].value for trial in found.trials[:2]] == [0.5, 0.5]
        assert "restarted while the job ran" in found.trials[2].infeasible_reason
        assert found.trials[2].measurements[0].metrics[0].value == 0.5
        assert found.end_time
        assert found.trials[2].end_time
    finally:
        for each in clients:
            each.close()
        running = launch.alive(data)
        if running is not None:
            launch.stop(running)


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and text in " ".join(
            [*process.cmdline(), *process.environ().values()]
        )
    except psutil.Error:  # ended, or another user's
        return False

"""`gcpmlops training`: requests, preflight and machines without a service; runs, logs and Ctrl-C with one."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gcpmlops import Client
from gcpmlops.cli import root

GCPMLOPS = [sys.executable, "-c", "from gcpmlops.cli import main; main()"]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs `gcpmlops training ...` in a folder, without a service."""
    for name in ("GCPMLOPS_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GCPMLOPS_PROJECT", "p")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(root, ["training", *arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def environment(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leads command lines to the emulator."""
    for name, value in {
        "GCPMLOPS_PROJECT": client.config.project,
        "GCPMLOPS_ENDPOINT": client.config.endpoint,
        "GCPMLOPS_CREDENTIALS_FILE": client.config.credentials_file,
        "GCPMLOPS_STAGING_BUCKET": client.config.staging_bucket,
        "CLOUDSDK_CONFIG": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, str(value))


@pytest.fixture
def process(environment: None) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes of a test, ended with it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()
        each.communicate()


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*GCPMLOPS, "training", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_every_setting_has_its_option(offline, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    (tmp_path / "more.txt").write_text("six\n")
    options = [
        "--image=xgboost-cpu.2-1", "--requirement=pandas", "--requirement=more.txt", "--env=A=b", "--label=team=risk",
        "--network=n", "--service-account=sa", "--output-dir=gs://out/x", "--timeout=60", "--restart-on-failure",
        "--disable-retries", "--strategy=spot", "--tensorboard=7", "--experiment=e", "--experiment-run=r",
        "--boot-disk-gb=200", "--machine-type=z9", "--no-check-machine", "--worker-pool=",
        "--worker-pool=machine-type=n2-standard-8,replica_count=3", "--worker-pool=none",
    ]  # fmt: skip
    output = offline("submit", "train.py", *options, "--dry-run", "--format=json", "--", "--rows=5").stdout
    spec = json.loads(output)["jobSpec"]
    chief, workers, empty = spec["workerPoolSpecs"]
    assert (chief["machineSpec"]["machineType"], workers["machineSpec"]["machineType"]) == ("z9", "n2-standard-8")
    assert (workers["replicaCount"], empty) == ("3", {})
    assert chief["pythonPackageSpec"]["args"] == ["--rows=5"]
    assert spec["scheduling"]["strategy"] == "SPOT"
    assert spec["experimentRun"].endswith("/contexts/e-r")


@pytest.mark.parametrize("pool", ["what=1", "replica_count=many", "machine_type"])
def test_worker_pools_are_pairs(offline, pool: str) -> None:
    assert "Invalid value" in offline("submit", "--image", "i", "--worker-pool", pool, "--dry-run", code=2).stderr


def test_preflight(offline, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import argparse, shap\np = argparse.ArgumentParser()\np.parse_args()\n")
    result = offline("preflight", "train.py", "--format", "json", "--", "--rows=5", code=1)
    problems = json.loads(result.stdout)
    assert [(each["kind"], each["where"]) for each in problems] == [
        ("import", "train.py:1"),
        ("argument", "train.py:2"),
    ]
    assert 'Put "shap" into requirements.' in offline("preflight", "train.py", code=1).stdout
    assert "No problems." in offline("preflight", "train.py", "--requirement", "shap").stderr


def test_submit_says_what_is_wrong_and_starts_nothing(offline, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import shap\n")
    error = offline("submit", "train.py", code=1).stderr
    assert error.startswith("Error: the job would fail: 1 problem\n  train.py:1:")
    assert "--no-preflight" in error


def test_machines(offline) -> None:
    rows = json.loads(offline("machines", "--accelerator-type", "NVIDIA_L4", "--format", "json").stdout)
    assert {row["family"] for row in rows} == {"g2"}
    assert "n1-standard-4" in offline("machines").stdout
    assert "Did you mean n1-standard-4" in offline("submit", "--image=i", "--machine-type=n1-standard4", code=1).stderr


def test_run_shows_states_and_log(environment: None, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('hello')\n")
    result = CliRunner().invoke(root, ["training", "run", str(tmp_path / "train.py"), "--image", "python:3.11"])
    assert result.exit_code == 0, result.output
    assert "\nhello\n" in result.stderr
    assert "JOB_STATE_SUCCEEDED after" in result.stderr


SLOW = [
    "--image=python:3.11",
    "--command=python3",
    "--command=-c",
    "--",
    "import time\nprint('up', flush=True)\ntime.sleep(300)",
]


def test_ctrl_c_ends_the_wait_and_says_what_goes_on(client: Client, process, staging: str) -> None:
    run = started("run", *SLOW)
    process.append(run)
    assert run.stderr is not None
    first = run.stderr.readline()
    identifier = first.strip().rpartition("/")[2]
    follow = started("logs", identifier, "--follow", "--format=json")
    process.append(follow)
    assert follow.stdout is not None
    assert any(json.loads(line)["text"] == "up" for line in follow.stdout)  # as it comes: the job has not ended
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=20)
    assert run.returncode == 1
    assert f"gcpmlops training cancel {identifier}" in error
    assert "Traceback" not in error
    assert client.training.get(identifier).state.name == "JOB_STATE_RUNNING"
    client.training.cancel(identifier)
    follow.communicate(timeout=20)
    assert follow.returncode == 0


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from types import SimpleNamespace

    from gcpmlops.cli._progress import JobProgress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with JobProgress() as progress:
        progress.state(SimpleNamespace(state=SimpleNamespace(name="JOB_STATE_RUNNING")))
        progress.log(SimpleNamespace(text="[bold]as it is[/bold]"))
    assert "[bold]as it is[/bold]" in capsys.readouterr().err

"""Cloud Build by gcloud: a streamed log, triggers, approvals; this repository's own pipeline; kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.cloud import storage
from google.cloud.devtools import cloudbuild_v1

from gcpmlops import Client
from gcpmlops.emulator import launch

from .conftest import Shell, until

REPOSITORY = Path(__file__).parents[2]
needs_gcloud = pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
pytestmark = [pytest.mark.gcloud, pytest.mark.xdist_group("e2e-gcloud")]


@pytest.fixture
def builds(shell: Shell) -> Any:
    """Runs `gcloud builds`; its standard output."""
    return lambda *command, **options: shell.tool("gcloud", "--quiet", "builds", *command, **options).stdout.strip()


@needs_gcloud
def test_submit_streams_the_log_and_exits_as_the_build_did(builds: Any, shell: Shell) -> None:
    config = {
        "steps": [
            {"name": "ubuntu", "id": "look", "script": "cat data.txt"},
            {"name": "gcr.io/cloud-builders/gcloud", "args": ["config", "get", "project"]},
            {"name": "bash", "args": ["bash", "-c", "exit $_CODE"]},
        ],
        "substitutions": {"_CODE": "0"},
        "timeout": "60s",
    }
    (shell.cwd / "data.txt").write_text("of the folder\n")
    (shell.cwd / "build.json").write_text(json.dumps(config))
    streamed = builds("submit", "--config=build.json", "--substitutions=_CODE=4", ".", code=1)
    project = shell.environment["GOOGLE_CLOUD_PROJECT"]
    for line in ('Step #0 - "look": of the folder', f"Step #1: {project}", 'ERROR: build step 2 "bash" failed'):
        assert line in streamed
    (build,) = json.loads(builds("list", "--limit=1", "--format=json"))
    assert (build["status"], build["substitutions"]) == ("FAILURE", {"_CODE": "4"})
    assert builds("describe", build["id"], "--format=value(status)") == "FAILURE"
    assert "Step #1" in builds("log", build["id"])


@needs_gcloud
def test_triggers_approvals_and_cancelling(builds: Any, shell: Shell, unique: Any) -> None:
    name = unique("t")[:30]
    trigger = {
        "name": name,
        "build": {"steps": [{"name": "ubuntu", "args": ["sh", "-c", "echo $_WHO; sleep $_S"]}]},
        "substitutions": {"_WHO": "someone", "_S": "0"},
        "approvalConfig": {"approvalRequired": True},
    }
    (shell.cwd / "trigger.json").write_text(json.dumps(trigger))
    builds("triggers", "import", "--source=trigger.json")
    assert name in builds("triggers", "list", "--format=value(name)").split()
    ids = []
    for seconds in ("0", "100"):
        started = builds("triggers", "run", name, f"--substitutions=_S={seconds}", "--format=value(metadata.build.id)")
        assert builds("describe", started, "--format=value(status)") == "PENDING"
        shell.tool("gcloud", "--quiet", "beta", "builds", "approve", started, "--comment=seen")
        ids.append(started)

    def state(build: str) -> str:
        return str(builds("describe", build, "--format=value(status)"))

    until(lambda: state(ids[0]) == "SUCCESS")
    until(lambda: state(ids[1]) == "WORKING")
    builds("cancel", ids[1])
    until(lambda: state(ids[1]) == "CANCELLED")
    builds("triggers", "delete", name)


@needs_gcloud
def test_this_repository_s_own_pipeline(builds: Any, shell: Shell, google_environment: Any) -> None:
    """As in the cloud, but that its steps do a part of their work: all of it takes ten minutes."""
    home = Path(sys.executable).parent
    check = f"make -o install test BIN={home} WORKERS=0 ARGS='-q tests/emulator/services/cloud_build/test_waiting.py'"
    wheel = f"{home}/python -m build --no-isolation --skip-dependency-check --wheel --outdir dist ."
    config, given = REPOSITORY / "cloudbuild.yaml", f"^;^_CHECK={check};_WHEEL={wheel}"
    builds("submit", f"--config={config}", f"--substitutions={given}", str(REPOSITORY))
    (build,) = json.loads(builds("list", "--limit=1", "--format=json"))
    assert [(step["id"], step["status"]) for step in build["steps"]] == [("test", "SUCCESS"), ("wheel", "SUCCESS")]
    bucket, _, manifest = build["results"]["artifactManifest"].removeprefix("gs://").partition("/")
    blobs = storage.Client().list_blobs(bucket, prefix=os.path.dirname(manifest))  # noqa: PTH120 - an object's name
    assert any(blob.name.endswith(".whl") for blob in blobs)


def test_kill_9_ends_builds_and_leaves_nothing(tmp_path: Path) -> None:
    """A build that ran has failed with the reason; one that waits for its approval waits on, and then runs."""
    with Emulator(tmp_path / "data") as emulator:
        parent = f"projects/{emulator.state.project}/locations/us-central1"
        trigger = {"name": "approved", "build": _build("echo on"), "approval_config": {"approval_required": True}}
        made = emulator.api.create_build_trigger({"parent": parent, "trigger": trigger})
        waiting = emulator.api.run_build_trigger({"name": made.resource_name}).metadata.build
        running = emulator.api.create_build(parent=parent, build=_build("touch $$MARK; sleep 1000", tmp_path / "mark"))
        until((tmp_path / "mark").exists)
        left = until(lambda: _sleeping(tmp_path))
        os.kill(emulator.state.pid, signal.SIGKILL)
        launch.stop(emulator.state)
        emulator.start()
        build = emulator.api.get_build({"name": f"{parent}/builds/{running.metadata.build.id}"})
        assert build.status == cloudbuild_v1.Build.Status.INTERNAL_ERROR
        assert build.status_detail == "The emulator was restarted while the build ran."
        assert not any(process.is_running() for process in left)
        name = f"{parent}/builds/{waiting.id}"
        assert emulator.api.get_build({"name": name}).status == cloudbuild_v1.Build.Status.PENDING
        approved = emulator.api.approve_build({"name": name, "approval_result": {"decision": "APPROVED"}})
        assert approved.result(timeout=30).status == cloudbuild_v1.Build.Status.SUCCESS


class Emulator:
    """One that is started again on its data."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def start(self) -> None:
        self.state = launch.start(self._data, ())
        key = str(self._data / "credentials.json")
        self._client = Client(project=self.state.project, endpoint=self.state.endpoint, credentials_file=key)
        self.api = self._client.clients.builds

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        launch.stop(self.state)


def _build(script: str, mark: Path | None = None) -> dict[str, Any]:
    env = [f"MARK={mark}"] if mark else []
    step = {"name": "ubuntu", "args": ["sh", "-c", script], "env": env}
    return {"steps": [step], "options": {"logging": "CLOUD_LOGGING_ONLY"}}


def _sleeping(folder: Path) -> list[psutil.Process]:
    """Of the processes that work below the folder those that sleep by command."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # ended, or another user's
            if "sleep" in process.name() and str(folder) in process.cwd():
                found.append(process)
    return found

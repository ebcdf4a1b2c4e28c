"""Batch prediction through the SDK and Google's own client; containers that fail; kill -9 of the emulator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import psutil
import pytest
from sklearn.linear_model import LinearRegression

from .conftest import SCRIPTS, Shell, until
from .test_kill import family, kill, start  # noqa: F401 - a fixture

pytestmark = pytest.mark.xdist_group("e2e-batch")
CONTAINER = "gcr.io/me/failing:1"


def test_the_sdk(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit([[0, 0], [1, 0], [0, 1], [5, 7]], [0, 2, 1, 17]), file)  # 2x + y
    said = shell.python("batch_prediction.py", file, "grpc", "rest").stdout  # the SDK's start-up takes longer
    assert "batch prediction over grpc" in said
    assert "batch prediction over rest" in said


class Batches:
    """Jobs over one file, with a container of each kind."""

    def __init__(self, client: Any) -> None:
        self.client = client
        client.storage.create_bucket("staging")
        for count in (300, 40):
            lines = b"".join(b"[%d, 1]\n" % n for n in range(count))
            client.storage.upload(lines, destination=f"gs://staging/{count}.jsonl")
        client.storage.upload(b"{}", destination="gs://staging/own/weights.json")

    def submit(self, mode: str, count: int = 300) -> Any:
        model = self.client.models.upload(
            "gs://staging/own", display_name=mode, image=CONTAINER, env={"MODE": mode}, check=False
        )
        source = f"gs://staging/{count}.jsonl"
        return self.client.batch_predictions.submit(model, source=source, destination="gs://staging/o")


def test_containers_that_fail_and_kill_9(start: Any, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    image = f"{CONTAINER}={sys.executable} -S {SCRIPTS / 'failing_container.py'}"
    state, client = start("--image", image)
    batches = Batches(client)
    dying, html = batches.submit("dies"), batches.submit("html", 40)  # which asks again for each half, down to one
    done = dying.wait(timeout=90)
    assert done.counts == (300, 0, 0)
    frame = done.to_dataframe()
    assert [sum(instance) for instance in frame["instance"]] == list(frame["prediction"])
    assert len(frame) == 300
    failed = until(lambda: (job := html.refresh()).proto.end_time and job, timeout=90)
    assert "All 40 instances failed." in failed.proto.error.message
    assert (failed.state.name, failed.counts) == ("JOB_STATE_FAILED", (0, 40, 0))
    assert "Invalid response from prediction server" in failed.proto.error.message
    assert "<html>Sign in</html>" in failed.errors()[0].message

    hanging, waiting = [batches.submit("hangs") for _ in range(2)], batches.submit("dies")
    until(lambda: all("asked" in [line.text for line in job.logs()] for job in hanging))
    before = family(tmp_path / "data")
    kill(state)
    _, alive = psutil.wait_procs(before, timeout=30)
    assert alive == []
    assert family(tmp_path / "data") == []

    _, client = start("--image", image)
    found = {job.name: job for job in client.batch_predictions.list()}
    for job in hanging:
        assert found[job.name].state.name == "JOB_STATE_FAILED"
        assert found[job.name].proto.error.message == "The emulator was restarted while the job ran."
    assert found[waiting.name].proto.error.message == "The emulator was restarted before the job's turn came."
    assert found[dying.name].counts == (300, 0, 0)
    assert len(client.storage.list("gs://staging/o/prediction-hangs")) == 0

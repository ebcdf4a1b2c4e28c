"""Model servers that are killed, and kill -9 of the emulator behind them: endpoints answer as before."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import psutil
import pytest
from google.api_core.future.polling import DEFAULT_POLLING
from google.protobuf import json_format, struct_pb2

from .conftest import SCRIPTS, until
from .test_kill import SERVING, family, kill, start  # noqa: F401 - a fixture

pytestmark = pytest.mark.xdist_group("e2e-serving-kill")
CONTAINER = "gcr.io/me/own:1"
OFTEN = DEFAULT_POLLING.with_delay(initial=0.1, maximum=0.1)  # the clients would ask after 1 s, then 1.5 s, ...


class Endpoint:
    """One endpoint, by the official clients."""

    def __init__(self, client: Any, name: str = "") -> None:
        self.client = client
        self.parent = f"projects/{client.config.project}/locations/us-central1"
        self.name = name or self._create()

    def _create(self) -> str:
        create = self.client.clients.endpoints.create_endpoint
        return create(parent=self.parent, endpoint={"display_name": "e"}).result(60, polling=OFTEN).name

    def upload(self, uri: str, **container: Any) -> str:
        model = {"display_name": "m", "artifact_uri": uri, "container_spec": container}
        return self.client.clients.models.upload_model(parent=self.parent, model=model).result(60, polling=OFTEN).model

    def deploy(self, model: str, replicas: int, split: dict[str, int]) -> str:
        resources = {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": replicas}
        deployed = {"model": model, "dedicated_resources": resources}
        deploy = self.client.clients.endpoints.deploy_model
        done = deploy(endpoint=self.name, deployed_model=deployed, traffic_split=split).result(120, polling=OFTEN)
        return done.deployed_model.id

    def state(self) -> tuple[dict[str, int], dict[str, int]]:
        """The traffic split, and how many replicas are healthy, by deployed model."""
        found = self.client.clients.endpoints.get_endpoint(name=self.name)
        counts = {row.id: row.status.available_replica_count for row in found.deployed_models}
        return dict(found.traffic_split), counts

    def predict(self, timeout: float = 60) -> Any:
        instance = json_format.ParseDict([1.0, 2.0], struct_pb2.Value())
        return self.client.clients.prediction.predict(
            endpoint=self.name, instances=[instance], timeout=timeout, retry=None
        )

    def answers(self, count: int) -> dict[str, list[Any]]:
        """Predictions by deployed model; every request has to be answered."""
        found: dict[str, list[Any]] = {}
        for _ in range(count):
            answer = self.predict()
            found.setdefault(answer.deployed_model_id, []).append(answer)
        return found


def servers(data_dir: Path) -> list[psutil.Process]:
    """The processes of our model server."""
    return [process for process in family(data_dir) if "--uds" in process.cmdline() and "-I" not in process.cmdline()]


def test_endpoints_answer_after_kills(start: Any, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    image = f"{CONTAINER}={sys.executable} {SCRIPTS / 'container.py'}"
    state, client = start("--image", image)
    client.storage.create_bucket("staging")
    model = SimpleNamespace(predict=partial(np.dot, b=[1.0, 2.0]))  # loads without scikit-learn: five servers start
    joblib.dump(model, tmp_path / "model.joblib")
    client.storage.upload(tmp_path / "model.joblib", destination="gs://staging/model/")
    client.storage.upload(b'{"factor": 10}', destination="gs://staging/own/weights.json")
    endpoint = Endpoint(client)
    first = endpoint.deploy(endpoint.upload("gs://staging/model", image_uri=SERVING), 2, {"0": 100})
    env = [{"name": "LEVEL", "value": "$(AIP_MODE)!"}]
    own = endpoint.upload("gs://staging/own", image_uri=CONTAINER, env=env)
    client.storage.delete("gs://staging/own/weights.json")  # the container reads the copy
    second = endpoint.deploy(own, 1, {first: 60, "0": 40})
    assert endpoint.state() == ({first: 60, second: 40}, {first: 2, second: 1})

    found = endpoint.answers(20)
    assert Counter({key: len(answers) for key, answers in found.items()}) == {first: 12, second: 8}
    assert found[first][0].predictions[0] == pytest.approx(5.0)
    assert found[second][0].predictions[0] == 30
    assert found[second][0].metadata["level"] == "PREDICTION!"

    # One of two replicas, and the only one: everything is answered.
    pid = int(found[second][0].metadata["pid"])
    os.kill(servers(tmp_path / "data")[0].pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid))  # until then the system reads for it
    found = endpoint.answers(10)
    assert {answer.metadata["pid"] for answer in found[second]} != {pid}
    until(lambda: endpoint.state()[1] == {first: 2, second: 1})

    before = family(tmp_path / "data")
    kill(state)
    assert psutil.wait_procs(before, timeout=30)[1] == []
    _, client = start("--image", image)
    again = Endpoint(client, endpoint.name)
    found = again.answers(20)  # while the servers start
    assert {key: len(answers) for key, answers in found.items()} == {first: 12, second: 8}
    assert found[second][0].predictions[0] == 30
    assert again.state()[0] == {first: 60, second: 40}
    until(lambda: again.state()[1] == {first: 2, second: 1})

"""Sixteen connections that never pause, while models come, share, go back and leave: nobody hears of it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .conftest import until

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
CONNECTIONS = 16
MACHINE = {"machine_type": "n1-standard-2"}
BODY = json.dumps({"instances": [[1.0]]})
ENOUGH = 200  # answers between two changes


@dataclass(frozen=True)
class Answer:
    """One reply: when it was asked for and when it came, which deployed model says that it gave it, and what."""

    begun: float
    ended: float
    status: int
    deployed_model_id: str
    prediction: Any


@dataclass
class Load:
    """Plain HTTP/1.1 connections to the emulator's port, each asking again as soon as it is answered."""

    emulator: Any
    endpoint: str
    answers: list[Answer] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._ask) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def more(self) -> list[Answer]:
        """The next answers to requests that are yet to be sent."""
        start, now = len(self.answers), time.monotonic()
        until(lambda: sum(answer.begun > now for answer in self.answers[start:]) >= ENOUGH)
        return [answer for answer in self.answers[start:] if answer.begun > now]

    def _ask(self) -> None:
        token = (Path(self.emulator.data_dir) / "token").read_text()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        path = f"/us-central1-aiplatform.googleapis.com/v1/{self.endpoint}:predict"
        connection = http.client.HTTPConnection("127.0.0.1", self.emulator.port, timeout=30)
        while not self.stopped.is_set():
            begun = time.monotonic()
            connection.request("POST", path, BODY, headers)
            reply = connection.getresponse()
            found = json.loads(reply.read())
            prediction = found.get("predictions", [found])[0]
            self.answers.append(
                Answer(begun, time.monotonic(), reply.status, found.get("deployedModelId", ""), prediction)
            )
        connection.close()


@dataclass
class Rollout:
    """Deploys two versions, and remembers from when to when each was there."""

    endpoints: Any
    endpoint: str
    since: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)

    def deploy(self, model: str, split: dict[str, int]) -> str:
        deployed = {"model": model, "dedicated_resources": {"min_replica_count": 1, "machine_spec": MACHINE}}
        begun = time.monotonic()
        operation = self.endpoints.deploy_model(endpoint=self.endpoint, deployed_model=deployed, traffic_split=split)
        made = str(operation.result(timeout=60).deployed_model.id)
        self.since[made] = begun
        return made

    def share(self, split: dict[str, int]) -> None:
        endpoint = {"name": self.endpoint, "traffic_split": split}
        self.endpoints.update_endpoint(endpoint=endpoint, update_mask={"paths": ["traffic_split"]})

    def undeploy(self, deployed_id: str, split: dict[str, int]) -> None:
        self.endpoints.undeploy_model(
            endpoint=self.endpoint, deployed_model_id=deployed_id, traffic_split=split
        ).result(timeout=60)
        self.gone[deployed_id] = time.monotonic()


def constant(value: int) -> bytes:
    """A pickled model that answers one number, whatever it is asked."""
    source = f"type('Constant', (), {{'predict': lambda self, rows: [{value}] * len(rows)}})()"
    return b"cbuiltins\neval\n(V" + source.encode() + b"\ntR."


@pytest.fixture(scope="module")
def models(client, unique: Callable[[str], str]) -> list[str]:
    """Versions that answer 1 and 2."""
    bucket = unique("constants")
    client.storage.create_bucket(bucket)
    names = []
    for value in (1, 2):
        client.storage.upload(constant(value), destination=f"gs://{bucket}/{value}/model.pkl")
        upload = {
            "display_name": f"constant-{value}",
            "artifact_uri": f"gs://{bucket}/{value}",
            "container_spec": {"image_uri": IMAGE},
        }
        operation = client.clients.models.upload_model(parent=client.clients.parent, model=upload)
        names.append(str(operation.result(timeout=60).model))
    return names


def test_no_request_fails_while_models_come_and_go(emulator, client, models: list[str]) -> None:
    endpoints = client.clients.endpoints
    endpoint = (
        endpoints.create_endpoint(parent=client.clients.parent, endpoint={"display_name": "load"})
        .result(timeout=60)
        .name
    )
    rollout = Rollout(endpoints, endpoint)
    old = rollout.deploy(models[0], {"0": 100})
    with Load(emulator, endpoint).running() as load:
        assert {answer.deployed_model_id for answer in load.more()} == {old}
        new = rollout.deploy(models[1], {old: 95, "0": 5})
        shares = {}
        for share in (5, 20, 50, 100):
            rollout.share({old: 100 - share, new: share})
            shares[share] = load.more()
        rollout.share({old: 100, new: 0})  # back, at once
        assert {answer.deployed_model_id for answer in load.more()} == {old}
        rollout.undeploy(new, {old: 100})
        again = rollout.deploy(models[1], {old: 0, "0": 100})
        rollout.undeploy(old, {again: 100})
        assert {answer.deployed_model_id for answer in load.more()} == {again}
    check(load.answers, {old: 1, new: 2, again: 2}, rollout)
    for share, answers in shares.items():
        counts = Counter(answer.deployed_model_id for answer in answers)
        assert abs(counts[new] / len(answers) * 100 - share) < 5, (share, counts)
    rollout.undeploy(again, {})
    endpoints.delete_endpoint(name=endpoint).result(timeout=60)


def check(answers: list[Answer], predictions: dict[str, int], rollout: Rollout) -> None:
    """No failure, each model's own answer, and only from models that were deployed while the request was under way."""
    assert [answer for answer in answers if answer.status != 200] == []
    assert len(answers) > ENOUGH
    for answer in answers:
        assert answer.prediction == predictions[answer.deployed_model_id]
        assert rollout.since[answer.deployed_model_id] < answer.ended
        assert answer.begun < rollout.gone.get(answer.deployed_model_id, float("inf"))

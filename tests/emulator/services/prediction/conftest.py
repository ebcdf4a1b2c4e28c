"""PredictionService over models that are functions: what it makes of requests, without a process for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import json_format

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import SystemClock, TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.server_spec import ServerStoppedError
from gcpmlops.emulator.runtimes.unix_http import Chunks, HttpReply, StreamedReply
from gcpmlops.emulator.services.prediction import PredictionService
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p1/locations/us-central1"
MODEL = f"{PARENT}/models/1"
ENDPOINT = f"{PARENT}/endpoints/7"
Answer = Callable[[bytes], tuple[int, list[bytes]]]


def predicting(model: Callable[[Any], Any]) -> Answer:
    """A container that predicts each instance by a function."""

    def answer(body: bytes) -> tuple[int, list[bytes]]:
        return 200, [json.dumps({"predictions": [model(row) for row in json.loads(body)["instances"]]}).encode()]

    return answer


@dataclass
class Pool:
    """A deployed model's processes: here a function."""

    answer: Answer
    stopped: bool = False
    bodies: list[bytes] = field(default_factory=list)
    given_up: list[BaseException | None] = field(default_factory=list)
    spec: Any = field(default_factory=lambda: SimpleNamespace(predict_route="/predict", env={}))

    def request(self, method: str, target: str, body: bytes, headers: dict[str, str], timeout: float) -> HttpReply:
        reply = self.stream(method, target, body, headers, timeout)
        return HttpReply(reply.status, reply.headers, b"".join(reply.chunks))

    def stream(self, method: str, target: str, body: bytes, headers: dict[str, str], timeout: float) -> StreamedReply:
        if self.stopped:
            raise ServerStoppedError("undeployed")
        assert (method, target) == ("POST", "/predict")
        assert 0 < timeout <= 600
        self.bodies.append(body)
        status, parts = self.answer(body)
        return StreamedReply(status, {"content-type": "text/plain"}, Chunks(iter(parts), self.given_up.append))


@dataclass
class Metrics:
    """What was recorded."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def record(self, **values: Any) -> None:
        self.records.append(values)


@dataclass
class Tables:
    """What was logged, by table; `error` is raised instead."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    error: Exception | None = None

    def append(self, uri: str, location: str, schema: Any, rows: Any) -> None:
        if self.error is not None:
            raise self.error
        self.rows.setdefault(uri, []).extend(json.loads(row) for row in rows)


@dataclass
class Predictions:
    """The service, one endpoint, and what stands around them."""

    service: PredictionService
    endpoints: Any
    models: Any
    pools: dict[str, Pool]
    metrics: Metrics
    tables: Tables

    def serve(self, answers: dict[str, Answer], split: dict[str, int] | None = None, **fields: Any) -> None:
        """Deploy containers by id; without a split the first has all the traffic."""
        self.pools.update({key: Pool(answer) for key, answer in answers.items()})
        deployed = [{"id": key, "model": MODEL, "model_version_id": "1"} for key in answers]
        split = {next(iter(answers)): 100} if split is None else split
        self.endpoints.put(
            ENDPOINT,
            types.Endpoint(
                name=ENDPOINT, display_name="late flights", deployed_models=deployed, traffic_split=split, **fields
            ),
        )

    def explained(self, spec: dict[str, Any]) -> None:
        """Give the model an explanation_spec."""
        version = types.Model.pb()(name=MODEL, version_id="1")
        if spec:
            json_format.ParseDict(spec, version.explanation_spec)
        self.models.put(f"{MODEL}@1", types.Model.wrap(version))


@pytest.fixture
def predictions(tmp_path: Path) -> Iterator[Predictions]:
    clock = SystemClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    pool = ThreadPoolExecutor(2)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), Agenda(TravelClock(), pool))
    pools: dict[str, Pool] = {}
    deployments: Any = SimpleNamespace(find=lambda endpoint, deployed_id: pools[deployed_id])
    metrics, tables = Metrics(), Tables()
    service = PredictionService(context, deployments, metrics=metrics, tables=lambda: tables)
    models = store.collection(types.Model)
    models.put(MODEL, types.Model(name=MODEL, display_name="delays", version_id="1"))
    made = Predictions(service, store.collection(types.Endpoint), models, pools, metrics, tables)
    made.explained({})
    yield made
    service.close()
    pool.shutdown()
    store.close()

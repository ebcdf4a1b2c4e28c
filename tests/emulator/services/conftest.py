"""The Vertex AI serving services in this process, with real model servers under this environment's Python."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import json_format, struct_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import SystemClock, TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.servers import Servers
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.endpoints import EndpointService
from gcpmlops.emulator.services.prediction import PredictionService
from gcpmlops.emulator.services.registry.models import ModelService
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p1/locations/us-central1"
OWN_IMAGE = "gcr.io/me/own:1"  # starts in a few milliseconds, and does what its instances tell it to
OWN = f"{sys.executable} -I -S {Path(__file__).parents[1] / 'runtimes' / 'programs' / 'server.py'}"
IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"


@dataclass
class Folder:
    """An ObjectStore of one bucket, `b`, in a directory."""

    path: Path

    def put(self, name: str, content: bytes) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def exists(self, bucket: str) -> bool:
        return bucket == "b"

    def list(self, bucket: str, prefix: str) -> Iterator[Any]:
        files = sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())
        return (_Info(name) for name in files if name.startswith(prefix))

    def local_path(self, bucket: str, name: str) -> Path:
        return self.path / name

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        self.put(name, source.read_bytes())


@dataclass
class _Info:
    name: str
    size: int = 0
    generation: int = 1


@dataclass
class Serving:
    """All three services and what they stand on."""

    context: Context
    objects: Folder
    artifacts: Artifacts
    processes: Processes
    servers: Servers
    deployments: Deployments
    models: ModelService
    endpoints: EndpointService
    prediction: PredictionService
    logs: list[tuple[Any, ...]] = field(default_factory=list)

    def done(self, operation: operations_pb2.Operation, response: Any = None) -> Any:
        """Wait for an operation; its response, or its error as the exception that clients would see."""
        request = operations_pb2.WaitOperationRequest(name=operation.name)
        request.timeout.FromSeconds(120)
        operation = self.context.operations.wait_operation(request)
        assert operation.done
        if operation.HasField("error"):
            raise exceptions.from_grpc_status(operation.error.code, operation.error.message)
        if response is None:
            return None
        found = response.pb()()
        assert operation.response.Unpack(found)
        return response.wrap(found)

    def put_model(self, prefix: str, model: Any, name: str = "model.joblib") -> str:
        """Store a pickled model; its gs:// folder."""
        buffer = io.BytesIO()
        joblib.dump(model, buffer)
        self.objects.put(f"{prefix}/{name}", buffer.getvalue())
        return f"gs://b/{prefix}"

    def upload(self, uri: str, parent_model: str = "", model_id: str = "", **fields: Any) -> types.UploadModelResponse:
        """Register a model."""
        container = {"image_uri": fields.pop("image", IMAGE), **fields.pop("container", {})}
        model = {"display_name": "m", "artifact_uri": uri, "container_spec": container, **fields}
        request = types.UploadModelRequest(parent=PARENT, model=model, parent_model=parent_model, model_id=model_id)
        return self.done(self.models.upload_model(request), types.UploadModelResponse)

    def create(self, **fields: Any) -> types.Endpoint:
        """A new endpoint."""
        request = types.CreateEndpointRequest(parent=PARENT, endpoint={"display_name": "e", **fields})
        return self.done(self.endpoints.create_endpoint(request), types.Endpoint)

    def deploy(self, endpoint: str, model: str, split: dict[str, int] | None = None, **fields: Any) -> str:
        """Deploy a model; the id it got."""
        resources = {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1}
        deployed = {"model": model, "dedicated_resources": resources, **fields}
        request = types.DeployModelRequest(
            endpoint=endpoint, deployed_model=deployed, traffic_split={"0": 100} if split is None else split
        )
        return self.done(self.endpoints.deploy_model(request), types.DeployModelResponse).deployed_model.id

    def undeploy(self, endpoint: str, deployed_id: str, split: dict[str, int] | None = None) -> None:
        """Undeploy a model."""
        request = types.UndeployModelRequest(
            endpoint=endpoint, deployed_model_id=deployed_id, traffic_split=split or {}
        )
        self.done(self.endpoints.undeploy_model(request))

    def predict(self, endpoint: str, instances: list[Any], **fields: Any) -> types.PredictResponse:
        """Ask an endpoint."""
        rows = [json_format.ParseDict(instance, struct_pb2.Value()) for instance in instances]
        request = types.PredictRequest.pb()(endpoint=endpoint, instances=rows, **fields)
        return self.prediction.predict(types.PredictRequest.wrap(request))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with _serving(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared_serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """For tests that only ask."""
    with _serving(tmp_path_factory.mktemp("serving")) as found:
        yield found


@contextmanager
def _serving(tmp_path: Path) -> Iterator[Serving]:
    clock = SystemClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    pool = ThreadPoolExecutor(16)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), Agenda(TravelClock(), pool))
    logs: list[tuple[Any, ...]] = []
    objects = Folder(tmp_path / "bucket")
    artifacts = Artifacts(tmp_path / "models", objects)
    processes = Processes(tmp_path / "processes")
    with tempfile.TemporaryDirectory() as sockets:
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        servers = Servers(Path(sockets), processes, lambda image: Path(sys.executable), env, images={OWN_IMAGE: OWN})
        deployments = Deployments(context, servers, artifacts, lambda *entry: logs.append(entry))
        yield Serving(
            context=context,
            objects=objects,
            artifacts=artifacts,
            processes=processes,
            servers=servers,
            deployments=deployments,
            models=ModelService(context, artifacts),
            endpoints=EndpointService(context, deployments),
            prediction=PredictionService(context, deployments, seed=7),
            logs=logs,
        )
        servers.close()
        assert processes.living == []
        processes.close()
    pool.shutdown()
    store.close()

"""The service in this process, on servers that do nothing but come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.notebooks_v2 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.notebook import Disk
from gcpmlops.emulator.runtimes.process import Exit
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.notebooks.instances import Instances
from gcpmlops.emulator.services.notebooks.machines import Machines
from gcpmlops.emulator.services.notebooks.scripts import Scripts
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p1/locations/us-central1-a"


@dataclass
class Server:
    """Stands for a JupyterLab; `crash` ends it by itself."""

    port: int
    on_exit: Callable[[Exit], None]
    token: str = "secret"
    ended: bool = False

    def end(self) -> None:
        self.ended = True

    def join(self) -> None:
        assert self.ended

    def crash(self) -> None:
        self.on_exit(Exit(1, None, False, False, ("Traceback",)))


@dataclass
class Runtime:
    """A NotebookRuntime without processes.

    Attributes:
        servers: all that were started.
        on_start: called before a server is there, with its cancellation: fails or waits.
        scripts: what was run.
    """

    directory: Path
    servers: list[Server] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    on_start: Callable[[Any], None] = lambda _: None

    def disk(self, instance_id: str) -> Disk:
        return Disk(self.directory / instance_id)

    def environment(self, on_line: Any, cancellation: Any) -> None:
        self.on_start(cancellation)

    def start(
        self,
        disk: Disk,
        _: Any,
        *,
        account: str,
        project: str,
        port: int,
        on_line: Any,
        on_exit: Any,
        cancellation: Any,
    ) -> Server:
        disk.make()
        cancellation.check()
        self.accounts.append(f"{account} in {project}")
        server = Server(port or 4000 + len(self.servers), on_exit)
        self.servers.append(server)
        on_line("stdout", "Jupyter is there")
        return server

    def run(self, server: Server, script: Path, on_line: Any, on_exit: Any) -> None:
        self.scripts.append(script.read_text())
        on_exit(Exit(0, None, False, False, ()))


@dataclass
class Workbench:
    """The service, and what stands behind it."""

    context: Context
    runtime: Runtime
    objects: Path
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """As an emulator does that starts on this data."""
        runtime: Any = self.runtime
        store: Any = self
        scripts = Scripts(runtime, store)
        self.machines = Machines(self.context, runtime, scripts, self._write)
        policies = Policies(self.context, self.machines.rows.get, permissions="notebooks.")
        self.api = Instances(self.context, self.machines, policies)

    def local_path(self, bucket: str, name: str) -> Path:
        """As of an ObjectStore."""
        return self.objects / bucket / name

    def create(self, name: str = "nb", **fields: Any) -> Any:
        request = types.CreateInstanceRequest(parent=PARENT, instance_id=name, instance=types.Instance(**fields))
        return self.api.create_instance(request)

    def get(self, name: str = "nb") -> types.Instance:
        return self.api.get_instance(types.GetInstanceRequest(name=f"{PARENT}/instances/{name}"))

    def do(self, verb: str, name: str = "nb") -> Any:
        """Starts, stops, resets or deletes it; waits for that, and raises its error."""
        request = getattr(types, f"{verb.capitalize()}InstanceRequest")(name=f"{PARENT}/instances/{name}")
        return self.done(getattr(self.api, f"{verb}_instance")(request))

    def update(self, *paths: str, **fields: Any) -> Any:
        instance = types.Instance(name=f"{PARENT}/instances/nb", **fields)
        request = types.UpdateInstanceRequest(instance=instance, update_mask={"paths": paths})
        return self.done(self.api.update_instance(request))

    def done(self, operation: Any) -> Any:
        request = operations_pb2.WaitOperationRequest(name=operation.name)
        request.timeout.FromSeconds(30)
        operation = self.context.operations.wait_operation(request)
        assert operation.done
        if operation.HasField("error"):
            raise exceptions.from_grpc_status(operation.error.code, operation.error.message)
        return operation

    def _write(self, log: str, resource: Any, severity: str, text: Any, labels: Any = None, /) -> None:
        self.lines.append(text)


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    clock = TravelClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    pool = ThreadPoolExecutor(8)
    agenda = Agenda(clock, pool)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    settings = Settings(data_dir=tmp_path, project="p1")
    context = Context(store, clock, operations, Locks(), settings, agenda)
    yield Workbench(context, Runtime(tmp_path / "notebooks"), tmp_path / "objects")
    agenda.close()
    pool.shutdown()
    store.close()

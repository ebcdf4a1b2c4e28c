"""The BigQuery app on a port of its own, with objects that are files in a folder."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from gcpmlops.emulator.kernel.clock import SystemClock
from gcpmlops.emulator.runtimes.objects import ObjectInfo
from gcpmlops.emulator.runtimes.process import Processes, reap_leftovers  # noqa: F401 - used by standalone.py
from gcpmlops.emulator.services.bigquery.app import BigQueryApp
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine
from gcpmlops.emulator.state.store import Store

PROJECT = "test-project"


class Folder:
    """An ObjectStore over a directory per bucket."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, bucket: str) -> bool:
        return (self.root / bucket).is_dir()

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        base = self.root / bucket
        names = sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())
        return (ObjectInfo(name, (base / name).stat().st_size, 1) for name in names if name.startswith(prefix))

    def local_path(self, bucket: str, name: str) -> Path:
        path = self.root / bucket / name
        if not path.is_file():
            raise NotFound(f"No such object: {bucket}/{name}")
        return path

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        path = self.root / bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)

    def put(self, uri: str, content: bytes | str) -> str:
        path = self.root / uri.removeprefix("gs://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return uri


@dataclass
class Running:
    """What a test needs to know of the app that runs."""

    url: str
    objects: Folder
    engine: BigQueryEngine
    app: BigQueryApp
    root: Path


def serve(app: BigQueryApp) -> tuple[str, uvicorn.Server, threading.Thread]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started = threading.Event()

    async def run() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[sock]))
        started.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    started.wait(10)
    return f"http://127.0.0.1:{sock.getsockname()[1]}", server, thread


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    root = Path(tempfile.mkdtemp(prefix="bq-"))
    store = Store(root / "state.db", now=SystemClock().now)
    processes = Processes(root / "processes")
    objects = Folder(root / "objects")
    engine = BigQueryEngine(root / "bigquery", root / "bq.sock", processes)
    app = BigQueryApp(engine, store, objects, root / "transfer", SystemClock(), PROJECT)
    url, server, thread = serve(app)
    yield Running(url, objects, engine, app, root)
    server.should_exit = True
    thread.join(10)
    app.close()
    processes.close()
    store.close()
    shutil.rmtree(root)


@pytest.fixture
def client(running: Running) -> Iterator[bigquery.Client]:
    options = ClientOptions(api_endpoint=running.url)
    with_anonymous = bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options=options)  # type: ignore[no-untyped-call]
    yield with_anonymous
    with_anonymous.close()


@pytest.fixture
def objects(running: Running) -> Folder:
    return running.objects


@pytest.fixture
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"d_{abs(hash(request.node.nodeid)) % 10**9}"
    client.create_dataset(name)
    yield name
    client.delete_dataset(name, delete_contents=True, not_found_ok=True)

"""The Storage app alone, served by uvicorn on a loopback port, and the official client against it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from gcpmlops.emulator.kernel.clock import ManualClock
from gcpmlops.emulator.services.storage import StorageApp, StorageEngine
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

MAX_BODY = 24 * 1024 * 1024


class Served:
    """An engine behind an app behind a server; ``restart`` makes all three anew over the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC))
        self.start()

    def start(self, *, port: int = 0) -> None:
        self.store = Store(self.folder / "state.db", now=self.clock.now)
        self.engine = StorageEngine(
            self.store, Blobs(self.folder / "blobs"), self.clock, project="local-project", project_number="123456789012"
        )
        self.app = StorageApp(self.engine, max_body_bytes=MAX_BODY)
        config = uvicorn.Config(
            self.app, host="127.0.0.1", port=port, log_level="error", lifespan="off", http="httptools"
        )
        self.server = uvicorn.Server(config)
        ready = threading.Event()
        self.server.startup = _signalling(self.server.startup, ready)  # type: ignore[method-assign]
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()))
        self.thread.start()
        assert ready.wait(20)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self, *, clean: bool = True) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.app.close()
        if clean:
            self.engine.close()
        else:
            self.engine.sessions.close()
        self.store.close()

    def restart(self, *, clean: bool = True) -> None:
        port = self.port
        self.stop(clean=clean)
        self.start(port=port)


def _signalling(startup, ready):
    async def run(sockets=None):
        await startup(sockets=sockets)
        ready.set()

    return run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def engine(served: Served) -> StorageEngine:
    return served.engine


@pytest.fixture
def storage_client(served: Served) -> Iterator[storage.Client]:
    client = storage.Client(
        project="local-project", credentials=AnonymousCredentials(), client_options={"api_endpoint": served.url}
    )
    yield client
    client.close()


@pytest.fixture
def bucket(storage_client: storage.Client) -> storage.Bucket:
    return storage_client.create_bucket("bucket-1")

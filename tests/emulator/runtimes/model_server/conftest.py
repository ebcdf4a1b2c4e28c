"""Model servers as real processes, asked over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gcpmlops.emulator.runtimes import model_server

PROGRAM = Path(model_server.__file__).parent


class Served:
    """One running model server on a unix socket."""

    def __init__(self, directory: Path, uds: Path, env: Mapping[str, str], options: tuple[str, ...]) -> None:
        self.uds = uds
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--model-dir", str(directory), "--uds", str(uds), *options],
            env={**os.environ, "PYTHONWARNINGS": "", "PYTHONDONTWRITEBYTECODE": "", **env},
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._loaded = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Loaded "):
                self._loaded.set()
        self._loaded.set()

    def ready(self) -> Served:
        """Wait for the health route."""
        assert self._loaded.wait(60)
        while self.process.poll() is None:
            try:
                assert self.ask("GET", "/health")[0] == 200
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(0.005)  # loaded, not listening yet
            else:
                return self
        raise AssertionError(self.log())

    def log(self) -> str:
        """Everything that it printed, once it has ended."""
        self.process.wait(60)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return "\n".join(self.lines)

    def connect(self) -> socket.socket:
        """A new connection."""
        found = socket.socket(socket.AF_UNIX)
        found.settimeout(20)
        try:
            found.connect(str(self.uds))
        except OSError:
            found.close()
            raise
        return found

    def exchange(self, data: bytes) -> bytes:
        """Send bytes and close the sending side; everything that comes back."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request; status and JSON of the reply."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        return reply.status, json.loads(text) if text else None

    def predict(self, body: Any) -> tuple[int, Any]:
        """One prediction request."""
        return self.ask("POST", "/predict", body, **{"content-type": "application/json"})

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(40)


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts servers of a folder, with variables and further options; they end with the module."""
    started: list[Served] = []

    def start(directory: Path, *options: str, **env: str) -> Served:
        uds = tmp_path_factory.mktemp("s") / "s"
        started.append(Served(directory, uds, env, options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.log()

"""The process side of the emulator: the loop, the port, the lock on the data directory, start and stop."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from gcpmlops.emulator.kernel.front import Backends, Front
from gcpmlops.emulator.kernel.http import Http
from gcpmlops.emulator.kernel.http1 import Http1

log = logging.getLogger(__name__)

STATE_FILE = "emulator.json"
_LONGEST_BASE = 48  # characters: a unix socket's path has about 104, and what stands below takes its part


class StartError(Exception):
    """The emulator can't start; the text is one clear line for the user."""


@dataclass(frozen=True)
class Running:
    """What ``emulator.json`` says of a running emulator; ``options`` are those that it was started with."""

    pid: int
    port: int
    project: str
    data_dir: str
    sockets: str
    options: list[str] = field(default_factory=list, compare=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def prepare(data_dir: Path) -> None:
    """Makes the private data directory.

    Raises: StartError where it can't be made, read or written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        probe = data_dir / ".probe"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise StartError(f"data directory {data_dir}: {error.strerror}. Choose another with --data-dir.") from None


def lock(data_dir: Path) -> IO[str]:
    """Takes the data directory for this process; the kernel lets go of it however the process ends.

    Raises: StartError where another emulator has it.
    """
    handle = (data_dir / "lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        other = running(data_dir)
        who = f"pid {other.pid}, {other.endpoint}" if other else "it is just starting"
        handle.close()
        raise StartError(
            f"an emulator runs on {data_dir} already ({who}). Stop it with `gcpmlops emulator stop`."
        ) from None
    return handle


def is_locked(data_dir: Path) -> bool:
    """Whether a living emulator holds the data directory."""
    path = data_dir / "lock"
    if not path.exists():
        return False
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(handle, fcntl.LOCK_UN)
    return False


def running(data_dir: Path) -> Running | None:
    """The emulator that wrote ``emulator.json`` last, alive or not."""
    try:
        return Running(**json.loads((data_dir / STATE_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def announce(data_dir: Path, state: Running) -> None:
    """Says where the emulator listens; written whole, when it answers."""
    part = data_dir / f".{STATE_FILE}"
    part.write_text(json.dumps(state.__dict__), "utf-8")
    part.rename(data_dir / STATE_FILE)


def sockets(data_dir: Path, stack: ExitStack) -> Path:
    """A private directory with a short path for the internal unix sockets; one left by a killed emulator goes."""
    before = running(data_dir)
    if before is not None and Path(before.sockets).name.startswith("gcpmlops-"):
        shutil.rmtree(before.sockets, ignore_errors=True)
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not 0 < len(base) <= _LONGEST_BASE:
        base = "/tmp"  # noqa: S108 - short, and mkdtemp makes it 0700
    path = Path(tempfile.mkdtemp(prefix="gcpmlops-", dir=base))
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return path


class _Dated(ServerState):
    """What uvicorn's connections share; their Date header follows the emulator's clock at once."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._said = (-1, b"")
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        second = int(self._now().timestamp())
        if second != self._said[0]:
            self._said = (second, formatdate(second, usegmt=True).encode())
        return [(b"date", self._said[1])]

    @default_headers.setter
    def default_headers(self, value: list[tuple[bytes, bytes]]) -> None:
        """Uvicorn's own default: none."""


class Server:
    """Listens on the one port until it is told to stop.

    Args:
        http: the ASGI application.
        make_backends: what connections are handed to.
        now: the emulator's clock, for the Date header.
    """

    def __init__(
        self,
        http: Http,
        make_backends: Callable[[Callable[[], asyncio.Protocol]], Backends],
        now: Callable[[], datetime],
    ) -> None:
        config = Config(
            http, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False,
        )  # fmt: skip
        config.load()
        self._state = _Dated(now)
        self._config = config
        self._backends = make_backends(self._http_protocol)
        self._connections: set[asyncio.Transport] = set()

    def _http_protocol(self) -> asyncio.Protocol:
        return Http1(self._config, self._state, app_state={})

    async def serve(self, host: str, port: int, on_ready: Callable[[int], Any]) -> None:
        """Serves until SIGTERM, SIGINT or SIGHUP.

        Raises: StartError where the port is taken.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        try:
            listener = await loop.create_server(lambda: Front(self._backends, self._connections), host, port)
        except OSError as error:
            raise StartError(f"{host}:{port}: {_why(error)}. Choose another with --port.") from None
        on_ready(listener.sockets[0].getsockname()[1])
        await stop.wait()
        listener.close()
        self._end_connections()

    def _end_connections(self) -> None:
        for transport in list(self._connections):
            transport.abort()


def _why(error: OSError) -> str:
    return "the port is taken" if error.errno == 98 or "in use" in str(error) else str(error.strerror or error)

"""All model servers of one emulator, by deployed model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import OnLine, Processes
from gcpmlops.emulator.runtimes.scaling import Capacity
from gcpmlops.emulator.runtimes.server import DRAIN_SECONDS, ModelServer
from gcpmlops.emulator.runtimes.server_programs import Programs
from gcpmlops.emulator.runtimes.server_spec import ServerSpec
from gcpmlops.emulator.runtimes.serving_images import pythons

__all__ = ["Servers", "pythons"]


class Servers:
    """Starts, finds and stops model servers.

    Args:
        sockets: a folder of this user's only, with a short path (a socket's has 104 bytes at most).
        processes: starts supervised processes.
        python_for: the Python that serves a prebuilt image (`pythons`).
        env: variables that every server gets (those that point Google's clients at this emulator).
        environments: for other images than the prebuilt ones.
        images: image URI to local command, or to the folder of a custom prediction routine.
        scratch: for working directories; None is beside the sockets.
        capacity: how many replicas run at a time; None is this machine's.
        identity: the variables with which a process acts as a service account.
    """

    def __init__(
        self,
        sockets: Path,
        processes: Processes,
        python_for: Callable[[str], Path],
        env: Mapping[str, str],
        *,
        environments: Environments | None = None,
        images: Mapping[str, str] | None = None,
        scratch: Path | None = None,
        capacity: Capacity | None = None,
        identity: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        work = scratch or sockets / "servers"
        self.programs = Programs(sockets, work, python_for, environments, images or {}, env, identity=identity)
        self._processes = processes
        self._capacity = capacity or Capacity.of_machine()
        self._servers: dict[str, ModelServer] = {}
        self._lock = threading.Lock()

    def start(self, spec: ServerSpec, on_line: OnLine) -> ModelServer:
        """Begin to serve `spec.name` in the background; `wait_ready` of the result tells how it went."""
        with self._lock:
            if spec.name in self._servers:
                raise exceptions.AlreadyExists(f"{spec.name} is being served already.")
            server = ModelServer(spec, self.programs.launch, self._processes, on_line, self._capacity)
            self._servers[spec.name] = server
        server.start()
        return server

    def reads_storage(self, spec: ServerSpec) -> bool:
        """Whether the program of a model's image reads its files through AIP_STORAGE_URI."""
        try:
            return self.programs.kind(spec) != "prebuilt"
        except exceptions.InvalidArgument:
            return False  # its start tells why it can't

    def find(self, name: str) -> ModelServer | None:
        """The server of a deployed model."""
        return self._servers.get(name)

    def stop(self, name: str, drain: float = DRAIN_SECONDS) -> None:
        """End a server once its requests in flight are answered; nothing where there is none."""
        with self._lock:
            server = self._servers.pop(name, None)
        if server is not None:
            server.stop(drain)

    def close(self) -> None:
        """End every server now, all at once."""
        with self._lock:
            servers, self._servers = list(self._servers.values()), {}
        threads = [threading.Thread(target=server.stop, args=(0.0,)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

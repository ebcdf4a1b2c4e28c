"""All model servers of one emulator: where their sockets lie, what their processes run with, by deployed model."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import images, model_server
from gcpmlops.emulator.runtimes.artifacts import MODEL_FILES, model_file
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import OnLine, Processes, ProcessSpec
from gcpmlops.emulator.runtimes.scaling import Capacity
from gcpmlops.emulator.runtimes.server import DRAIN_SECONDS, ModelServer
from gcpmlops.emulator.runtimes.server_spec import Launch, ServerSpec
from gcpmlops.emulator.runtimes.unix_http import UnixHttp

SERVER_PACKAGES = ("orjson",)  # beside those that every prediction image has here
KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
)


class Servers:
    """Starts, finds and stops model servers.

    Args:
        sockets: a folder of this user's only, with a short path (a socket's has 104 bytes at most).
        processes: starts supervised processes.
        python_for: the Python that serves an image (`pythons`).
        env: variables that every server gets (those that point Google's clients at this emulator).
        capacity: how many replicas run at a time; None is this machine's.
    """

    def __init__(
        self,
        sockets: Path,
        processes: Processes,
        python_for: Callable[[str], Path],
        env: Mapping[str, str],
        capacity: Capacity | None = None,
    ) -> None:
        self._sockets = sockets
        self._processes = processes
        self._python_for = python_for
        self._env = env
        self._capacity = capacity or Capacity.of_machine()
        self._servers: dict[str, ModelServer] = {}
        self._lock = threading.Lock()
        self._counter = itertools.count(1)

    def start(self, spec: ServerSpec, on_line: OnLine) -> ModelServer:
        """Begin to serve `spec.name` in the background; `wait_ready` of the result tells how it went."""
        with self._lock:
            if spec.name in self._servers:
                raise exceptions.AlreadyExists(f"{spec.name} is being served already.")
            server = ModelServer(spec, self._launch, self._processes, on_line, self._capacity)
            self._servers[spec.name] = server
        server.start()
        return server

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

    def _launch(self, spec: ServerSpec) -> Launch:
        path = self._sockets / f"model-{next(self._counter)}"
        return Launch(self._command(spec, path), UnixHttp(path), gone=lambda: path.unlink(missing_ok=True))

    def _command(self, spec: ServerSpec, socket_path: Path) -> ProcessSpec:
        model_file(spec.model_dir, prediction_image(spec.image).framework, spec.artifact_uri)
        program = Path(model_server.__file__).parent
        argv = [str(self._python_for(spec.image)), str(program), "--model-dir", str(spec.model_dir)]
        return ProcessSpec(
            argv=[*argv, "--uds", str(socket_path)],
            env={**self._base(), **spec.env, **routes(spec)},
            cwd=spec.model_dir,
            grace_s=DRAIN_SECONDS,
        )

    def _base(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        # threads that spin while they wait would hold up the other processes on these cores
        return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "PYTHONUNBUFFERED": "1", **self._env}


def routes(spec: ServerSpec) -> dict[str, str]:
    """The variables of the container contract that say where to listen and what to load."""
    return {
        "AIP_HEALTH_ROUTE": spec.health_route,
        "AIP_PREDICT_ROUTE": spec.predict_route,
        "AIP_STORAGE_URI": spec.artifact_uri,
    }


def prediction_image(uri: str) -> images.Image:
    """The prebuilt prediction image of a framework that the model server can stand in for.

    Raises: InvalidArgument naming the images that can be served.
    """
    try:
        image = images.parse(uri)
    except LookupError as error:
        raise exceptions.InvalidArgument(str(error)) from error
    if image is not None and image.serving and image.framework in MODEL_FILES:
        return image
    raise exceptions.InvalidArgument(
        f"The serving container image {uri!r} cannot run here: the local model server stands in for the prebuilt "
        "images REGION-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-N:latest and .../xgboost-cpu.X-Y:latest."
    )


def pythons(environments: Environments) -> Callable[[str], Path]:
    """The Python that serves an image, by its URI; making its environment takes seconds the first time."""
    return lambda uri: environments.ensure(prediction_image(uri), requirements=SERVER_PACKAGES).python

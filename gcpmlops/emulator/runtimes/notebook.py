"""JupyterLab as a supervised process: what stands for the virtual machine of a Workbench instance."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.environment import Environment, Environments
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.runtimes.layer import Layer, make_layer
from gcpmlops.emulator.runtimes.ports import free_port
from gcpmlops.emulator.runtimes.process import Exit, OnExit, OnLine, Process, Processes, ProcessSpec
from gcpmlops.emulator.runtimes.workspace import Workspace

# JupyterLab, Google's clients and what data scientists find on Google's own image
IMAGE = Image(
    "workbench-instances",
    "notebook",
    (
        "jupyterlab>=4.2,<5",
        "ipykernel",
        "google-cloud-aiplatform",
        "google-cloud-storage",
        "google-cloud-bigquery",
        "google-cloud-bigquery-storage",
        "pandas<3",
        "pyarrow",
        "db-dtypes",
        "gcsfs",
        "scikit-learn",
        "matplotlib",
    ),
    (11, 12, 10, 13),
)
_LOOK_SECONDS = 0.02  # between two looks whether it listens
_START_SECONDS = 180.0
_GRACE_SECONDS = 5.0
_TAIL_LINES = 20


@dataclass(frozen=True)
class Disk:
    """The folder of an instance: what is kept while it is stopped."""

    path: Path

    @property
    def home(self) -> Path:
        """The user's files: what JupyterLab shows."""
        return self.path / "home"

    @property
    def kernels(self) -> Path:
        """Where Jupyter looks for kernels first."""
        return self.path / "jupyter"

    def make(self) -> None:
        """Makes what is not there."""
        for folder in (self.path, self.home, self.kernels):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def token(self) -> Path:
        """The file of the server's token, the same for as long as the disk is."""
        path = self.path / "token"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(24))
        return path

    def layer(self, base: Environment) -> Layer:
        """What `pip install` in a notebook adds to the shared environment; made anew on another one."""
        path, user, mark = self.path / "packages", self.home / ".local", self.path / "packages.of"
        if path.exists() and mark.exists() and mark.read_text() == str(base.path):
            return Layer(path, base, user)
        shutil.rmtree(path, ignore_errors=True)
        layer = make_layer(base, path, user)
        mark.write_text(str(base.path))
        return layer

    def workspace(self) -> Workspace:
        """Temporary folders of one run."""
        shutil.rmtree(self.path / "run", ignore_errors=True)
        return Workspace(self.path / "run")

    def remove(self) -> None:
        """Nothing is left."""
        shutil.rmtree(self.path, ignore_errors=True)


class NotebookServer:
    """One run of JupyterLab on a loopback port of its own.

    Attributes:
        port: where it listens, once started.
        variables: the environment of its kernels and terminals.
    """

    def __init__(self, disk: Disk, base: Mapping[str, str], *, port: int) -> None:
        self.port = port
        self.variables: dict[str, str] = {}
        self._disk = disk
        self._base = base
        self._gone = threading.Event()
        self._exit: Exit | None = None
        self._process: Process | None = None

    @property
    def token(self) -> str:
        """What a browser has to bring."""
        return self._disk.token().read_text()

    def start(
        self,
        environment: Environment,
        processes: Processes,
        on_line: OnLine,
        on_exit: OnExit,
        cancellation: Cancellation,
    ) -> None:
        """Returns when it listens.

        Raises: FailedPrecondition with its last lines where it ends before, or never listens; Cancelled.
        """

        def ended(result: Exit) -> None:
            self._exit = result
            self._gone.set()
            on_exit(result)

        spec = self._spec(environment)
        runtime = Path(spec.env["JUPYTER_RUNTIME_DIR"])
        self._process = processes.start(spec, on_line, ended)
        deadline = time.monotonic() + _START_SECONDS
        with cancellation.calls(self._process.cancel):
            while not (port := _listening(runtime)):
                if self._gone.wait(_LOOK_SECONDS):
                    cancellation.check()
                    raise self._refused(f"ended with {self._exit.describe() if self._exit else 'no status'}")
                if time.monotonic() > deadline:
                    self.end()
                    self.join()
                    raise self._refused(f"did not listen within {_START_SECONDS:g} s")
        self.port = port

    def run(self, script: Path, processes: Processes, on_line: OnLine, on_exit: OnExit) -> Process:
        """A script of the user's beside the server."""
        spec = ProcessSpec(["bash", str(script)], self.variables, self._disk.home, grace_s=_GRACE_SECONDS)
        return processes.start(spec, on_line, on_exit)

    def end(self) -> None:
        """SIGTERM, then SIGKILL, to it and its kernels; returns at once."""
        if self._process is not None:
            self._process.cancel()

    def join(self) -> None:
        """Returns when the process is gone."""
        if self._process is not None:
            self._process.wait()

    def _spec(self, environment: Environment) -> ProcessSpec:
        disk = self._disk
        disk.make()
        layer, workspace = disk.layer(environment), disk.workspace()
        runtime = workspace.folder("jupyter")
        runtime.mkdir(mode=0o700)
        _write_kernel(disk.kernels, layer.python)
        self.variables = {
            **self._base,
            **workspace.variables(),
            **layer.variables(),
            "HOME": str(disk.home),
            "SHELL": shutil.which("bash") or "/bin/sh",
            "JUPYTER_PATH": str(disk.kernels),
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_TOKEN_FILE": str(disk.token()),
        }
        argv = [
            *(str(environment.python), "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"),
            *(f"--ServerApp.port={free_port(self.port)}", "--ServerApp.allow_root=True"),
            f"--ServerApp.root_dir={disk.home}",
            # nothing is asked of the internet by itself
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
        ]
        return ProcessSpec(argv, self.variables, disk.home, grace_s=_GRACE_SECONDS)

    def _refused(self, why: str) -> exceptions.FailedPrecondition:
        tail = "\n".join(self._exit.tail[-_TAIL_LINES:]) if self._exit and self._exit.tail else "(it printed nothing)"
        return exceptions.FailedPrecondition(f"JupyterLab {why}. Its last lines:\n{tail}")


class NotebookRuntime:
    """Starts servers, each on its own disk below `directory`."""

    def __init__(
        self,
        processes: Processes,
        environments: Callable[[], Environments],
        directory: Path,
        variables: Callable[[str], Mapping[str, str]],
    ) -> None:
        self._processes = processes
        self._environments = environments
        self._directory = directory
        self._variables = variables

    def disk(self, instance_id: str) -> Disk:
        """The folder of an instance, by its unique id."""
        return Disk(self._directory / instance_id)

    def environment(self, on_line: OnLine, cancellation: Cancellation) -> Environment:
        """The environment of all servers: made by uv the first time, which takes seconds to minutes.

        Raises: FailedPrecondition with the installer's last lines, InvalidArgument where no Python fits, Cancelled.
        """
        return self._environments().ensure(IMAGE, on_line=on_line, cancellation=cancellation)

    def start(
        self,
        disk: Disk,
        environment: Environment,
        *,
        account: str,
        project: str,
        port: int,
        on_line: OnLine,
        on_exit: OnExit,
        cancellation: Cancellation,
    ) -> NotebookServer:
        """A server that listens; see `NotebookServer.start`. A free `port` is taken, else another."""
        own = {"GOOGLE_CLOUD_PROJECT": project, "CLOUDSDK_CORE_PROJECT": project}
        server = NotebookServer(disk, {**self._variables(account), **own}, port=port)
        server.start(environment, self._processes, on_line, on_exit, cancellation)
        return server

    def run(self, server: NotebookServer, script: Path, on_line: OnLine, on_exit: OnExit) -> Process:
        """A script beside a server, with the variables of its kernels."""
        return server.run(script, self._processes, on_line, on_exit)


def _write_kernel(folder: Path, python: Path) -> None:
    """The kernel runs on the instance's own layer, so that what it installs is its own."""
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True, exist_ok=True)
    spec: dict[str, Any] = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    (kernel / "kernel.json").write_text(json.dumps(spec))


def _listening(runtime: Path) -> int:
    """The port of the server that says in its file that it listens; 0 where none does."""
    for path in runtime.glob("jpserver-*.json"):
        with contextlib.suppress(ValueError, KeyError, OSError):  # half-written
            port = int(json.loads(path.read_text())["port"])
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return port
    return 0

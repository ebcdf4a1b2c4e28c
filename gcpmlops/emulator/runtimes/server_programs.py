"""Which program stands for a serving image here, with what it is run, and where it will answer.

- an image that `images` maps: that local command, or, where it is a folder, the custom prediction routine in it
- a prebuilt prediction image: our model server, in the environment of the image
- `python:3.N` with a command: that command, in an environment with the requirements.txt of the model's files
- any other: Docker, where a daemon answers

Our own server listens on a unix socket; the others on AIP_HTTP_PORT of 127.0.0.1, a free port for each process.
"""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import docker, model_server
from gcpmlops.emulator.runtimes.artifacts import added_packages, model_file
from gcpmlops.emulator.runtimes.environment import Environment, Environments
from gcpmlops.emulator.runtimes.layer import make_layer
from gcpmlops.emulator.runtimes.ports import free_port
from gcpmlops.emulator.runtimes.process import ProcessSpec
from gcpmlops.emulator.runtimes.server_spec import Launch, ServerSpec
from gcpmlops.emulator.runtimes.serving_images import (
    SERVER_PACKAGES,
    can_import,
    is_routine,
    known_image,
    prediction_image,
    requirements,
    routine_image,
)
from gcpmlops.emulator.runtimes.training_spec import expand, expand_all
from gcpmlops.emulator.runtimes.unix_http import PortHttp, UnixHttp

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
GRACE_SECONDS = 2.0  # the pool has waited for what was under way, or does not want it any more
FOREIGN_GRACE_SECONDS = 10.0
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "venv", "__pycache__", "node_modules")

Kind = Literal["command", "routine", "python", "docker", "prebuilt"]


class Programs:
    """Starts of model servers.

    Args:
        sockets: a folder of this user's only, with a short path (a socket's has 104 bytes at most).
        scratch: for a folder of each process; what an earlier emulator left there is removed.
        python_for: the Python that serves a prebuilt image.
        environments: for the other images.
        images: image URI to local command or folder.
        env: variables that every server gets (those that point Google's clients at this emulator).
        identity: the variables with which a process acts as a service account.
    """

    def __init__(
        self,
        sockets: Path,
        scratch: Path,
        python_for: Callable[[str], Path],
        environments: Environments | None,
        images: Mapping[str, str],
        env: Mapping[str, str],
        *,
        identity: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._sockets = sockets
        self._scratch = scratch
        self._python_for = python_for
        self._environments = environments
        self._images = images
        self._env = env
        self._identity = identity
        self._counter = itertools.count(1)
        remove(scratch)
        scratch.mkdir(mode=0o700, parents=True)

    def kind(self, spec: ServerSpec) -> Kind:
        """What stands for the image. Raises InvalidArgument for one that can't run here."""
        local = self._images.get(spec.image)
        if local is not None and not Path(local).is_dir():
            return "command"
        if local is not None:
            return "routine"
        image = known_image(spec.image)
        if is_routine(spec.env):
            here = image is not None or can_import(spec.env, spec.model_dir)
            return "docker" if not here and docker.available() else "routine"
        if image is not None and image.framework == "python":
            return "python"
        if image is None and docker.available():
            return "docker"
        prediction_image(spec.image)
        return "prebuilt"

    def prepare(self, spec: ServerSpec) -> None:
        """Make what every start needs, once. Raises as `launch`."""
        kind = self.kind(spec)
        if kind == "prebuilt":
            self._prebuilt_python(spec)
        elif kind == "routine":
            self._routine_python(spec)
        elif kind == "python":
            self._environment(spec)

    def launch(self, spec: ServerSpec) -> Launch:
        """The next start of one process.

        Raises: InvalidArgument for an image that can't run here, FailedPrecondition where something of it is missing.
        """
        kind = self.kind(spec)
        if kind == "prebuilt":
            model_file(spec.model_dir, prediction_image(spec.image).framework, spec.artifact_uri)
            return self._ours(spec, self._prebuilt_python(spec), spec.model_dir, {}, [])
        if kind == "routine":
            return self._routine(spec)
        if kind == "docker":
            return self._docker(spec)
        return self._python(spec) if kind == "python" else self._command(spec)

    def _prebuilt_python(self, spec: ServerSpec) -> Path:
        """The image's, with what the model's files need that Vertex AI's image does not have."""
        more = added_packages(spec.model_dir)
        if not more:
            return self._python_for(spec.image)
        return self._made.ensure(prediction_image(spec.image), requirements=(*SERVER_PACKAGES, *more)).python

    def _ours(
        self, spec: ServerSpec, python: Path, cwd: Path, more: Mapping[str, str], folders: Sequence[Path]
    ) -> Launch:
        path = self._sockets / f"model-{next(self._counter)}"
        argv = [str(python), str(Path(model_server.__file__).parent), "--model-dir", str(spec.model_dir)]
        env = {**self._base(spec), **spec.env, **variables(spec), **more}
        process = ProcessSpec([*argv, "--uds", str(path)], env, cwd, grace_s=GRACE_SECONDS)
        return Launch(process, UnixHttp(path), gone=lambda: remove(path, *folders))

    def _routine(self, spec: ServerSpec) -> Launch:
        """Google's own classes, imported by our server from a copy of the user's source: it may write beside them."""
        python = self._routine_python(spec)
        folder = self._folder()
        copy(self._source(spec), folder)
        path = os.pathsep.join([str(folder), *filter(None, [spec.env.get("PYTHONPATH")])])
        return self._ours(spec, python, folder, {"PYTHONPATH": path}, [folder])

    def _routine_python(self, spec: ServerSpec) -> Path:
        source = self._source(spec)
        return self._made.ensure(routine_image(spec.image), requirements=requirements(source)).python

    def _source(self, spec: ServerSpec) -> Path:
        """Where the routine's classes are: the folder that stands for the image, else the model's own files."""
        local = self._images.get(spec.image)
        if not is_routine(spec.env):
            raise exceptions.FailedPrecondition(
                f"{spec.image} stands for the folder {local}, the source of a custom prediction routine: the container "
                "must have the environment variables PREDICTOR_MODULE and PREDICTOR_CLASS (or HANDLER_MODULE and "
                "HANDLER_CLASS), which LocalModel.build_cpr_model writes into the image."
            )
        if local is None and not can_import(spec.env, spec.model_dir):
            raise exceptions.FailedPrecondition(
                f"{spec.image} is a custom prediction routine, and its source is neither among the model's files nor "
                f"known: start the emulator with --image {spec.image}=FOLDER, the src_dir of "
                "LocalModel.build_cpr_model (with its requirements.txt)."
            )
        return Path(local) if local is not None else spec.model_dir

    def _python(self, spec: ServerSpec) -> Launch:
        environment = self._environment(spec)
        folder = self._folder()
        layer = make_layer(environment, folder / "env", folder / "user")
        copy(spec.model_dir, folder / "work")
        return self._foreign(spec, [], layer.variables(), folder)

    def _environment(self, spec: ServerSpec) -> Environment:
        image = known_image(spec.image)
        if image is None or not spec.command:
            raise exceptions.InvalidArgument(
                f"{spec.image} runs nothing by itself: give the model's container a command that serves on "
                "AIP_HTTP_PORT, and a requirements.txt beside the model's files."
            )
        return self._made.ensure(image, requirements=requirements(spec.model_dir))

    def _command(self, spec: ServerSpec) -> Launch:
        return self._foreign(spec, shlex.split(self._images[spec.image]), {}, self._folder())

    def _foreign(self, spec: ServerSpec, command: Sequence[str], more: Mapping[str, str], folder: Path) -> Launch:
        """A program that listens on AIP_HTTP_PORT, in a working directory of its own."""
        client, work = ports(spec), folder / "work"
        work.mkdir(exist_ok=True)
        words, env = container(spec, client, {**self._base(spec), **more})
        process = ProcessSpec([*command, *words], env, work, grace_s=FOREIGN_GRACE_SECONDS)
        return Launch(process, client, gone=lambda: remove(folder))

    def _docker(self, spec: ServerSpec) -> Launch:
        client, folder, name = ports(spec), self._folder(), f"gcpmlops-{uuid.uuid4().hex[:12]}"
        words, env = container(spec, client, self._env_of(spec))
        command, args = words[: len(spec.command)], words[len(spec.command) :]
        process = ProcessSpec(
            docker.command(name, spec.image, command, args, env, folder),
            {**os.environ, **env},
            folder,
            grace_s=FOREIGN_GRACE_SECONDS,
        )

        def gone() -> None:
            docker.remove(name)
            remove(folder)

        return Launch(process, client, gone)

    @property
    def _made(self) -> Environments:
        if self._environments is None:
            raise exceptions.FailedPrecondition("No environments can be made here.")
        return self._environments

    def _base(self, spec: ServerSpec) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        # threads that spin while they wait would hold up the other processes on these cores
        return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "PYTHONUNBUFFERED": "1", **self._env_of(spec)}

    def _env_of(self, spec: ServerSpec) -> dict[str, str]:
        return {**self._env, **self._identity(spec.account)}

    def _folder(self) -> Path:
        folder = self._scratch / f"{next(self._counter)}"
        folder.mkdir(mode=0o700)
        return folder


def ports(spec: ServerSpec) -> PortHttp:
    """Free ports for a container: for HTTP, and for gRPC where it speaks that."""
    return PortHttp(free_port(), free_port() if spec.grpc else None)


def variables(spec: ServerSpec, client: PortHttp | None = None) -> dict[str, str]:
    """The variables of the container contract that say where to listen and what to load.

    AIP_GRPC_PORT is our own: on Vertex AI a container has its `grpc_ports` for itself.
    """
    return {
        "AIP_HEALTH_ROUTE": spec.health_route,
        "AIP_PREDICT_ROUTE": spec.predict_route,
        "AIP_STORAGE_URI": spec.artifact_uri,
        **({"AIP_HTTP_PORT": str(client.port)} if client is not None else {}),
        **({"AIP_GRPC_PORT": str(client.grpc.port)} if client is not None and client.grpc is not None else {}),
    }


def container(spec: ServerSpec, client: PortHttp, base: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command with arguments, and the environment, with every `$(NAME)` resolved in both."""
    given = variables(spec, client)
    env = {**base, **expand_all(spec.env, {**base, **given}), **given}
    return [expand(word, env) for word in (*spec.command, *spec.args)], env


def copy(source: Path, target: Path) -> None:
    """The files of a folder, which the copy's owner may change; nothing where there is no such folder."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_COPIED, dirs_exist_ok=True)


def remove(*paths: Path) -> None:
    """Files and folders, whether they are there or not."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

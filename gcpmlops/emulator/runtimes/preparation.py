"""What a replica needs before its process can start: packages, files of Cloud Storage, an environment, variables."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import docker, images
from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.gcs_paths import GcsPaths, copy_file
from gcpmlops.emulator.runtimes.layer import make_layer
from gcpmlops.emulator.runtimes.package_sources import literal_paths
from gcpmlops.emulator.runtimes.ports import free_port
from gcpmlops.emulator.runtimes.process import ProcessSpec
from gcpmlops.emulator.runtimes.replicas import OnTaskLine, Prepared
from gcpmlops.emulator.runtimes.training_spec import Replica, TrainingSpec, expand, expand_all, replicas
from gcpmlops.emulator.runtimes.training_variables import variables
from gcpmlops.emulator.runtimes.workspace import Workspace

if TYPE_CHECKING:
    from gcpmlops.emulator.runtimes.training import Training

_GS = re.compile(r"gs://([^/]+)/(.+)")
_DATA_URI = re.compile(r"AIP_\w+_DATA_URI")  # a training pipeline's data, which programs also read below /gcs


class Preparation:
    """Of one job, in its workspace; `cleanups` take what has to go with the job."""

    def __init__(
        self,
        training: Training,
        spec: TrainingSpec,
        workspace: Workspace,
        gcs: GcsPaths,
        cancellation: Cancellation,
        on_line: OnTaskLine,
        cleanups: ExitStack,
    ) -> None:
        self._training = training
        self._spec = spec
        self._workspace = workspace
        self._gcs = gcs
        self._cancellation = cancellation
        self._on_line = on_line
        self._cleanups = cleanups

    def all(self) -> list[Prepared]:
        """Every replica of the job, ready to start.

        Raises: Cancelled; NotFound for a missing package, FailedPrecondition for one that can't be installed.
        """
        everyone = replicas(self._spec)
        ports = [free_port() for _ in everyone]
        return [self._prepare(replica, ports) for replica in everyone]

    def _prepare(self, replica: Replica, ports: Sequence[int]) -> Prepared:
        """Downloads, installs and rewrites."""
        pool, workspace = replica.pool, self._workspace
        archives = [self._download(uri) for uri in pool.packages]
        base = {**self._training.base_env, **self._training.identity(self._spec.account)}
        given = variables(self._spec, replica, ports)
        own = expand_all(pool.env, {**base, **given})
        told = {**base, **given, **own}
        command, args = ([expand(word, told) for word in words] for words in (pool.command, pool.args))
        mentions = [*command, *args, *own.values(), *literal_paths(archives)]
        uris = [self._spec.output_uri, *(value for name, value in own.items() if _DATA_URI.fullmatch(name))]
        self._gcs.bring([*mentions, *(uri.replace("gs://", "/gcs/", 1) for uri in uris)])
        image = self._training.resolve(pool.image)
        if image is None:
            return self._in_docker(replica, command, args, told)
        words = [self._gcs.rewrite(word) for word in (*command, *args)]
        layered: dict[str, str] = {}
        if isinstance(image, str):
            argv = [*shlex.split(image), *words]
        else:
            argv, layered = self._in_environment(replica, image, archives, words)
        seen = {"/gcs": workspace.gcs} if any(workspace.gcs.iterdir()) else {}
        rewritten = {key: self._gcs.rewrite(value) for key, value in own.items()}
        env = {**base, **workspace.variables(), **layered, **given, **rewritten}
        return Prepared(replica, ProcessSpec(argv, env, workspace.work, timeout_s=self._spec.timeout_s, mounts=seen))

    def _in_docker(
        self, replica: Replica, command: Sequence[str], args: Sequence[str], told: Mapping[str, str]
    ) -> Prepared:
        name = f"gcpmlops-{self._spec.job_id}-{replica.name}"
        self._cleanups.callback(docker.remove, name)
        argv = docker.command(name, replica.pool.image, command, args, told, self._workspace.gcs)
        env = {**os.environ, **told}
        return Prepared(replica, ProcessSpec(argv, env, self._workspace.work, timeout_s=self._spec.timeout_s))

    def _in_environment(
        self, replica: Replica, image: images.Image, archives: Sequence[Path], words: Sequence[str]
    ) -> tuple[list[str], dict[str, str]]:
        environment = self._training.environments.ensure(
            image,
            archives=archives,
            on_line=lambda stream, text: self._on_line(replica.name, stream, text),
            cancellation=self._cancellation,
        )
        own, user = self._workspace.folder(f"env-{replica.name}"), self._workspace.folder("user")
        layer = make_layer(environment, own, user)
        if replica.pool.module:
            return [str(layer.python), "-m", replica.pool.module, *words], layer.variables()
        return list(words) or ["python3"], layer.variables()

    def _download(self, uri: str) -> Path:
        found = _GS.fullmatch(uri)
        if not found:
            raise exceptions.InvalidArgument(f"Package {uri!r} is not of the form gs://BUCKET/OBJECT.")
        target = self._workspace.packages / Path(found[2]).name
        if not target.exists():
            copy_file(self._training.store.local_path(found[1], found[2]), target)
        return target

"""Training jobs: each replica of each worker pool is a supervised local process in the environment of its image."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import docker, images
from gcpmlops.emulator.runtimes.cancellation import Cancellation, Cancelled
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.gcs_paths import GcsPaths, copy_file
from gcpmlops.emulator.runtimes.layer import make_layer
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.runtimes.package_sources import literal_paths
from gcpmlops.emulator.runtimes.process import Processes, ProcessSpec
from gcpmlops.emulator.runtimes.replicas import OnTaskLine, Prepared, Replicas
from gcpmlops.emulator.runtimes.training_spec import (
    Replica,
    State,
    TrainingSpec,
    expand,
    expand_all,
    replicas,
    variables,
)
from gcpmlops.emulator.runtimes.workspace import Workspace

log = logging.getLogger(__name__)

OnState = Callable[[State, Exception | None], None]
"""Called with each new state; FAILED comes with the reason as a Google API error."""
_GS = re.compile(r"gs://([^/]+)/(.+)")


class Training:
    """Starts training jobs.

    Args:
        processes: supervises every process.
        environments: stands for the images.
        store: Cloud Storage.
        directory: scratch space; what an earlier emulator left there is removed.
        base_env: variables that lead a job's Google calls back to the emulator.
        images: image URI to local command, for images that no environment stands for.
    """

    def __init__(
        self,
        processes: Processes,
        environments: Environments,
        store: ObjectStore,
        directory: Path,
        base_env: Mapping[str, str],
        images: Mapping[str, str],
    ) -> None:
        self.processes = processes
        self.environments = environments
        self.store = store
        self.base_env = dict(base_env)
        self.images = images
        self.directory = directory
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True)

    def check(self, spec: TrainingSpec) -> None:
        """Tells what can be known before a job starts.

        Raises: InvalidArgument for an image that can't run here, NotFound for a missing bucket.
        """
        for pool in spec.pools:
            image = self.resolve(pool.image) if pool is not None else None
            if isinstance(image, images.Image):
                self.environments.check(image)
        uris = [spec.output_uri, *(uri for pool in spec.pools if pool for uri in pool.packages)]
        for uri in filter(None, uris):
            bucket = uri.removeprefix("gs://").split("/")[0]
            if not self.store.exists(bucket):
                raise exceptions.NotFound(f"The specified bucket does not exist: gs://{bucket} (of {uri}).")

    def resolve(self, uri: str) -> images.Image | str | None:
        """An image that an environment stands for, the local command that is configured, or None: Docker runs it.

        Raises: InvalidArgument.
        """
        if uri in self.images:
            return self.images[uri]
        try:
            image = images.parse(uri)
        except LookupError as error:
            raise exceptions.InvalidArgument(str(error)) from error
        if image is None and not docker.available():
            raise exceptions.InvalidArgument(
                f"Image {uri} can't run here: it is neither a prebuilt Vertex AI image nor python:3.N, no Docker "
                "daemon answers, and no local command stands for it (gcpmlops emulator start --image URI=COMMAND)."
            )
        return image

    def start(self, spec: TrainingSpec, on_state: OnState, on_line: OnTaskLine) -> TrainingJob:
        """Starts a job in the background; callbacks come from its own threads, the final state last."""
        job = self.job(spec, on_state, on_line)
        job.begin()
        return job

    def job(self, spec: TrainingSpec, on_state: OnState, on_line: OnTaskLine) -> TrainingJob:
        """A job that `begin` will start, and that may be cancelled before."""
        return TrainingJob(self, spec, on_state, on_line)


class TrainingJob:
    """One job that runs; made by `Training.start`."""

    def __init__(self, training: Training, spec: TrainingSpec, on_state: OnState, on_line: OnTaskLine) -> None:
        self._training = training
        self._spec = spec
        self._on_state = on_state
        self._on_line = on_line
        self._cancellation = Cancellation()
        self._cleanups = ExitStack()
        self._thread = threading.Thread(target=self._run, name=f"job-{spec.job_id}", daemon=True)

    def begin(self) -> None:
        """Starts the job's thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Asks the job to stop, in whatever phase it is; returns at once."""
        self._cancellation.request()

    def join(self, timeout: float | None = None) -> None:
        """Waits until the final state was told, `timeout` seconds at most."""
        self._thread.join(timeout)

    def _run(self) -> None:
        state, error = State.FAILED, None
        try:
            self._on_state(State.PENDING, None)
            workspace = Workspace(self._training.directory / self._spec.job_id)
            self._cleanups.callback(workspace.remove)
            with self._cleanups:
                self._execute(workspace)
            state = State.SUCCEEDED
        except Cancelled:
            state = State.CANCELLED
        except exceptions.GoogleAPICallError as failure:
            error = failure
        except Exception as failure:
            log.exception("job %s", self._spec.job_id)
            error = exceptions.InternalServerError(f"The job could not be run: {failure}")
        self._on_state(state, error)

    def _execute(self, workspace: Workspace) -> None:
        gcs = GcsPaths(workspace.gcs, self._training.store, lambda text: self._on_line("service", "stderr", text))
        everyone = replicas(self._spec)
        with _free_ports(len(everyone)) as ports:
            prepared = [self._prepare(replica, workspace, gcs, ports) for replica in everyone]
        self._cancellation.check()
        with gcs.kept_in_store():
            Replicas(self._training.processes, self._cancellation, self._on_line).until_done(
                prepared, lambda: self._on_state(State.RUNNING, None)
            )

    def _prepare(self, replica: Replica, workspace: Workspace, gcs: GcsPaths, ports: Sequence[int]) -> Prepared:
        """Downloads, installs and rewrites; what is left is to start the process."""
        pool = replica.pool
        archives = [self._download(uri, workspace.packages) for uri in pool.packages]
        base, given = self._training.base_env, variables(self._spec, replica, ports)
        own = expand_all(pool.env, {**base, **given})
        told = {**base, **given, **own}
        command, args = ([expand(word, told) for word in words] for words in (pool.command, pool.args))
        mentions = [*command, *args, *own.values(), *literal_paths(archives)]
        gcs.bring([*mentions, self._spec.output_uri.replace("gs://", "/gcs/")])
        image = self._training.resolve(pool.image)
        if image is None:
            return self._in_docker(replica, workspace, command, args, told)
        words = [gcs.rewrite(word) for word in (*command, *args)]
        layered: dict[str, str] = {}
        if isinstance(image, str):
            argv = [*shlex.split(image), *words]
        else:
            argv, layered = self._in_environment(replica, workspace, image, archives, words)
        seen = workspace.gcs if any(workspace.gcs.iterdir()) else None
        rewritten = {key: gcs.rewrite(value) for key, value in own.items()}
        env = {**base, **workspace.variables(), **layered, **given, **rewritten}
        return Prepared(replica, ProcessSpec(argv, env, workspace.work, timeout_s=self._spec.timeout_s, gcs=seen))

    def _in_docker(
        self,
        replica: Replica,
        workspace: Workspace,
        command: Sequence[str],
        args: Sequence[str],
        told: Mapping[str, str],
    ) -> Prepared:
        name = f"gcpmlops-{self._spec.job_id}-{replica.name}"
        self._cleanups.callback(docker.remove, name)
        argv = docker.command(name, replica.pool.image, command, args, told, workspace.gcs)
        env = {**os.environ, **told}
        return Prepared(replica, ProcessSpec(argv, env, workspace.work, timeout_s=self._spec.timeout_s))

    def _in_environment(
        self,
        replica: Replica,
        workspace: Workspace,
        image: images.Image,
        archives: Sequence[Path],
        words: Sequence[str],
    ) -> tuple[list[str], dict[str, str]]:
        environment = self._training.environments.ensure(
            image,
            archives=archives,
            on_line=lambda stream, text: self._on_line(replica.name, stream, text),
            cancellation=self._cancellation,
        )
        layer = make_layer(environment, workspace.folder(f"env-{replica.name}"), workspace.folder("user"))
        if replica.pool.module:
            return [str(layer.python), "-m", replica.pool.module, *words], layer.variables()
        return list(words) or ["python3"], layer.variables()

    def _download(self, uri: str, folder: Path) -> Path:
        found = _GS.fullmatch(uri)
        if not found:
            raise exceptions.InvalidArgument(f"Package {uri!r} is not of the form gs://BUCKET/OBJECT.")
        target = folder / Path(found[2]).name
        if not target.exists():
            copy_file(self._training.store.local_path(found[1], found[2]), target)
        return target


class _free_ports:  # noqa: N801 - reads as a function
    """Free local ports, held until the block ends, so that no two jobs that start together get the same."""

    def __init__(self, count: int) -> None:
        self._sockets = [socket.socket() for _ in range(count)]

    def __enter__(self) -> list[int]:
        for held in self._sockets:
            held.bind(("127.0.0.1", 0))
        return [held.getsockname()[1] for held in self._sockets]

    def __exit__(self, *_: object) -> None:
        for held in self._sockets:
            held.close()

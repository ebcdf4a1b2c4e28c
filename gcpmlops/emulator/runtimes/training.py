"""Training jobs: each replica of each worker pool is a supervised local process in the environment of its image."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import docker, images
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.replicas import OnTaskLine
from gcpmlops.emulator.runtimes.training_job import OnState, TrainingJob
from gcpmlops.emulator.runtimes.training_spec import TrainingSpec


class Training:
    """Starts training jobs.

    Args:
        processes: supervises every process.
        environments: stands for the images.
        store: Cloud Storage.
        directory: scratch space; what an earlier emulator left there is removed.
        base_env: variables that lead a job's Google calls back to the emulator.
        images: image URI to local command, for images that no environment stands for.
        identity: the variables with which a process acts as a service account.
    """

    def __init__(
        self,
        processes: Processes,
        environments: Environments,
        store: ObjectStore,
        directory: Path,
        base_env: Mapping[str, str],
        images: Mapping[str, str],
        *,
        identity: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self.identity = identity
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

"""Which model a job's server loads: a version of the registry, or a container that no registry knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes import images
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.runtimes.process import OnLine
from gcpmlops.emulator.runtimes.server import ModelServer
from gcpmlops.emulator.services.deployments import READY_SECONDS, Deployments
from gcpmlops.emulator.services.model_rows import ModelRows, key_of

_DEPLOYED = "batch"
_UNMANAGED = "unmanaged"  # the display name of a container's model: its output is called after that


class JobServers:
    """Starts and stops the server of each job.

    Args:
        deployments: starts servers.
        artifacts: holds the files of containers that no registry knows.
        models: the registry.
    """

    def __init__(self, deployments: Deployments, artifacts: Artifacts, models: ModelRows) -> None:
        self._deployments = deployments
        self._artifacts = artifacts
        self._models = models

    def version(self, job: types.BatchPredictionJob) -> types.Model:
        """The model version that predicts. Raises NotFound."""
        if "unmanaged_container_model" in job:
            given = job.unmanaged_container_model
            return types.Model(
                name=job.name, display_name=_UNMANAGED, version_id="0", artifact_uri=given.artifact_uri,
                predict_schemata=given.predict_schemata, container_spec=given.container_spec,
            )  # fmt: skip
        return self._models.version(f"{job.model.partition('@')[0]}@{job.model_version_id}")

    def display_name(self, job: types.BatchPredictionJob) -> str:
        """Of its model. Raises NotFound."""
        return self._models.head(job.model.partition("@")[0]).display_name if job.model else _UNMANAGED

    @contextmanager
    def serving(
        self, job: types.BatchPredictionJob, on_line: OnLine, started: Callable[[], None]
    ) -> Iterator[ModelServer]:
        """The job's own server, ready; ended afterwards. `started` is called when it can be stopped.

        Raises: what the server fails with, NotFound for a container's files that are not there.
        """
        version = self.version(job)
        unmanaged = "unmanaged_container_model" in job
        if unmanaged and version.artifact_uri:
            self._artifacts.snapshot(version.artifact_uri, key_of(version))
        try:
            server = self._deployments.start(job.name, self._deployed(job, version), version=version, on_line=on_line)
            started()
            server.wait_ready(READY_SECONDS)
            yield server
        finally:
            self.stop(job.name)
            if unmanaged:
                self._artifacts.delete(key_of(version))

    def stop(self, name: str) -> None:
        """Ends a job's server now; nothing where there is none."""
        self._deployments.stop(name, _DEPLOYED, 0.0)

    def _deployed(self, job: types.BatchPredictionJob, version: types.Model) -> types.DeployedModel:
        count = replicas(job)
        return types.DeployedModel(
            id=_DEPLOYED,
            model=version.name,
            model_version_id=version.version_id,
            disable_container_logging=job.disable_container_logging,
            dedicated_resources={
                "machine_spec": job.dedicated_resources.machine_spec,
                "min_replica_count": count,
                "max_replica_count": count,
            },
        )


def replicas(job: types.BatchPredictionJob) -> int:
    """Server processes: as many as the job starts with, which in batch prediction stay; no more than processors."""
    return max(1, min(job.dedicated_resources.starting_replica_count, os.cpu_count() or 1))


def is_prebuilt(version: types.Model, mapped: Container[str]) -> bool:
    """Whether our own model server stands in for the version's image, which is not one of the `mapped` ones."""
    if version.container_spec.image_uri in mapped:
        return False
    try:
        image = images.parse(version.container_spec.image_uri)
    except LookupError:
        return False
    return image is not None and image.serving

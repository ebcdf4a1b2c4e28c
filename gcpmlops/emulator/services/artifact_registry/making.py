"""Artifact Registry's parts, put together."""

from __future__ import annotations

from collections.abc import Iterable

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.gate import Gate
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.artifact_registry.app import PackageHosts
from gcpmlops.emulator.services.artifact_registry.contents import Contents
from gcpmlops.emulator.services.artifact_registry.oci.docker_images import DockerImages
from gcpmlops.emulator.services.artifact_registry.oci.images import Images
from gcpmlops.emulator.services.artifact_registry.other_packages import OtherPackages
from gcpmlops.emulator.services.artifact_registry.project_settings import ProjectSettings
from gcpmlops.emulator.services.artifact_registry.python.packages import PythonPackages
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.artifact_registry.repositories import Repositories, RepositoryPolicies


def services(registry: Registry, policies: RepositoryPolicies) -> Iterable[Service]:
    """Those that share out the methods of the API."""
    images = Images(registry)
    return (
        Repositories(registry, policies),
        Contents(registry, images),
        DockerImages(registry, images),
        PythonPackages(registry),
        OtherPackages(registry),
        ProjectSettings(registry.context),
        policies,
    )


def hosts(registry: Registry, policies: RepositoryPolicies, authenticator: Authenticator, gate: Gate) -> PackageHosts:
    """What answers on the hosts of packages."""
    return PackageHosts(registry, Images(registry), policies, authenticator, gate)

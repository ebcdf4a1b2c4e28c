"""google.devtools.artifactregistry.v1.ArtifactRegistry: npm packages and Maven artifacts, of which there are none."""

from __future__ import annotations

from google.cloud.artifactregistry_v1 import types

from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.artifact_registry.repositories import PROTO


class OtherPackages(Service):
    """Their repositories can be made; no host takes anything for them."""

    proto = PROTO

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry.context)
        self._registry = registry

    def list_npm_packages(self, request: types.ListNpmPackagesRequest) -> types.ListNpmPackagesResponse:
        self._registry.repository(request.parent, "NPM")
        return types.ListNpmPackagesResponse()

    def list_maven_artifacts(self, request: types.ListMavenArtifactsRequest) -> types.ListMavenArtifactsResponse:
        self._registry.repository(request.parent, "MAVEN")
        return types.ListMavenArtifactsResponse()

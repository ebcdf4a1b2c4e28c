"""google.devtools.artifactregistry.v1.ArtifactRegistry: Docker images, one for each version."""

from __future__ import annotations

import json
from typing import Any

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from google.protobuf import timestamp_pb2

from gcpmlops.emulator.kernel import filters, paging
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.artifact_registry import names
from gcpmlops.emulator.services.artifact_registry.oci.images import Images
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.artifact_registry.repositories import PROTO


class DockerImages(Service):
    """Another view of packages and versions."""

    proto = PROTO

    def __init__(self, registry: Registry, images: Images) -> None:
        super().__init__(registry.context)
        self._registry = registry
        self._images = images

    def get_docker_image(self, request: types.GetDockerImageRequest) -> types.DockerImage:
        name = names.canonical(request.name, "dockerImages")
        package, _, digest = names.plain(name).partition("@")
        above = names.repository_of(name)
        version = self._registry.versions.find(f"{above}/packages/{names.escape(package)}/versions/{digest}")
        if version is None:
            raise exceptions.NotFound(f"DockerImage {name} is not found.")
        return self._shown(version)

    def list_docker_images(self, request: types.ListDockerImagesRequest) -> types.ListDockerImagesResponse:
        self._registry.repository(request.parent, "DOCKER")
        packages = self._registry.packages.list(request.parent)
        versions = [version for package in packages for version in self._registry.versions.list(package.name)]
        found = filters.order([self._shown(version) for version in versions], request.order_by)
        page, token = paging.page(found, request)
        return types.ListDockerImagesResponse(docker_images=page, next_page_token=token)

    def _shown(self, version: types.Version) -> types.DockerImage:
        above, digest = names.repository_of(version.name), names.plain(version.name)
        package = names.plain(names.package_of(version.name))
        image = types.DockerImage(
            name=f"{above}/dockerImages/{names.escape(package)}@{digest}",
            uri=f"{names.host(above, 'DOCKER')}/{package}@{digest}",
            tags=[names.plain(tag.name) for tag in self._registry.tags_of(version.name)],
            image_size_bytes=int(version.metadata["imageSizeBytes"]),
            upload_time=version.create_time,
            update_time=version.update_time,
            media_type=version.metadata["mediaType"],
            artifact_type=version.metadata["artifactType"],
            image_manifests=self._children(version.name),
        )
        built = _time(str(version.metadata.get("buildTime", "")))
        if built is not None:
            types.DockerImage.pb(image).build_time.CopyFrom(built)
        return image

    def _children(self, version: str) -> list[dict[str, Any]]:
        """Of an index: the images of its platforms."""
        content = json.loads(self._images.manifest(version).path.read_bytes())
        shown = []
        for child in content.get("manifests", []):
            platform = child.get("platform", {})
            shown.append(
                {
                    "digest": child["digest"],
                    "media_type": child.get("mediaType", ""),
                    "architecture": platform.get("architecture", ""),
                    "os": platform.get("os", ""),
                }
            )
        return shown


def _time(text: str) -> timestamp_pb2.Timestamp | None:
    """None for an image that doesn't say when it was built."""
    stamp = timestamp_pb2.Timestamp()
    try:
        stamp.FromJsonString(text)
    except ValueError:
        return None
    return stamp

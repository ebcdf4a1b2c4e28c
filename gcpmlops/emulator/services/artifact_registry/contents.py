"""google.devtools.artifactregistry.v1.ArtifactRegistry: packages, versions, tags and files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters, masks, paging
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.artifact_registry import names
from gcpmlops.emulator.services.artifact_registry.oci.images import Images
from gcpmlops.emulator.services.artifact_registry.registry import Format, Registry
from gcpmlops.emulator.services.artifact_registry.repositories import PROTO

_FULL: Any = types.VersionView.FULL
_OWNER = re.compile(r'\s*owner\s*=\s*"([^"]*)"\s*')
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Contents(Service):
    """What repositories hold."""

    proto = PROTO

    def __init__(self, registry: Registry, images: Images) -> None:
        super().__init__(registry.context)
        self._registry = registry
        self._images = images

    def get_package(self, request: types.GetPackageRequest) -> types.Package:
        found: types.Package = self._found(self._registry.packages, request.name, "packages")
        return found

    def list_packages(self, request: types.ListPackagesRequest) -> types.ListPackagesResponse:
        self._registry.repository(request.parent)
        page, token = _page(self._registry.packages.list(request.parent), request)
        return types.ListPackagesResponse(packages=page, next_page_token=token)

    def update_package(self, request: types.UpdatePackageRequest) -> types.Package:
        found: types.Package = self._annotated(
            self._registry.packages, request.package, request.update_mask, "packages"
        )
        return found

    def delete_package(self, request: types.DeletePackageRequest) -> Any:
        name = self._found(self._registry.packages, request.name, "packages").name
        for version in self._registry.versions.list(name):
            self._remove(version.name)
        self._registry.remove_package(name)
        return self._done(name)

    def get_version(self, request: types.GetVersionRequest) -> types.Version:
        version = self._found(self._registry.versions, request.name, "versions")
        return self._shown(version, request.view)

    def list_versions(self, request: types.ListVersionsRequest) -> types.ListVersionsResponse:
        parent = self._found(self._registry.packages, request.parent, "packages").name
        page, token = _page(self._registry.versions.list(parent), request)
        shown = [self._shown(version, request.view) for version in page]
        return types.ListVersionsResponse(versions=shown, next_page_token=token)

    def update_version(self, request: types.UpdateVersionRequest) -> types.Version:
        found: types.Version = self._annotated(
            self._registry.versions, request.version, request.update_mask, "versions"
        )
        return found

    def delete_version(self, request: types.DeleteVersionRequest) -> Any:
        """Raises: FailedPrecondition for one that has tags, unless it is forced."""
        version = self._found(self._registry.versions, request.name, "versions")
        self._check_untagged(version.name, force=request.force)
        self._remove(version.name)
        return self._done(version.name)

    def batch_delete_versions(self, request: types.BatchDeleteVersionsRequest) -> Any:
        """All of them, or none where one is missing or tagged."""
        parent = self._found(self._registry.packages, request.parent, "packages").name
        found = [self._found(self._registry.versions, name, "versions").name for name in request.names]
        for name in found:
            if names.package_of(name) != parent:
                raise invalid("names", f"{name} is not below {parent}.")
            self._check_untagged(name)
        for name in found if not request.validate_only else ():
            self._remove(name)
        metadata = types.BatchDeleteVersionsMetadata()
        return self.operations.finished(parent=_location(parent), metadata=metadata, response=None)

    def create_tag(self, request: types.CreateTagRequest) -> types.Tag:
        parent = self._found(self._registry.packages, request.parent, "packages").name
        if not _TAG.fullmatch(request.tag_id):
            raise invalid("tag_id", f"{request.tag_id!r}: expected letters, digits, ., _ and -, 128 at most.")
        tag = types.Tag(name=f"{parent}/tags/{request.tag_id}", version=self._version_below(parent, request.tag))
        created: types.Tag = self._registry.tags.insert(tag.name, tag)
        return created

    def get_tag(self, request: types.GetTagRequest) -> types.Tag:
        found: types.Tag = self._found(self._registry.tags, request.name, "tags")
        return found

    def list_tags(self, request: types.ListTagsRequest) -> types.ListTagsResponse:
        parent = self._found(self._registry.packages, request.parent, "packages").name
        page, token = _page(self._registry.tags.list(parent), request)
        return types.ListTagsResponse(tags=page, next_page_token=token)

    def update_tag(self, request: types.UpdateTagRequest) -> types.Tag:
        """Points it at another version."""
        tag = self._found(self._registry.tags, request.tag.name, "tags")
        version = self._version_below(names.package_of(tag.name), request.tag)
        self._images.check_movable(tag.name, version)
        changed: types.Tag = self._registry.tags.update(tag.name, lambda found: setattr(found, "version", version))
        return changed

    def delete_tag(self, request: types.DeleteTagRequest) -> empty_pb2.Empty:
        tag = self._found(self._registry.tags, request.name, "tags")
        self._images.check_movable(tag.name, "")
        self._registry.tags.delete(tag.name)
        return empty_pb2.Empty()

    def get_file(self, request: types.GetFileRequest) -> types.File:
        found: types.File = self._found(self._registry.files, request.name, "files")
        return found

    def list_files(self, request: types.ListFilesRequest) -> types.ListFilesResponse:
        """Those that belong to a version, or to a package's versions, by the filter `owner="NAME"`."""
        self._registry.repository(request.parent)
        owner = _OWNER.fullmatch(request.filter)
        if owner is None:
            page, token = _page(self._registry.files.list(request.parent), request)
        else:
            files = self._registry.owned(names.canonical(owner[1], "packages", "versions"))
            page, token = paging.page(filters.order(files, request.order_by), request)
        return types.ListFilesResponse(files=page, next_page_token=token)

    def update_file(self, request: types.UpdateFileRequest) -> types.File:
        found: types.File = self._annotated(self._registry.files, request.file, request.update_mask, "files")
        return found

    def delete_file(self, request: types.DeleteFileRequest) -> Any:
        """Raises: InvalidArgument in a repository that is not GENERIC."""
        file = self._found(self._registry.files, request.name, "files")
        self._registry.repository(names.repository_of(file.name), "GENERIC")
        self._registry.remove_file(file.name)
        return self._done(file.name)

    def _found(self, rows: Any, name: str, kind: str) -> Any:
        wanted = names.canonical(name, kind)
        self._registry.repository(names.repository_of(wanted))
        found = rows.find(wanted)
        if found is None:
            raise exceptions.NotFound(f"{rows.label} {wanted} is not found.")
        return found

    def _annotated(self, rows: Any, given: Any, mask: Any, kind: str) -> Any:
        """Annotations are all that a client may change."""
        name = self._found(rows, given.name, kind).name
        asked = mask if mask.paths else type(mask)(paths=["annotations"])
        fixed = [field for field in type(given).meta.fields if field != "annotations"]

        def change(message: Any) -> None:
            masks.apply(asked, message, given, immutable=fixed)
            message.update_time = self.clock.now()

        return rows.update(name, change)

    def _shown(self, version: types.Version, view: Any) -> types.Version:
        if view == _FULL or (view == 0 and Format(self._format(version.name)) != Format.DOCKER):
            version.related_tags = self._registry.tags_of(version.name)
        return version

    def _format(self, name: str) -> Any:
        return self._registry.repository(names.repository_of(name)).format_

    def _check_untagged(self, version: str, *, force: bool = False) -> None:
        tags = [names.plain(tag.name) for tag in self._registry.tags_of(version)]
        if tags and not force:
            raise exceptions.FailedPrecondition(
                f"Version {version} is tagged {', '.join(tags)}: delete the tags first, or use force."
            )

    def _remove(self, version: str) -> None:
        if self._format(version) == Format.DOCKER:
            self._images.remove(version)
        else:
            self._registry.remove_version(version)

    def _version_below(self, package: str, tag: types.Tag) -> str:
        version = self._found(self._registry.versions, tag.version, "versions")
        if names.package_of(version.name) != package:
            raise invalid("tag.version", f"{version.name} is not below {package}.")
        return str(version.name)

    def _done(self, name: str) -> Any:
        parent = _location(name)
        return self.operations.finished(parent=parent, metadata=types.OperationMetadata(), response=None)


def _location(name: str) -> str:
    return "/".join(name.split("/")[:4])


def _page(items: Iterable[Any], request: Any) -> tuple[list[Any], str]:
    chosen = [item for item in items if filters.matches(request.filter, item)]
    return paging.page(filters.order(chosen, getattr(request, "order_by", "")), request)

"""Images in a repository: a manifest is a version of a package, a tag is a tag, and every blob is a file."""

from __future__ import annotations

import json
from typing import Any

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types

from gcpmlops.emulator.services.artifact_registry import names
from gcpmlops.emulator.services.artifact_registry.oci.errors import OciError, unknown_manifest
from gcpmlops.emulator.services.artifact_registry.oci.manifests import DIGEST, Manifest, parse
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Content, Registry


class Images:
    """What Docker repositories hold."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def blob(self, repository: str, digest: str) -> Content | None:
        """A layer, a configuration or a manifest, None where there is none."""
        try:
            return self._registry.content(_file(repository, digest))
        except exceptions.NotFound:
            return None

    def add_blob(self, package: str, received: Received) -> None:
        """One that is there already stays as it is: digests are contents."""
        repository = names.repository_of(package)
        try:
            self._registry.add(repository, f"sha256:{received.sha256}", received, owner=package)
        except exceptions.AlreadyExists:
            return

    def put(self, package: str, reference: str, data: bytes, content_type: str) -> Manifest:
        """A manifest by its digest or under a tag; a tag that is elsewhere moves.

        Raises: OciError for one that is invalid, refers to what isn't there, or moves an immutable tag.
        """
        repository, manifest = names.repository_of(package), parse(data, content_type)
        if DIGEST.fullmatch(reference) and reference != manifest.digest:
            raise OciError(400, "DIGEST_INVALID", f"{reference} is not the digest of what came in: {manifest.digest}.")
        version = f"{package}/versions/{manifest.digest}"
        with self._registry.context.locks(repository):
            self._check_parts(repository, manifest)
            if not DIGEST.fullmatch(reference):
                self._check_tag(f"{package}/tags/{reference}", version)
            self._store(repository, version, manifest, data)
            if not DIGEST.fullmatch(reference):
                tag = types.Tag(name=f"{package}/tags/{reference}", version=version)
                self._registry.tags.put(tag.name, tag)
        return manifest

    def version(self, package: str, reference: str) -> str:
        """The name of the version that a digest or a tag means. Raises: OciError."""
        name = f"{package}/versions/{reference}"
        if not DIGEST.fullmatch(reference):
            tag = self._registry.tags.find(f"{package}/tags/{reference}")
            name = "" if tag is None else tag.version
        if not name or self._registry.versions.find(name) is None:
            raise unknown_manifest(reference)
        return name

    def manifest(self, version: str) -> Content:
        """A version's bytes. Raises: NotFound."""
        return self._registry.content(_file(names.repository_of(version), names.plain(version)))

    def remove(self, version: str) -> None:
        """With its tags, and with the blobs that no other image of the repository has."""
        repository = names.repository_of(version)
        with self._registry.context.locks(repository):
            parts = self._parts(version)
            for tag in self._registry.tags_of(version):
                self._registry.tags.delete(tag.name)
            self._registry.versions.delete(version)
            needed = self._needed(repository)
            for digest in parts - needed:
                if self._registry.files.find(_file(repository, digest)) is not None:
                    self._registry.remove_file(_file(repository, digest))

    def check_movable(self, tag: str, version: str) -> None:
        """Raises: FailedPrecondition where the repository's tags are immutable and the tag is of another version."""
        try:
            self._check_tag(tag, version)
        except OciError as error:
            raise exceptions.FailedPrecondition(str(error)) from None

    def referrers(self, package: str, digest: str) -> list[dict[str, Any]]:
        """Descriptors of the manifests whose subject it is."""
        found = []
        for version in self._registry.versions.list(package):
            content = self.manifest(version.name)
            if content.details.get("subject") == digest:
                size = content.path.stat().st_size
                kinds = {"mediaType": content.details["mediaType"], "artifactType": content.details["artifactType"]}
                found.append({"digest": names.plain(version.name), "size": size, **kinds})
        return found

    def _check_parts(self, repository: str, manifest: Manifest) -> None:
        missing = [digest for digest in (*manifest.blobs, *manifest.children) if not self.blob(repository, digest)]
        if missing:
            raise OciError(400, "MANIFEST_BLOB_UNKNOWN", f"Push {', '.join(missing)} first: the manifest refers to it.")

    def _check_tag(self, tag: str, version: str) -> None:
        repository = self._registry.repository(names.repository_of(tag))
        stored = self._registry.tags.find(tag)
        if stored is not None and stored.version != version and repository.docker_config.immutable_tags:
            raise OciError(400, "TAG_INVALID", f"{tag} stays at {stored.version}: the repository's tags are immutable.")

    def _store(self, repository: str, version: str, manifest: Manifest, data: bytes) -> None:
        details = {
            "mediaType": manifest.media_type,
            "artifactType": manifest.artifact_type,
            "subject": manifest.subject,
            "parts": [*manifest.blobs, *manifest.children],
        }
        with Received(self._registry.blobs) as received:
            received.write(data)
            if not self.blob(repository, manifest.digest):
                self._registry.add(repository, manifest.digest, received, owner=version, details=details)
        self._registry.publish(version, metadata=self._metadata(repository, manifest))

    def _metadata(self, repository: str, manifest: Manifest) -> dict[str, str]:
        """As Artifact Registry shows it in the version: all values are text."""
        shown = {"imageSizeBytes": str(manifest.size), "mediaType": manifest.media_type}
        built = self._built(repository, manifest)
        return shown | ({"buildTime": built} if built else {}) | ({"artifactType": manifest.artifact_type})

    def _built(self, repository: str, manifest: Manifest) -> str:
        config = self.blob(repository, manifest.config) if manifest.config else None
        if config is None or config.path.stat().st_size > 4 << 20:
            return ""
        try:
            content = json.loads(config.path.read_bytes())
        except ValueError:  # an artifact that is no image: its configuration is its own matter
            return ""
        return str(content.get("created") or "") if isinstance(content, dict) else ""

    def _parts(self, version: str) -> set[str]:
        details = self.manifest(version).details
        return {names.plain(version), *details["parts"]}

    def _needed(self, repository: str) -> set[str]:
        """The digests that the repository's images consist of."""
        packages = self._registry.packages.list(repository)
        versions = [version.name for package in packages for version in self._registry.versions.list(package.name)]
        return set().union(*map(self._parts, versions))


def _file(repository: str, digest: str) -> str:
    return f"{repository}/files/{digest}"

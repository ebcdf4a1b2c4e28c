"""Manifests and indexes: what they refer to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from gcpmlops.emulator.services.artifact_registry.oci.errors import OciError

MAX_SIZE = 4 << 20  # bytes
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
INDEX = "application/vnd.oci.image.index.v1+json"
_IMAGE_TYPES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_INDEX_TYPES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")


@dataclass(frozen=True)
class Manifest:
    """One that was parsed.

    Attributes:
        media_type: what it is.
        digest: sha256:HEX of its bytes.
        blobs: digests of its config and layers.
        children: digests of an index's manifests.
        size: of all that it refers to, in bytes.
        config: digest of the image's configuration.
        subject: digest of the manifest that it is about.
        content: the JSON object.
    """

    media_type: str
    digest: str
    blobs: tuple[str, ...]
    children: tuple[str, ...]
    size: int
    config: str
    subject: str
    content: dict[str, Any]

    @property
    def artifact_type(self) -> str:
        return str(self.content.get("artifactType") or self.content.get("config", {}).get("mediaType", ""))


def parse(data: bytes, content_type: str) -> Manifest:
    """Raises: OciError for what is no manifest."""
    try:
        content = json.loads(data)
    except ValueError as error:
        raise _invalid(f"it is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("schemaVersion") != 2:
        raise _invalid("schemaVersion must be 2.")
    media_type = content_type.partition(";")[0].strip() or str(content.get("mediaType", ""))
    if content.get("mediaType", media_type) != media_type:
        raise _invalid(f"mediaType is {content['mediaType']}, but the request says {media_type}.")
    if media_type not in (*_IMAGE_TYPES, *_INDEX_TYPES):
        raise _invalid(f"media type {media_type!r} is not supported.")
    return _read(content, media_type, digest_of(data))


def digest_of(data: bytes) -> str:
    """As registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _read(content: dict[str, Any], media_type: str, digest: str) -> Manifest:
    is_index = media_type in _INDEX_TYPES
    listed = content.get("manifests" if is_index else "layers")
    if not isinstance(listed, list):
        raise _invalid(f"{'manifests' if is_index else 'layers'} must be a list.")
    configs = [] if is_index else [content.get("config")]
    described = [_descriptor(each) for each in (*configs, *listed)]
    digests = tuple(found for found, _ in described)
    subject = content.get("subject")
    return Manifest(
        media_type=media_type,
        digest=digest,
        blobs=() if is_index else digests,
        children=digests if is_index else (),
        size=sum(size for _, size in described),
        config="" if is_index else digests[0],
        subject=_descriptor(subject)[0] if subject else "",
        content=content,
    )


def _descriptor(value: Any) -> tuple[str, int]:
    digest, size = (value.get("digest"), value.get("size")) if isinstance(value, dict) else (None, None)
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest) or not isinstance(size, int) or size < 0:
        raise _invalid(f"a descriptor needs a digest sha256:HEX and a size: {value!r}.")
    return digest, size


def _invalid(why: str) -> OciError:
    return OciError(400, "MANIFEST_INVALID", f"The manifest is invalid: {why}")

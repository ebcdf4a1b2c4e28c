"""Buckets and objects of Cloud Storage. gs://BUCKET/NAME is accepted wherever an object or a bucket is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _html
from gcpmlops._storage.buckets import Bucket as Bucket
from gcpmlops._storage.buckets import Buckets
from gcpmlops.exceptions import InvalidArgument, NotFound, translated
from gcpmlops.types import GsUri, Path_, is_gs_uri

if TYPE_CHECKING:
    import google.cloud.storage as storage

__all__ = ["Bucket", "Object", "Storage"]

_COMPOSE_LIMIT = 32


@dataclass(frozen=True)
class Object:
    """An object as it was when asked for; `resource` is the JSON resource of the API."""

    bucket: str
    name: str
    size: int
    """Bytes."""
    content_type: str
    generation: int
    updated: datetime | None
    metadata: Mapping[str, str]
    resource: Mapping[str, Any]

    @property
    def uri(self) -> str:
        """gs://BUCKET/NAME."""
        return f"gs://{self.bucket}/{self.name}"

    def _repr_html_(self) -> str:
        return _html.card(
            self.uri, {"size": f"{self.size:,} bytes", "type": self.content_type, "updated": self.updated}
        )


class Storage(Buckets):
    """`client.storage`. API: Cloud Storage JSON v1."""

    def upload(
        self,
        source: Path_ | bytes,
        *,
        destination: str,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_generation_match: int | None = None,
    ) -> list[Object]:
        """Upload a file, a folder with all in it, or bytes; the objects made (storage.objects.insert).

        A destination that is a bucket or ends in "/" is a folder: the file keeps its name; a folder's files keep their
        relative paths under any destination. `if_generation_match=0` refuses to replace an object.
        Raises NotFound for a missing bucket, InvalidArgument for a missing source.
        """
        uri = GsUri.parse(destination, field="destination")
        write: dict[str, Any] = {
            "content_type": content_type,
            "metadata": metadata,
            "if_generation_match": if_generation_match,
        }
        if isinstance(source, bytes):
            return [self._write(GsUri.object(destination, field="destination"), source, **write)]
        path = Path(source)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            return [self._write(uri / file.relative_to(path).as_posix(), file, **write) for file in files]
        if not path.is_file():
            raise InvalidArgument(f"{path}: no such file or folder", field="source", value=str(source))
        if not uri.name or uri.name.endswith("/"):
            uri = GsUri(uri.bucket, uri.name + path.name)
        return [self._write(uri, path, **write)]

    def download(self, source: str, *, destination: Path_ | None = None) -> list[Path]:
        """Download an object, or all under a prefix that ends in "/"; the files written (storage.objects.get).

        A destination that is a folder, or none (the current one), keeps names. A file is written whole or not at all.
        Raises NotFound.
        """
        uri = GsUri.parse(source, field="source")
        target = Path(destination) if destination is not None else Path()
        if uri.name and not uri.name.endswith("/"):
            return [self._fetch_to(uri, target / uri.name.rpartition("/")[2] if target.is_dir() else target)]
        found = [o for o in self.list(source) if not o.name.endswith("/")]
        if not found:
            raise NotFound(f"there is nothing under {uri}", resource=str(uri))
        return [self._fetch_to(GsUri(o.bucket, o.name), _inside(target, o.name.removeprefix(uri.name))) for o in found]

    def read(self, uri: str) -> bytes:
        """The content of one object (storage.objects.get, alt=media). Raises NotFound."""
        blob = self._blob(GsUri.object(uri))
        with translated(str(uri), next_step=_LIST_HINT):
            content: bytes = blob.download_as_bytes(**self._clients.idempotent)
            return content

    def get(self, uri: str) -> Object:
        """The object's metadata (storage.objects.get). Raises NotFound."""
        blob = self._blob(GsUri.object(uri))
        with translated(str(uri), next_step=_LIST_HINT):
            blob.reload(**self._clients.idempotent)
        return _object(blob)

    def exists(self, uri: str) -> bool:
        """Whether the object, or the bucket for a gs://BUCKET, is there."""
        parsed = GsUri.parse(uri)
        try:
            _ = self.get(uri) if parsed.name else self.get_bucket(parsed.bucket)
        except NotFound:
            return False
        return True

    def list(self, uri: str, *, delimiter: str | None = None, limit: int | None = None) -> list[Object]:
        """Objects whose name starts with the URI's (storage.objects.list), in the API's order. Raises NotFound."""
        parsed = GsUri.parse(uri)
        with translated(f"gs://{parsed.bucket}", next_step=_BUCKETS_HINT):
            found = self._clients.storage.list_blobs(
                parsed.bucket,
                prefix=parsed.name or None,
                delimiter=delimiter,
                max_results=limit,
                **self._clients.idempotent,
            )
            return [_object(blob) for blob in found]

    def delete(self, uri: str, *, recursive: bool = False) -> int:
        """Delete an object, or with `recursive` all under the URI; how many (storage.objects.delete)."""
        if not recursive:
            blob = self._blob(GsUri.object(uri))
            with translated(uri, next_step=_LIST_HINT):
                blob.delete(**self._clients.idempotent)
            return 1
        found = self.list(uri)
        for each in found:
            with translated(each.uri):
                self._blob(GsUri(each.bucket, each.name)).delete(**self._clients.idempotent)
        return len(found)

    def copy(self, source: str, *, destination: str) -> Object:
        """Copy one object, within the service (storage.objects.rewrite, until it is done). Raises NotFound."""
        start, end = GsUri.object(source, field="source"), GsUri.parse(destination, field="destination")
        if not end.name or end.name.endswith("/"):
            end = GsUri(end.bucket, end.name + start.name.rpartition("/")[2])
        blob = self._blob(end)
        with translated(str(start)):
            token, _, _ = blob.rewrite(self._blob(start), **self._clients.idempotent)
            while token is not None:
                token, _, _ = blob.rewrite(self._blob(start), token=token, **self._clients.idempotent)
        return _object(blob)

    def compose(self, sources: Sequence[str], *, destination: str, content_type: str | None = None) -> Object:
        """One object out of 1 to 32 of the same bucket, in this order (storage.objects.compose). Raises NotFound."""
        end = GsUri.object(destination, field="destination")
        parts = [GsUri.object(source, field="sources") for source in sources]
        if not 1 <= len(parts) <= _COMPOSE_LIMIT or any(part.bucket != end.bucket for part in parts):
            raise InvalidArgument(
                f"{len(parts)} sources for {end}",
                field="sources",
                value=list(sources),
                allowed="1 to 32, all in its bucket",
            )
        blob = self._blob(end)
        blob.content_type = content_type
        with translated(str(end)):
            blob.compose([self._blob(part) for part in parts], **self._clients.idempotent)
        return _object(blob)

    def _blob(self, uri: GsUri) -> storage.Blob:
        return self._clients.storage.bucket(uri.bucket).blob(uri.name)

    def _write(
        self,
        uri: GsUri,
        content: Path | bytes,
        *,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        **when: Any,
    ) -> Object:
        blob = self._blob(GsUri.object(str(uri), field="destination"))
        blob.metadata = dict(metadata) if metadata else None
        with translated(str(uri), next_step=_BUCKETS_HINT):
            if isinstance(content, bytes):
                kind = content_type or "application/octet-stream"
                blob.upload_from_string(content, content_type=kind, **when, **self._clients.idempotent)
            else:
                blob.upload_from_filename(str(content), content_type=content_type, **when, **self._clients.idempotent)
        return _object(blob)

    def _fetch_to(self, uri: GsUri, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        try:
            with translated(str(uri), next_step=_LIST_HINT):
                self._blob(uri).download_to_filename(str(partial), **self._clients.idempotent)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target


_LIST_HINT = "See what there is with `gcpmlops storage list gs://BUCKET/`."
_BUCKETS_HINT = (
    "See the buckets with `gcpmlops storage list-buckets`; make one with `gcpmlops storage create-bucket NAME`."
)


def _inside(folder: Path, name: str) -> Path:
    """The file for an object's name; names that would lead out of the folder are refused."""
    target = folder.joinpath(*(part for part in name.split("/") if part))
    if not target.resolve().is_relative_to(folder.resolve()) or target.resolve() == folder.resolve():
        raise InvalidArgument(f"object name {name!r} would be written outside {folder}", field="source", value=name)
    return target


def _object(blob: storage.Blob) -> Object:
    return Object(
        bucket=blob.bucket.name,
        name=blob.name,
        size=int(blob.size or 0),
        content_type=blob.content_type or "",
        generation=int(blob.generation or 0),
        updated=blob.updated,
        metadata=dict(blob.metadata or {}),
        resource=dict(blob._properties),
    )


def as_uri(value: str | Path_) -> GsUri | None:
    """The value as a gs:// URI, None for a local path."""
    return GsUri.parse(str(value)) if is_gs_uri(value) else None

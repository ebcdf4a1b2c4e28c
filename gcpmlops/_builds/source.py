"""A build's source: a folder as a tar archive, the same files the same bytes; .gcloudignore or .gitignore counts."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops import _staging
from gcpmlops._functions.ignoring import files
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri, Path_, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops.clients import Clients
    from gcpmlops.storage import Storage

_SUFFIXES = (".tgz", ".tar.gz", ".zip")


def packed(folder: Path) -> bytes:
    """The archive of a folder. Raises InvalidArgument where it is none, or all of it is ignored."""
    if not folder.is_dir():
        raise InvalidArgument(
            f"source: {folder} is no folder", field="source", value=str(folder), allowed="a folder, or a gs:// archive"
        )
    buffer = io.BytesIO()
    found = list(files(folder))
    if not found:
        raise InvalidArgument(
            f"source: {folder} has no files, or all are ignored", field="source", value=str(folder),
            allowed="a folder with files that .gcloudignore or .gitignore does not leave out",
        )  # fmt: skip
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as archive:
            for name, path in found:
                archive.addfile(_entry(name, path), io.BytesIO(path.read_bytes()))
    return buffer.getvalue()


def _entry(name: str, path: Path) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    status = path.stat()
    entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
    return entry


def uploaded(clients: Clients, storage: Storage, source: Path_, *, bucket: str | None) -> GsUri:
    """Where the source is at gs://; the same files are uploaded once. Raises InvalidArgument."""
    if is_gs_uri(source):
        uri = GsUri.parse(str(source), field="source")
        if not uri.name.endswith(_SUFFIXES):
            raise InvalidArgument(field="source", value=str(source), allowed=f"an archive: {', '.join(_SUFFIXES)}")
        return uri
    content = packed(Path(source))
    name = bucket or clients.config.staging_bucket
    if not name:
        _staging.ensure_default(clients, storage)
        name = _staging.default_bucket(clients)
    digest = hashlib.sha256(content).hexdigest()[:32]
    uri = GsUri.parse(name, field="staging_bucket") / f"gcpmlops/builds/{digest}.tgz"
    if not storage.exists(str(uri)):
        storage.upload(content, destination=str(uri), content_type="application/gzip")
    return uri

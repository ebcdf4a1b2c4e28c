"""Where blobs lie: in a bucket of the user's project, as Google's uploader puts them there."""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.services.storage import contents
from gcpmlops.emulator.services.storage.engine import StorageEngine

_ID = re.compile(r"[A-Za-z0-9._~-]{1,256}")
_BUCKET = "cloud-ai-platform-{}"


class BlobData:
    """The bytes of blobs by time series and blob id."""

    def __init__(self, storage: StorageEngine, project: str, project_number: int) -> None:
        self._storage = storage
        self._projects = {str(project_number): project}

    def bucket(self, location: str) -> str:
        """The bucket of `projects/P/locations/L`, made where it isn't there yet: a `blob_storage_path_prefix`."""
        project = names.project_of(location)
        project = self._projects.get(project, project)
        region = names.location_of(location)
        name = _BUCKET.format(uuid.uuid5(uuid.NAMESPACE_URL, f"projects/{project}/locations/{region}"))
        if not self._storage.exists(name):
            with contextlib.suppress(exceptions.Conflict):  # another call was faster
                self._storage.buckets.insert(project, {"name": name, "location": region})
        return name

    def put(self, prefix: str, series: str, blob: Any) -> None:
        """Moves the bytes that a `TensorboardBlob` (protobuf) carries into the bucket; its id stays, or is given.

        Raises: InvalidArgument for an id that is no part of a URI.
        """
        if blob.id and not _ID.fullmatch(blob.id):
            raise validate.invalid("values.blobs.values.id", f"{blob.id!r} is not URI safe.")
        if not blob.data:
            return
        blob.id = blob.id or str(uuid.uuid4())
        writer = contents.ContentWriter(self._storage.blobs)
        writer.write(blob.data)
        bucket, name = _place(prefix, series, blob.id)
        self._storage.objects.put(bucket, name, writer.finish(), {"contentType": "application/octet-stream"})
        blob.ClearField("data")

    def require(self, prefix: str, series: str, blob_id: str) -> None:
        """Raises: NotFound naming a blob that isn't there."""
        bucket, name = _place(prefix, series, blob_id)
        try:
            self._storage.objects.get(bucket, name)
        except exceptions.NotFound:
            raise exceptions.NotFound(
                f"Blob {blob_id} of {series} is not found: there is no gs://{bucket}/{name}."
            ) from None

    def read(self, prefix: str, series: str, blob_id: str) -> bytes:
        """The bytes of a blob. Raises: NotFound."""
        return self._storage.read_bytes(*_place(prefix, series, blob_id))

    def size(self, prefix: str, name: str) -> int:
        """Bytes of all blobs below a resource."""
        bucket, folder = _place(prefix, name)
        return sum(item.size for item in self._storage.list(bucket, folder)) if self._storage.exists(bucket) else 0

    def delete(self, prefix: str, name: str) -> None:
        """Deletes the blobs of a time series, or of all below another resource."""
        bucket, folder = _place(prefix, name)
        if self._storage.exists(bucket):
            for item in list(self._storage.list(bucket, folder)):
                self._storage.objects.delete(bucket, item.name)


def _place(prefix: str, name: str, *more: str) -> tuple[str, str]:
    """Bucket and object of `BUCKET[/FOLDER]/tensorboard-T/E/R/S/BLOB`; what is not named ends in a slash."""
    bucket, _, folder = prefix.partition("/")
    board, *parts = name.split("/")[5::2]
    path = "/".join([*([folder] if folder else []), f"tensorboard-{board}", *parts, *more])
    return bucket, path if more else f"{path}/"

"""gs:// URIs to files that the engine may read, and files that the engine wrote to objects."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound

from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.bigquery.errors import BigQueryError

_TYPES = {"CSV": "text/csv", "NEWLINE_DELIMITED_JSON": "application/json", "PARQUET": "application/octet-stream"}


class Transfer:
    """Stages objects in private directories below `directory`, each removed when its job is done."""

    def __init__(self, objects: ObjectStore, directory: Path) -> None:
        self._objects = objects
        self._directory = directory
        shutil.rmtree(directory, ignore_errors=True)  # what a killed emulator left behind
        directory.mkdir(parents=True, mode=0o700)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty directory for one job."""
        path = self._directory / uuid.uuid4().hex
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def stage(self, uris: list[str], workspace: Path) -> list[dict[str, str]]:
        """Hard links to the objects that the URIs name. Raises notFound naming the URI that matches nothing."""
        names = [(uri, bucket, name) for uri in uris for bucket, name in self._expand(uri)]
        return [
            {"uri": f"gs://{bucket}/{name}", "path": str(self._link(uri, bucket, name, workspace / str(index)))}
            for index, (uri, bucket, name) in enumerate(names)
        ]

    def check_destination(self, uris: list[str]) -> None:
        """Raises notFound naming the missing bucket, invalid for a URI that cannot be written to."""
        if not uris or not uris[0]:
            raise BigQueryError("invalid", "Required parameter is missing: destinationUris")
        for uri in uris:
            bucket, name = split(uri)
            if name.count("*") > 1:
                raise BigQueryError(
                    "invalid", f"Invalid extract destination URI '{uri}'. Only one wildcard is allowed."
                )
            if not self._objects.exists(bucket):
                raise BigQueryError("notFound", f"Not found: Bucket {bucket}")

    def store(self, files: list[dict[str, str]], kind: str, compression: str) -> int:
        """Store what an extract wrote as objects; returns the bytes."""
        content_type = "application/gzip" if compression == "GZIP" and kind != "PARQUET" else _TYPES[kind]
        total = 0
        for file in files:
            path = Path(file["path"])
            total += path.stat().st_size
            self._objects.upload(*split(file["uri"]), path, content_type)
        return total

    def _expand(self, uri: str) -> list[tuple[str, str]]:
        bucket, name = split(uri)
        if not self._objects.exists(bucket):
            raise BigQueryError("notFound", f"Not found: URI {uri} (the bucket {bucket} does not exist)")
        if "*" not in name:
            return [(bucket, name)]
        if name.count("*") > 1:
            raise BigQueryError("invalid", f"Invalid source URI {uri}: only one wildcard is allowed")
        prefix, suffix = name.split("*")
        found = [
            (bucket, item.name)
            for item in self._objects.list(bucket, prefix)
            if item.name.endswith(suffix) and len(item.name) >= len(prefix) + len(suffix)
        ]
        if not found:
            raise BigQueryError("notFound", f"Not found: URI {uri}", uri)
        return found

    def _link(self, uri: str, bucket: str, name: str, target: Path) -> Path:
        try:
            source = self._objects.local_path(bucket, name)
        except NotFound:
            raise BigQueryError("notFound", f"Not found: URI {uri}", uri) from None
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copyfile(source, target)
        return target


def split(uri: str) -> tuple[str, str]:
    """Bucket and object of a gs:// URI. Raises invalid naming the URI."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not name:
        raise BigQueryError("invalid", f"Invalid URI: {uri}. Expected gs://BUCKET/OBJECT", uri)
    return bucket, name


def uris_of(config: dict[str, Any]) -> list[str]:
    """DestinationUris of an extract, or the older destinationUri."""
    return list(config.get("destinationUris") or [config.get("destinationUri", "")])

"""Copies of models' files that serving containers read through Cloud Storage, by AIP_STORAGE_URI.

As in Vertex AI they lie in a bucket of a project that is not the user's: no list of the user's buckets has it, and
deleting the files that a model was uploaded from does not touch them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from gcpmlops.emulator.services.storage.engine import StorageEngine

TENANT = "caip-tenant"


class ModelCopies:
    """One folder for each server, from its first start until it is stopped."""

    def __init__(self, storage: StorageEngine) -> None:
        self._storage = storage
        self._bucket = f"{TENANT}-{storage.project_number}"

    def publish(self, server: str, folder: Path) -> str:
        """The gs:// URI of the files in a folder; what is there already stays."""
        if not self._storage.exists(self._bucket):
            self._storage.buckets.insert(TENANT, {"name": self._bucket})
        prefix = _prefix(server)
        there = {info.name: info.size for info in self._storage.list(self._bucket, prefix)}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{prefix}{path.relative_to(folder).as_posix()}"
            if there.get(name) != path.stat().st_size:
                self._storage.upload(self._bucket, name, path)
        return f"gs://{self._bucket}/{prefix.rstrip('/')}"

    def keep_only(self, servers: Iterable[str]) -> None:
        """Files of all others go: an emulator that was killed could not withdraw them."""
        if self._storage.exists(self._bucket):
            kept = tuple(_prefix(server) for server in servers)
            for info in list(self._storage.list(self._bucket, "")):
                if not info.name.startswith(kept):
                    self._storage.objects.delete(self._bucket, info.name)

    def withdraw(self, server: str) -> None:
        """The files go; nothing where there are none."""
        if self._storage.exists(self._bucket):
            for info in list(self._storage.list(self._bucket, _prefix(server))):
                self._storage.objects.delete(self._bucket, info.name)


def _prefix(server: str) -> str:
    return f"{hashlib.blake2b(server.encode(), digest_size=12).hexdigest()}/"

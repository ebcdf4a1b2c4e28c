"""What a build leaves: files in Cloud Storage with their manifest, Python packages in Artifact Registry."""

from __future__ import annotations

import base64
import glob
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.kernel.access import Access
from gcpmlops.emulator.services.storage.engine import StorageEngine

_SHA256 = types.Hash.HashType.SHA256


class Artifacts:
    """Uploads files of a workspace.

    Args:
        storage: Cloud Storage.
        access: roles.
    """

    def __init__(self, storage: StorageEngine, access: Access) -> None:
        self._storage = storage
        self._access = access

    def upload(self, build: types.Build, work: Path, *, account: str, say: Callable[[str], None]) -> tuple[str, int]:
        """The objects, and their manifest: its URI and how many there are.

        Raises: NotFound for a missing bucket; FailedPrecondition for a path that matches nothing; PermissionDenied.
        """
        wanted = build.artifacts.objects
        bucket, _, folder = wanted.location.removeprefix("gs://").partition("/")
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        if not self._storage.exists(bucket):
            raise exceptions.NotFound(f"artifacts.objects.location: the bucket gs://{bucket} does not exist.")
        self._access.require("storage.objects.create", f"buckets/{bucket}", email=account)
        files = [file for path in wanted.paths for file in matching(work, path)]
        lines = []
        for file in dict.fromkeys(files):
            say(f"Uploading {file.relative_to(work)} to gs://{bucket}/{prefix}{file.name}")
            lines.append(self._store(bucket, f"{prefix}{file.name}", file))
        name = f"{prefix}artifacts-{build.id}.json"
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as manifest:
            manifest.write("".join(f"{json.dumps(line)}\n" for line in lines))
            manifest.flush()
            self._storage.upload(bucket, name, Path(manifest.name), "application/json")
        say(f"Artifact manifest: gs://{bucket}/{name}")
        return f"gs://{bucket}/{name}", len(lines)

    def _store(self, bucket: str, name: str, file: Path) -> dict[str, Any]:
        self._storage.upload(bucket, name, file)
        generation = self._storage.objects.get(bucket, name).generation
        digest = base64.b64encode(_digest(file)).decode()
        hashes = [{"file_hash": [{"type": int(_SHA256), "value": digest}]}]
        return {"location": f"gs://{bucket}/{name}#{generation}", "file_hash": hashes}


def matching(work: Path, pattern: str) -> Iterator[Path]:
    """Files of a workspace that a path with wildcards names.

    Raises: FailedPrecondition where there is none.
    """
    relative = pattern.removeprefix("/workspace/").removeprefix("./")
    root = work.resolve()
    found = [work / name for name in sorted(glob.glob(relative, root_dir=work, recursive=True))]  # noqa: PTH207
    files = [path for path in found if path.is_file() and root in path.resolve().parents]
    if not files:
        raise exceptions.FailedPrecondition(f"artifacts: {pattern!r} matches no file of the workspace.")
    yield from files


def hashes(file: Path) -> types.FileHashes:
    """The checksum of a file, as results name it."""
    return types.FileHashes(file_hash=[types.Hash(type_=_SHA256, value=_digest(file))])


def _digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()

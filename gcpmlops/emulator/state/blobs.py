"""Content files in one directory: written aside, renamed into place, named by a random id, never by a user's name."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class Blobs:
    """A directory of immutable content files.

    ``tmp/`` holds files of writers that have not committed; what a killed process left there is removed on opening.
    ``partial/`` holds files that outlive the process on purpose (resumable uploads).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._tmp = directory / "tmp"
        self._partial = directory / "partial"
        shutil.rmtree(self._tmp, ignore_errors=True)
        for folder in (directory, self._tmp, self._partial):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self) -> BlobWriter:
        """A writer of a new blob; nothing is visible before its ``commit``."""
        return BlobWriter(self, self._tmp / secrets.token_hex(16))

    def adopt(self, source: Path) -> str:
        """Takes a file in without copying where the filesystem allows a hard link; returns the blob id."""
        blob_id = secrets.token_hex(16)
        target = self._place(blob_id)
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            return self._copy(source)
        return blob_id

    def copy(self, source: Path) -> str:
        """Takes in a copy of a file that its owner may still change; returns the blob id."""
        return self._copy(source)

    def claim(self, source: Path) -> str:
        """Renames a file of this directory's filesystem into place; returns the blob id."""
        blob_id = secrets.token_hex(16)
        source.rename(self._place(blob_id))
        return blob_id

    def path(self, blob_id: str) -> Path:
        """Where the content lies. Treat it as read-only."""
        return self.directory / blob_id[:2] / blob_id

    def partial(self, key: str) -> Path:
        """Where a half-received content lies under a key made by us."""
        return self._partial / key

    def delete(self, blob_id: str) -> None:
        """Removes a blob; readers that have it open keep reading."""
        self.path(blob_id).unlink(missing_ok=True)

    def ids(self) -> Iterator[str]:
        """Every committed blob."""
        for folder in self.directory.iterdir():
            if len(folder.name) == 2:
                yield from (entry.name for entry in os.scandir(folder))

    def partials(self) -> list[Path]:
        """Every half-received content."""
        return list(self._partial.iterdir())

    def _place(self, blob_id: str) -> Path:
        target = self.path(blob_id)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        return target

    def _copy(self, source: Path) -> str:
        with self.create() as writer, source.open("rb") as file:
            shutil.copyfileobj(file, writer, 1 << 20)
            return writer.commit()


class BlobWriter:
    """Writes one blob; as a context manager it aborts unless committed."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file: BinaryIO | None = path.open("xb", buffering=0)

    @property
    def path(self) -> Path:
        """Where the content is until it is committed."""
        return self._path

    def write(self, data: bytes) -> int:
        """Appends; returns the number of bytes."""
        if self._file is None:
            raise ValueError("the blob is committed or aborted")
        view = memoryview(data)
        while view:  # an unbuffered file may take less than it was given
            view = view[self._file.write(view) :]
        return len(data)

    def commit(self) -> str:
        """Renames the content into place; returns the blob id."""
        self._close()
        return self._blobs.claim(self._path)

    def abort(self) -> None:
        """Throws away what was written; harmless after ``commit``."""
        self._close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.abort()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

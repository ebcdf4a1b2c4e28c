"""Object contents: small ones in the database, others in blob files; checksums computed while the bytes stream in."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import google_crc32c

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.records import ObjectRecord
from gcpmlops.emulator.state.blobs import Blobs, BlobWriter

INLINE_LIMIT = 32 * 1024  # bytes; above it a file is cheaper than a row
CHUNK = 1 << 20  # bytes read and written at a time


@dataclass(frozen=True, slots=True)
class Checksums:
    """What a client says about its content, in base64; None says nothing."""

    md5: str | None = None
    crc32c: str | None = None


NOTHING_SAID = Checksums()


@dataclass(frozen=True, slots=True)
class Content:
    """A received content that no object owns yet: inline bytes or a blob. Checksums in base64."""

    size: int
    md5: str | None
    crc32c: str
    data: bytes | None = None
    blob: str | None = None

    def verify(self, expected: Checksums) -> None:
        """Raises BadRequest when the client computed another checksum."""
        if expected.md5 is not None and expected.md5 != self.md5:
            raise errors.invalid(_mismatch("MD5 hash", expected.md5, self.md5 or ""))
        if expected.crc32c is not None and expected.crc32c != self.crc32c:
            raise errors.invalid(_mismatch("CRC32C", expected.crc32c, self.crc32c))


class Digests:
    """Running MD5 and CRC32C."""

    def __init__(self) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc = 0

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._md5.update(data)
        self._crc = google_crc32c.extend(self._crc, data)

    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode()

    def crc32c(self) -> str:
        return base64.b64encode(self._crc.to_bytes(4, "big")).decode()


class ContentWriter:
    """Takes a content piece by piece; in memory while it is small, in a blob file beyond that."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._digests = Digests()
        self._small: list[bytes] = []
        self._writer: BlobWriter | None = None

    def write(self, data: bytes) -> None:
        """Appends a piece."""
        self._digests.update(data)
        if self._writer is None and self._digests.size <= INLINE_LIMIT:
            self._small.append(data)
            return
        if self._writer is None:
            self._writer = self._blobs.create()
            for piece in self._small:
                self._writer.write(piece)
            self._small.clear()
        self._writer.write(data)

    def finish(self) -> Content:
        """The whole content; the caller gives it to an object or discards it."""
        blob = self._writer.commit() if self._writer else None
        data = None if self._writer else b"".join(self._small)
        return Content(self._digests.size, self._digests.md5(), self._digests.crc32c(), data, blob)

    def __enter__(self) -> ContentWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.abort()


def from_file(blobs: Blobs, path: Path) -> Content:
    """A copy of a file as a content."""
    with ContentWriter(blobs) as writer:
        for piece in pieces(path):
            writer.write(piece)
        return writer.finish()


def pieces(path: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from ``start`` up to ``end``, in chunks."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        left = (path.stat().st_size if end is None else end) - start
        while left > 0 and (piece := file.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece


def inline_data(conn: sqlite3.Connection, generation: int) -> bytes | None:
    """The content of an object that has no blob, or None when it is gone."""
    row = conn.execute("SELECT data FROM storage_content WHERE generation = ?", (generation,)).fetchone()
    return None if row is None else bytes(row[0])


def insert_inline(conn: sqlite3.Connection, generation: int, data: bytes) -> None:
    """Keeps a small content beside its object's row."""
    conn.execute("INSERT INTO storage_content (generation, data) VALUES (?, ?)", (generation, data))


def duplicate(conn: sqlite3.Connection, blobs: Blobs, record: ObjectRecord) -> Content:
    """A second content with the same bytes (a hard link where it is a file)."""
    if record.blob is None:
        return Content(record.size, record.md5, record.crc32c, data=inline_data(conn, record.generation))
    return Content(record.size, record.md5, record.crc32c, blob=blobs.adopt(blobs.path(record.blob)))


def _mismatch(kind: str, said: str, found: str) -> str:
    return f'Provided {kind} "{said}" doesn\'t match calculated {kind} "{found}".'

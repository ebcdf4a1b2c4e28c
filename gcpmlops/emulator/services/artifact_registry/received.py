"""A content on its way into a repository: written aside and hashed as it comes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any

from google.cloud.artifactregistry_v1 import types
from starlette.concurrency import run_in_threadpool

from gcpmlops.emulator.state.blobs import Blobs

_CHUNK = 1 << 20  # bytes written and hashed at a time
_Kind: Any = types.Hash.HashType


async def gathered(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body in pieces that are worth a thread's while."""
    waiting = bytearray()
    async for part in stream:
        waiting += part
        if len(waiting) >= _CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


class Received:
    """Bytes that are thrown away unless `keep` is called before the context ends."""

    def __init__(self, blobs: Blobs) -> None:
        self._writer = blobs.create()
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Appends."""
        for start in range(0, len(data), _CHUNK):
            part = bytes(data[start : start + _CHUNK])
            self._writer.write(part)
            self._sha256.update(part)
            self._md5.update(part)
        self.size += len(data)

    def adopt(self, source: Path) -> None:
        """Takes over a file of the same directory of blobs, as the whole content."""
        with source.open("rb") as file:
            while part := file.read(_CHUNK):
                self._sha256.update(part)
                self._md5.update(part)
        self.size = source.stat().st_size
        source.rename(self._writer.path)  # in the place of what was begun, which is empty

    async def read(self, stream: AsyncIterator[bytes]) -> None:
        """Appends a request's body."""
        async for part in gathered(stream):
            await run_in_threadpool(self.write, part)

    @property
    def path(self) -> Path:
        """Where it is, until it is kept."""
        return self._writer.path

    @property
    def sha256(self) -> str:
        """In hex digits."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """In hex digits."""
        return self._md5.hexdigest()

    def hashes(self) -> list[tuple[Any, bytes]]:
        """Of a file's message: kinds and digests."""
        return [(_Kind.SHA256, self._sha256.digest()), (_Kind.MD5, self._md5.digest())]

    def keep(self) -> str:
        """The blob's id: it is the caller's from now on."""
        return self._writer.commit()

    def __enter__(self) -> Received:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._writer.abort()

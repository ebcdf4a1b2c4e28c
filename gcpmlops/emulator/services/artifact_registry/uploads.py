"""Contents that come in pieces: a session's file grows until it is closed."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from gcpmlops.emulator.services.artifact_registry.oci.errors import OciError
from gcpmlops.emulator.services.artifact_registry.received import Received, gathered
from gcpmlops.emulator.state.blobs import Blobs

_RANGE = re.compile(r"(?:bytes[ =])?(\d+)-(\d+)(?:/.*)?")


class Uploads:
    """Sessions; they outlive a restart, as the files that they are."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def begin(self, package: str) -> str:
        """A session's id, which is good for this package only."""
        session = f"{_key(package)}{secrets.token_hex(16)}"
        self._blobs.partial(session).touch(mode=0o600)
        return session

    def size(self, package: str, session: str) -> int:
        """Bytes that are there. Raises: OciError."""
        return self._path(package, session).stat().st_size

    async def append(self, package: str, session: str, stream: AsyncIterator[bytes], span: str) -> int:
        """Adds a piece; the size then.

        Args:
            package: whose session it is.
            session: its id.
            stream: the piece.
            span: the Content-Range header, where the client sent one.

        Raises: OciError for a piece that does not begin where the last one ended.
        """
        path = self._path(package, session)
        match = _RANGE.fullmatch(span)
        if match is not None and int(match[1]) != path.stat().st_size:
            message = f"The session has {path.stat().st_size} bytes: go on from there."
            raise OciError(416, "BLOB_UPLOAD_INVALID", message, Range=received_range(path.stat().st_size))
        with path.open("ab") as file:
            async for part in gathered(stream):
                await run_in_threadpool(file.write, part)
        return path.stat().st_size

    def finish(self, package: str, session: str, into: Received) -> None:
        """The session's bytes; it is over."""
        into.adopt(self._path(package, session))

    def cancel(self, package: str, session: str) -> None:
        """Raises: OciError."""
        self._path(package, session).unlink()

    def _path(self, package: str, session: str) -> Path:
        path = self._blobs.partial(session)
        if not re.fullmatch(r"[0-9a-f]{48}", session) or not session.startswith(_key(package)) or not path.is_file():
            raise OciError(404, "BLOB_UPLOAD_UNKNOWN", f"Upload {session} is not found.")
        return path


def received_range(size: int) -> str:
    """As the specification writes what is there; nothing is 0-0."""
    return f"0-{max(size - 1, 0)}"


def _key(package: str) -> str:
    return hashlib.sha256(package.encode()).hexdigest()[:16]

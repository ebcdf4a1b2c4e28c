"""Media uploads of load jobs: multipart, and resumable in chunks. What was received survives a restart."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcpmlops.emulator.services.bigquery.errors import BigQueryError

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Progress:
    """How far a resumable upload is: bytes received, and whether that is all."""

    received: int
    complete: bool


class Uploads:
    """Files below `directory`: ID.data with the bytes so far, ID.json with the job."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def begin(self, project: str, body: dict[str, Any], caller: str) -> str:
        """Open a resumable upload; returns its id."""
        key = uuid.uuid4().hex
        self._file(key).touch()
        self._meta(key).write_text(json.dumps({"project": project, "body": body, "caller": caller}))
        return key

    def job(self, key: str) -> dict[str, Any]:
        """`project`, `body`, `caller` of an open upload. Raises notFound."""
        try:
            meta: dict[str, Any] = json.loads(self._meta(key).read_text())
        except FileNotFoundError:
            raise BigQueryError("notFound", f"Not found: upload {key}") from None
        return meta

    def receive(self, key: str, header: str | None, data: bytes) -> Progress:
        """Append a chunk; bytes that were received before are skipped. Raises invalid for a gap."""
        self.job(key)
        path = self._file(key)
        have = path.stat().st_size
        start, total = _parse(header, len(data))
        if data and start > have:
            raise BigQueryError("invalid", f"Content-Range starts at {start}, but only {have} bytes were received")
        with path.open("ab") as file:
            file.write(data[have - start :] if data else b"")
        have = path.stat().st_size
        return Progress(have, total is not None and have >= total)

    def take(self, key: str) -> Path:
        """The complete file; the upload is closed."""
        self._meta(key).unlink(missing_ok=True)
        return self._file(key)

    def store(self, data: bytes) -> Path:
        """A file with the media part of a multipart upload."""
        path = self._file(uuid.uuid4().hex)
        path.write_bytes(data)
        return path

    def _file(self, key: str) -> Path:
        return self._directory / f"{_checked(key)}.data"

    def _meta(self, key: str) -> Path:
        return self._directory / f"{_checked(key)}.json"


def _checked(key: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", key):
        raise BigQueryError("notFound", f"Not found: upload {key}")
    return key


def _parse(header: str | None, size: int) -> tuple[int, int | None]:
    if header is None:
        return 0, size
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise BigQueryError("invalid", f"Invalid Content-Range: {header}")
    return int(found.group(1) or 0), None if found.group(3) == "*" else int(found.group(3))


def split_related(content_type: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the media part of a multipart/related body. Raises invalid."""
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    parts = data.split(b"--" + found.group(1).encode()) if found else []
    if len(parts) < 4:
        raise BigQueryError("invalid", "Invalid multipart request with 0 mime parts.")
    try:
        return json.loads(_content(parts[1])), _content(parts[2])
    except ValueError:
        raise BigQueryError("invalid", "Parse Error: the first part is not a JSON job") from None


def _content(part: bytes) -> bytes:
    """A part without its headers and its line ends."""
    text = part.lstrip(b"\r\n") if part[:1] in (b"\r", b"\n") else part
    mark = b"\r\n\r\n" if b"\r\n\r\n" in text else b"\n\n"
    content = text.split(mark, 1)[1] if mark in text else text
    return content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")

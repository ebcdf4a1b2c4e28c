"""multipart/related uploads, parsed as they stream in: a JSON resource, then the content up to the closing boundary."""

from __future__ import annotations

import re

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.call import parse_json
from gcpmlops.emulator.services.storage.records import Json

_MAX_HEAD = 1 << 20  # bytes; the resource and both parts' headers
_HEADERS = rb"(?:[^\r\n]+\r?\n)*\r?\n"
# One pattern for all: every request brings a boundary of its own, and compiling takes longer than matching.
_HEAD = re.compile(
    rb"\A\s*--(?P<boundary>[^\r\n]+?)[ \t]*\r?\n" + _HEADERS + rb"(?P<resource>.*?)\r?\n"
    rb"--(?P=boundary)[ \t]*\r?\n(?P<headers>(?:[^\r\n]+\r?\n)*)\r?\n",
    re.DOTALL,
)


class RelatedParser:
    """Feed it the body; it gives back the content's bytes. Clients separate lines by CRLF or by LF alone.

    Attributes:
        resource: the JSON part, known once ``ready``.
        content_type: of the content's part, or None.
    """

    def __init__(self, content_type: str) -> None:
        self._boundary = boundary_of(content_type)
        self._buffer = b""
        self.ready = False
        self._newline = b"\r\n"
        self.resource: Json = {}
        self.content_type: str | None = None

    def feed(self, data: bytes) -> bytes:
        """Content bytes that are certain by now. Raises BadRequest."""
        self._buffer += data
        if not self.ready and not self._parse_head():
            return b""
        hold = len(self._boundary) + 64
        if len(self._buffer) <= hold:
            return b""
        certain, self._buffer = self._buffer[:-hold], self._buffer[-hold:]
        return certain

    def finish(self) -> bytes:
        """The last content bytes. Raises BadRequest when the closing boundary is missing."""
        content, found, rest = self._buffer.rpartition(self._newline + b"--" + self._boundary)
        if not (self.ready and found and rest.rstrip() == b"--"):
            raise errors.invalid("Missing end boundary in multipart body.")
        return content

    def _parse_head(self) -> bool:
        match = _HEAD.match(self._buffer)
        if match is None or match["boundary"] != self._boundary:
            if len(self._buffer) > _MAX_HEAD:
                raise errors.invalid("Malformed multipart body.")
            return False
        self._newline = b"\r\n" if match.group(0).endswith(b"\r\n") else b"\n"
        self.resource = parse_json(match["resource"].strip())
        self.content_type = part_headers(match["headers"]).get("content-type")
        self._buffer = self._buffer[match.end() :]
        self.ready = True
        return True


def boundary_of(content_type: str) -> bytes:
    """The boundary parameter. Raises BadRequest."""
    match = re.search(r'boundary="?([^";]+)"?', content_type, re.IGNORECASE)
    if match is None:
        raise errors.invalid("Multipart content type without a boundary.")
    boundary = match.group(1)
    return boundary.strip("'").encode("latin-1") if boundary.startswith("'") else boundary.encode("latin-1")


def part_headers(block: bytes) -> dict[str, str]:
    """A part's headers, names in lower case."""
    lines = [line.partition(":") for line in block.decode("utf-8", "replace").splitlines() if ":" in line]
    return {name.strip().lower(): value.strip() for name, _, value in lines}

"""Multipart bodies (forms, and JSON with a content), read from the file that they were written to."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.storage.multipart import boundary_of, part_headers

_MAX_HEAD = 1 << 14  # bytes of one part's headers
_BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class Part:
    """One part of a body, which lives as long as the body is open."""

    headers: dict[str, str]
    data: memoryview

    @property
    def name(self) -> str:
        """Of a form's field."""
        return _parameter(self.headers.get("content-disposition", ""), "name")

    @property
    def filename(self) -> str:
        """Of a form's file; empty for other fields."""
        return _parameter(self.headers.get("content-disposition", ""), "filename")

    @property
    def text(self) -> str:
        return bytes(self.data).decode("utf-8", "replace")


@contextmanager
def parts(body: Path, content_type: str) -> Iterator[list[Part]]:
    """The parts of a body.

    Args:
        body: the file.
        content_type: the header, with its boundary.

    Raises: BadRequest, InvalidArgument for a body that is malformed.
    """
    boundary = b"--" + boundary_of(content_type)
    if not body.stat().st_size:
        raise invalid("body", "is empty.")
    with body.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        heads = [(begin, _head(content, begin, end), end) for begin, end in _spans(content, boundary)]
        view = memoryview(content)
        found = [Part(part_headers(content[begin:head]), view[body_at:end]) for begin, (head, body_at), end in heads]
        try:
            yield found
        finally:
            for part in found:
                part.data.release()
            view.release()


def _spans(content: mmap.mmap, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where each part's headers begin and its data ends."""
    at = content.find(boundary)
    while at >= 0:
        begin = at + len(boundary)
        if content[begin : begin + 2] == b"--":
            return
        end = content.find(b"\n" + boundary, begin)
        if end < 0:
            raise invalid("body", "the closing boundary is missing: it was cut off.")
        yield content.find(b"\n", begin) + 1, end - (content[end - 1 : end] == b"\r")
        at = end + 1
    raise invalid("body", "holds no part of the boundary that the content type names.")


def _head(content: mmap.mmap, begin: int, end: int) -> tuple[int, int]:
    """Where a part's headers end, and where its data begins."""
    blank = _BLANK.search(content, begin - 1, min(begin + _MAX_HEAD, len(content)))
    if blank is None or blank.start() > end:
        raise invalid("body", "a part has no end of its headers.")
    return blank.start(), blank.end()


def _parameter(header: str, name: str) -> str:
    message = Message()
    message["content-disposition"] = header
    value = message.get_param(name, "", "content-disposition")
    return value[2] if isinstance(value, tuple) else str(value)

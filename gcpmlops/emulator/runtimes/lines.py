"""Bytes of a pipe cut into lines of text."""

from __future__ import annotations

import codecs
from collections.abc import Callable


class Lines:
    """Cuts a byte stream into lines of text; bytes that are not UTF-8 are replaced."""

    def __init__(self, limit: int, emit: Callable[[str], None]) -> None:
        self._limit = limit
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes; none means that the stream has ended."""
        *lines, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        for line in lines:
            self._pieces(line)
        while len(self._rest) > self._limit:
            self._emit(self._rest[: self._limit])
            self._rest = self._rest[self._limit :]
        if not data and self._rest:
            self._pieces(self._rest)

    def _pieces(self, line: str) -> None:
        line = line.removesuffix("\r")
        for start in range(0, max(len(line), 1), self._limit):
            self._emit(line[start : start + self._limit])

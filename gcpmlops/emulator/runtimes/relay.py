"""Requests passed on to a server behind a unix socket, within the event loop: bodies stream both ways."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httptools

Headers = list[tuple[bytes, bytes]]
_REUSED_SECONDS = 1.0  # gunicorn closes idle connections after 2 s
_BUFFERED = 1 << 20  # bytes of a reply that wait for their reader before the server is held back
_HOP = {
    b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"trailer", b"upgrade",
    b"proxy-authenticate", b"proxy-authorization",
}  # fmt: skip


class BrokenError(ConnectionError):
    """The server went away before its reply was whole, or it is no HTTP."""


@dataclass
class Head:
    """The beginning of a reply."""

    status: int
    headers: Headers


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._head: Head | None = None
        self._fields: Headers = []
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._paused = self._done = self._keeps = self._until_eof = False
        self._broken = ""
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._reset(b"GET")

    def begin(self, method: bytes, data: bytes) -> None:
        """Sends a request's head, with what is there of its body."""
        self._reset(method)
        self._write(data)

    async def write(self, data: bytes) -> None:
        """More of the body; waits while the server does not take it."""
        self._write(data)
        await self._writable.wait()

    async def head(self) -> Head:
        """Raises BrokenError."""
        while self._head is None:
            await self._more()
        return self._head

    async def body(self) -> AsyncIterator[bytes]:
        """The body's parts. Raises BrokenError."""
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._held -= len(part)
                if self._paused and self._held < _BUFFERED:
                    self._paused = False
                    self._live.resume_reading()
                yield part
            if self._done:
                return
            await self._more()

    def take_whole(self) -> bytes | None:
        """All of the body where it is there already: no turn of the loop for a small reply."""
        if not self._done:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole

    @property
    def reusable(self) -> bool:
        """Whether the reply was read to its end and the connection stays open."""
        return self._done and self._keeps and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether it can't be used any more."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Gives it up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(f"its reply is not HTTP: {error}")
            self.close()
        else:
            self._wake()

    def eof_received(self) -> None:
        if self._head is not None and self._until_eof:
            self._done, self._keeps = True, False
        self._break("it closed the connection before it had answered")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        self._break("it closed the connection before it had answered")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # httptools' callbacks
    def on_status(self, status: bytes) -> None:
        pass

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue: the real one follows
            self._fields = []
            return
        names = {name for name, _ in self._fields}
        self._until_eof = not names & {b"content-length", b"transfer-encoding"}
        self._keeps = self._parser.should_keep_alive() and not self._until_eof
        self._head = Head(status, [pair for pair in self._fields if pair[0] not in _HOP])
        if self._method == b"HEAD" or status in (204, 304):
            self._done, self._keeps = True, self._method != b"HEAD" and self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._held += len(body)
        if self._held > _BUFFERED and not self._paused:
            self._paused = True
            self._live.pause_reading()

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._done = True

    @property
    def _live(self) -> asyncio.Transport:
        if self._transport is None:
            raise BrokenError("the connection is closed")
        return self._transport

    def _write(self, data: bytes) -> None:
        if self.is_closed:
            self._break("it closed the connection before it had the request")
        else:
            self._live.write(data)

    def _reset(self, method: bytes) -> None:
        self._method = method
        self._parser = httptools.HttpResponseParser(self)
        self._head, self._fields, self._held, self._broken, self._waiter = None, [], 0, "", None
        self._parts.clear()
        self._paused = self._done = self._keeps = self._until_eof = False

    async def _more(self) -> None:
        self._check()
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        if not self._done and not self._parts:
            self._check()

    def _check(self) -> None:
        if self._broken:
            raise BrokenError(self._broken)

    def _break(self, why: str) -> None:
        if not self._done:
            self._broken = self._broken or why
        self._wake()

    def _wake(self) -> None:
        waiter: asyncio.Future[None] | None = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Connections:
    """Kept connections to one socket."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._idle: list[Connection] = []

    async def take(self) -> Connection:
        """One that is open. Raises OSError."""
        now = time.monotonic()
        while self._idle:
            found = self._idle.pop()
            if not found.is_closed and now - found.idle_since < _REUSED_SECONDS:
                return found
            found.close()
        loop = asyncio.get_running_loop()
        _, made = await loop.create_unix_connection(Connection, self._path)
        return made

    def give(self, connection: Connection) -> None:
        """Keeps it for the next request, if it can be used again."""
        if connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()


def request_head(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], *, chunked: bool) -> bytes:
    """A request's first lines; hop-by-hop headers are left out."""
    lines = [method + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers if name not in _HOP and name != b"expect"]
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """A part of a body without a known length; none is its end."""
    return b"%x\r\n" % len(data) + data + b"\r\n"

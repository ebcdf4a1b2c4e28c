"""HTTP/1.1 on asyncio: httptools parses, one exchange at a time is answered on each connection, in order.

Keep-alive, pipelining, chunked bodies, `Expect: 100-continue`, HEAD, bounded heads and bodies, stalled senders, and a
SIGTERM that lets requests in flight end. Nothing that ASGI needs beside: that halves the time of a small request.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import traceback
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools

from .codec import failure

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 16  # requests read ahead on one connection
STALL_SECONDS = 60.0  # a request whose next bytes do not come
LINGER_SECONDS = 2.0  # a refused sender may go on that long before its connection is cut

if TYPE_CHECKING:
    from .listening import Server

    Headers = list[tuple[bytes, bytes]]

UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
REASONS = {int(status): status.phrase.encode() for status in HTTPStatus}
JSON: Headers = [(b"content-type", b"application/json")]


class Exchange:
    """One request and the way to answer it: `reply`, or `start`, `write` ... and `end`. Header names in lower case."""

    __slots__ = ("_chunked", "_connection", "body", "headers", "keep_alive", "method", "refusal", "target", "version")

    def __init__(self, connection: Connection, method: str, target: bytes, headers: Headers, body: bytes) -> None:
        self._connection = connection
        self._chunked = False
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.version = "1.1"
        self.keep_alive = True
        self.refusal: tuple[int, bytes] | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        target = self.target
        if not target.startswith(b"/"):  # the absolute form, or `*`
            with contextlib.suppress(httptools.HttpParserInvalidURLError):
                target = httptools.parse_url(target).path or b"/"
        return target.partition(b"?")[0].decode("latin-1")

    def reply(self, status: int, body: bytes, headers: Headers = JSON) -> None:
        """Answer with a whole body."""
        length = (b"content-length", b"%d" % len(body))
        head = self._head(status, [*headers, length])
        self._connection.send(head if self.method == "HEAD" else head + body)
        self._connection.finish(self)

    def start(self, status: int, headers: Headers) -> None:
        """Begin an answer whose body comes in pieces; without a content-length they go out as chunks."""
        sized = any(name == b"content-length" for name, _ in headers)
        if not sized and self.version == "1.0":
            self.keep_alive = False
        elif not sized and status >= 200 and status not in (204, 304):
            self._chunked = True
            headers = [*headers, (b"transfer-encoding", b"chunked")]
        self._connection.send(self._head(status, headers))

    def write(self, data: bytes) -> None:
        """Send the next piece of the body."""
        if data and self.method != "HEAD":
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written. Raises ConnectionResetError where it is gone."""
        await self._connection.drained()

    def end(self) -> None:
        """The body is complete."""
        if self._chunked and self.method != "HEAD":
            self._connection.send(b"0\r\n\r\n")
        self._connection.finish(self)

    def abort(self) -> None:
        """The body cannot be completed: the client must see that."""
        self._connection.abort()

    def _head(self, status: int, headers: Headers) -> bytes:
        server = self._connection.server
        self.keep_alive = self.keep_alive and not (server.draining and self._connection.is_last)
        lines = [b"HTTP/1.1 %d %b\r\ndate: %b\r\n" % (status, REASONS.get(status, b"Status"), server.date())]
        lines += [b"%b: %b\r\n" % header for header in headers]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        elif self.version == "1.0":
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)


class Connection(asyncio.Protocol):
    """One client: bytes in, exchanges to the application one after the other, bytes out."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._current: Exchange | None = None
        self._ahead: deque[Exchange] = deque()
        self._paused = False
        self._refused = False
        self._ended = False
        self._receiving = False
        self._continue = False
        self._progress = 0.0
        self._timer: Any = None
        self._writable: asyncio.Future[None] | None = None
        self._target = b""
        self._headers: Headers = []
        self._parts: list[bytes] = []
        self._head_size = self._size = 0

    @property
    def idle(self) -> bool:
        """No request is being received or answered."""
        return not (self._receiving or self._current or self._ahead)

    @property
    def is_last(self) -> bool:
        """No further request was read ahead."""
        return not self._ahead

    # what asyncio calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.gone(self)
        self._ahead.clear()
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if b"pgrade" in data and not self._receiving:
            data = without_upgrade(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refused = True  # CONNECT; what follows would be another protocol
        except httptools.HttpParserError as error:
            self._refuse(400, f"The request is not HTTP/1.1: {error}")
        if self._receiving and self._timer is None:
            self._progress = self.server.loop.time()
            self._timer = self.server.loop.call_later(STALL_SECONDS, self._stalled)
        elif self._receiving:
            self._progress = self.server.loop.time()

    def eof_received(self) -> bool:
        self._ended = True
        return self._current is not None or bool(self._ahead)  # it has closed its half, and still reads the answers

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self.server.loop.create_future()

    def resume_writing(self) -> None:
        waiter, self._writable = self._writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # what httptools calls

    def on_message_begin(self) -> None:
        self._target, self._headers, self._parts = b"", [], []
        self._head_size = self._size = 0
        self._receiving = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._headers.append((name, value))
        self._count_head(len(name) + len(value))
        if name == b"content-length" and int(value) > self.server.max_body:
            self._too_large()
        elif name == b"expect" and value.lower() == b"100-continue":
            self._continue = True

    def on_headers_complete(self) -> None:
        if self._continue and self._current is None:
            self._send_continue()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self.server.max_body:
            self._too_large()
        elif not self._refused:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        self._receiving = self._continue = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._refused:
            return
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        exchange = Exchange(self, self._parser.get_method().decode("latin-1"), self._target, self._headers, body)
        exchange.version = self._parser.get_http_version()
        exchange.keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        self._parts = []
        self._take(exchange)

    # what exchanges call

    def send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self) -> None:
        if self._writable is not None:
            await self._writable
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")

    def finish(self, exchange: Exchange) -> None:
        """The exchange is answered: the next one, or the end."""
        self._current = None
        if not exchange.keep_alive:
            self._close(linger=exchange.refusal is not None)
        elif self._ahead:
            self.server.loop.call_soon(self._next)
        elif self._ended:
            self._transport.close()
        elif self._continue:
            self._send_continue()
        if self._paused and len(self._ahead) < MAX_PIPELINED and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def close_if_idle(self) -> None:
        """Close a connection on which nothing is under way."""
        if self.idle:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # its own

    def _take(self, exchange: Exchange) -> None:
        if self._current is None and not self._ahead:
            self._serve(exchange)
            return
        self._ahead.append(exchange)
        if len(self._ahead) >= MAX_PIPELINED and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _next(self) -> None:
        if self._ahead and self._current is None:
            self._serve(self._ahead.popleft())

    def _serve(self, exchange: Exchange) -> None:
        self._current = exchange
        if exchange.refusal is not None:
            exchange.reply(*exchange.refusal)
            return
        try:
            self.server.app(exchange)
        except Exception as error:  # noqa: BLE001 - the server outlives whatever a request did
            traceback.print_exc()
            exchange.reply(500, failure(f"{type(error).__name__}: {error}"))

    def _send_continue(self) -> None:
        self._continue = False
        if not self._refused:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD_BYTES:
            self._refuse(431, f"The head of the request is longer than {MAX_HEAD_BYTES} bytes.")

    def _too_large(self) -> None:
        self._refuse(413, f"The body of the request is larger than {self.server.max_body} bytes.")

    def _refuse(self, status: int, text: str) -> None:
        """Answer this in the request's turn, read nothing more, close."""
        if self._refused:
            return
        self._refused, self._receiving, self._parts = True, False, []
        exchange = Exchange(self, "", b"", [], b"")
        exchange.keep_alive = False
        exchange.refusal = (status, failure(text))
        self._take(exchange)

    def _close(self, *, linger: bool) -> None:
        """A client that is still sending would lose the answer to a connection reset: let it go on for a while."""
        self._refused = True
        if linger and not self._transport.is_closing():
            self._transport.write_eof()
            self.server.loop.call_later(LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()

    def _stalled(self) -> None:
        self._timer = None
        if not self._receiving:
            return
        if self._paused:  # it is we who do not read
            self._progress = self.server.loop.time()
        left = self._progress + STALL_SECONDS - self.server.loop.time()
        if left > 0:
            self._timer = self.server.loop.call_later(left, self._stalled)
        else:
            self._refuse(408, f"The rest of the request did not come within {STALL_SECONDS:g} s.")


def without_upgrade(data: bytes) -> bytes:
    """The request without its offer to change to HTTP/2 or to WebSocket, after which httptools reads no body."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest

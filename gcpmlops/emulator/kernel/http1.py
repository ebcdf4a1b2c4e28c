"""HTTP/1.1 connections: uvicorn's protocol, tuned for clients that send one small request after the other."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_STATUS = b"HTTP/1.1 "
# TensorFlow's gs:// files say this beside a length. It means nothing any more, but the parser refuses the two together.
_IDENTITY = b"\r\nTransfer-Encoding: identity\r\n"
# TensorFlow looks for these two in the case that Google writes them in.
_CASED = {b"\r\nlocation: ": b"\r\nLocation: ", b"\r\nrange: ": b"\r\nRange: "}


class Http1(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport.get_extra_info("socket")
        self.parser.set_dangerous_leniencies(lenient_chunked_length=True)  # chunks beside a length: TensorFlow's PUT
        super().connection_made(cast(asyncio.Transport, Joined(cast(asyncio.Transport, transport), self.loop)))

    def data_received(self, data: bytes) -> None:
        super().data_received(self._without_identity(data))
        if not self._request_is_complete():
            self._acknowledge()

    def _without_identity(self, data: bytes) -> bytes:
        cycle: RequestResponseCycle | None = self.cycle
        between_requests = cycle is None or not cycle.more_body
        if between_requests and 0 < data.find(_IDENTITY) < data.find(b"\r\n\r\n"):
            return data.replace(_IDENTITY, b"\r\n", 1)
        return data

    def _request_is_complete(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _acknowledge(self) -> None:
        """At once: urllib3 leaves Nagle's algorithm on for proxies, and waits 40 ms with the body for a delayed ACK."""
        if self._socket is not None and hasattr(socket, "TCP_QUICKACK") and not self.transport.is_closing():
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Joined:
    """A transport that sends a reply's head together with the body's beginning: one segment, one wake-up.

    A head whose body isn't there yet goes out in the loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines([head, data] if data else [head])
        elif data.startswith(_STATUS):
            self._head = _cased(data)
            self._loop.call_soon(self._flush)
        elif data:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)


def _cased(head: bytes) -> bytes:
    for lower, cased in _CASED.items():
        head = head.replace(lower, cased)
    return head

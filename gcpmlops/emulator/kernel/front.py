"""The one port: the first bytes of a connection tell what it is.

CONNECT is the HTTPS proxy, ``PRI * HTTP/2`` is plaintext gRPC, anything else is HTTP/1.1. Behind CONNECT, TLS ends here
for the hosts that are served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import cast

from gcpmlops.emulator.kernel import hosts
from gcpmlops.emulator.kernel.certificates import Certificates
from gcpmlops.emulator.kernel.splice import Splice, join
from gcpmlops.emulator.kernel.tunnel import Upstream

log = logging.getLogger(__name__)

_PREFACE = b"PRI * HTTP/2.0\r\n"
_CONNECT = b"CONNECT "
_MAX_HEAD = 64 * 1024  # bytes of a CONNECT request


@dataclass(frozen=True)
class Backends:
    """Where connections go: an HTTP/1.1 protocol per connection, the gRPC server's socket, TLS and the outside."""

    http: Callable[[], asyncio.Protocol]
    grpc_socket: str
    certificates: Certificates
    upstream: Upstream


class Front(asyncio.Protocol):
    """Reads the first bytes, then hands the connection over."""

    def __init__(self, backends: Backends, connections: set[asyncio.Transport]) -> None:
        self._backends = backends
        self._connections = connections
        self._head = b""
        self._handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        head = self._head
        if self._handed_over:
            return  # kept until the new owner takes it
        if _PREFACE.startswith(head[: len(_PREFACE)]):
            if len(head) >= len(_PREFACE):
                self._hand_over(self._relay_grpc(self._transport, lambda: self._head))
        elif _CONNECT.startswith(head[: len(_CONNECT)]):
            self._connect(head)
        else:
            give_http(self._backends, self._transport, head)

    def _connect(self, head: bytes) -> None:
        if b"\r\n\r\n" in head:
            target = head.split(b" ", 2)[1].decode("latin-1")
            host, _, port = target.rpartition(":")
            self._hand_over(self._open(host.strip("[]").lower(), int(port) if port.isdigit() else 443))
        elif len(head) > _MAX_HEAD:
            self._transport.close()

    def _hand_over(self, work: Coroutine[None, None, None]) -> None:
        self._handed_over = True
        self._transport.pause_reading()
        task = asyncio.get_running_loop().create_task(work)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _open(self, host: str, port: int) -> None:
        if hosts.is_served(host):
            await self._end_tls(host)
            return
        try:
            upstream = await self._backends.upstream.connect(host, port)
        except OSError as error:  # PermissionError and TimeoutError are OSErrors too
            code = "403 Forbidden" if isinstance(error, PermissionError) else "502 Bad Gateway"
            self._refuse(code, f"{host}:{port}: {str(error) or type(error).__name__}")
            return
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        join(self._transport, upstream, b"")

    async def _end_tls(self, host: str) -> None:
        context = self._backends.certificates.context(host)
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        plain, idle = self._transport, _Idle()
        try:
            secure = await asyncio.get_running_loop().start_tls(plain, idle, context, server_side=True)
        except (OSError, EOFError) as error:  # an untrusting or vanished client
            log.info("TLS with a client for %s failed: %s", host, error)
            return
        finally:
            self._connections.discard(plain)
        if secure is None:
            return
        self._connections.add(secure)
        if secure.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            secure.pause_reading()
            await self._relay_grpc(secure, lambda: idle.early)
        else:
            give_http(self._backends, secure, idle.early)

    async def _relay_grpc(self, transport: asyncio.Transport, read_already: Callable[[], bytes]) -> None:
        loop = asyncio.get_running_loop()
        upstream = await loop.create_unix_connection(Splice, self._backends.grpc_socket)
        join(transport, upstream, read_already())

    def _refuse(self, status: str, text: str) -> None:
        body = f"gcpmlops emulator: {text}\n".encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self._transport.write(head.encode("latin-1") + body)
        self._transport.close()


class _Idle(asyncio.Protocol):
    """Stands in during the handshake, and keeps what comes in before the real protocol takes over."""

    def __init__(self) -> None:
        self.early = b""

    def data_received(self, data: bytes) -> None:
        self.early += data


def give_http(backends: Backends, transport: asyncio.Transport, first: bytes) -> None:
    """From here on an HTTP/1.1 protocol owns the connection."""
    protocol = backends.http()
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if first:
        protocol.data_received(first)


_tasks: set[asyncio.Task[None]] = set()  # running hand-overs: the loop itself keeps only weak references

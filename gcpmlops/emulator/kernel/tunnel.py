"""Connections to hosts that the emulator does not serve: untouched, or through the proxy that was set before."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from gcpmlops.emulator.kernel.splice import Splice

_TIMEOUT = 20.0  # seconds to connect


@dataclass(frozen=True)
class Upstream:
    """How the outside is reached: directly, by an ``https_proxy``, or not at all."""

    proxy: str = ""
    offline: bool = False

    async def connect(self, host: str, port: int) -> tuple[asyncio.BaseTransport, Splice]:
        """Opens a connection to ``host:port``.

        Raises: OSError when it can't be had; PermissionError when the emulator is offline.
        """
        if self.offline:
            raise PermissionError(f"the emulator runs --offline: {host}:{port} is refused")
        async with asyncio.timeout(_TIMEOUT):
            return await (self._through_proxy(host, port) if self.proxy else _direct(host, port))

    async def _through_proxy(self, host: str, port: int) -> tuple[asyncio.BaseTransport, Splice]:
        target = urlsplit(self.proxy if "//" in self.proxy else f"http://{self.proxy}")
        secure = ssl.create_default_context() if target.scheme == "https" else None
        loop = asyncio.get_running_loop()
        greeting = _Greeting(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{_credentials(target)}\r\n")
        default = 443 if secure else 80
        transport, _ = await loop.create_connection(
            lambda: greeting, target.hostname or "", target.port or default, ssl=secure
        )
        await greeting.accepted
        transport.set_protocol(greeting.splice)
        greeting.splice.connection_made(transport)
        return transport, greeting.splice


async def _direct(host: str, port: int) -> tuple[asyncio.BaseTransport, Splice]:
    return await asyncio.get_running_loop().create_connection(Splice, host, port)


def _credentials(target: object) -> str:
    user, password = getattr(target, "username", None), getattr(target, "password", None)
    if not user:
        return ""
    pair = base64.b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
    return f"Proxy-Authorization: Basic {pair}\r\n"


class _Greeting(asyncio.Protocol):
    """Asks a proxy for a tunnel and reads its reply."""

    def __init__(self, request: str) -> None:
        self._request = request.encode("latin-1")
        self._read = b""
        self.splice = Splice()
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]  # a stream transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        if b"\r\n\r\n" in self._read and not self.accepted.done():
            status = self._read.split(b" ", 2)[1:2]
            if status == [b"200"]:
                self.accepted.set_result(None)
            else:
                self.accepted.set_exception(OSError(f"the proxy answered {self._read.splitlines()[0]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(exc or OSError("the proxy closed the connection"))

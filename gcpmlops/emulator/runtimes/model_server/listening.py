"""The server: bound sockets, its connections, and an end that lets requests in flight be answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from .protocol import Connection, Exchange

NOTICE_SECONDS = 0.05  # after SIGTERM, connections that are on their way are still taken


class Server:
    """Listens on bound sockets until told to stop.

    Args:
        app: answers an exchange, now or later.
        max_body: bytes of a request body.
        grace: seconds that requests in flight may take after `stop`.
    """

    def __init__(self, app: Callable[[Exchange], None], *, max_body: int, grace: float) -> None:
        self.app = app
        self.max_body = max_body
        self.grace = grace
        self.draining = False
        self.connections: set[Connection] = set()
        self.loop: Any = None
        self._date = (0, b"")
        self._stopped: Any = None
        self._empty: Any = None

    async def run(self, sockets: list[Any], *, backlog: int = 2048) -> bool:
        """Serve until `stop`, then until the last request is answered. Returns whether all were, within the grace."""
        self.loop = asyncio.get_running_loop()
        self._stopped, self._empty = asyncio.Event(), asyncio.Event()
        listeners = [await self._listen(sock, backlog) for sock in sockets]
        await self._stopped.wait()
        await asyncio.sleep(NOTICE_SECONDS)
        for listener in listeners:
            listener.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self.grace)
        left = list(self.connections)
        for connection in left:
            connection.abort()
        return not left

    def stop(self) -> None:
        """Take no more connections, answer what is under way, then return from `run`."""
        self.draining = True
        self._stopped.set()

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self._empty.set()

    def date(self) -> bytes:
        """The Date header's value, made once a second."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = now, time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)).encode()
        return self._date[1]

    async def _listen(self, sock: Any, backlog: int) -> Any:
        create = self.loop.create_unix_server if sock.family == socket.AF_UNIX else self.loop.create_server
        return await create(lambda: Connection(self), sock=sock, backlog=backlog)

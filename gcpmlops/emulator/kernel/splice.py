"""Copies bytes both ways between two connections, with back-pressure."""

from __future__ import annotations

import asyncio
from typing import Any, cast


class Splice(asyncio.Protocol):
    """One end. What it receives goes to its peer; when one end is slow, the other is paused."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: Splice | None = None
        self.early = b""  # came in before there was a peer: a gRPC server speaks first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)
        elif self.transport is not None and not self.transport.is_closing():
            self.early += data

    def eof_received(self) -> bool:
        peer = self.peer.transport if self.peer is not None else None
        if peer is not None and not peer.is_closing() and peer.can_write_eof():
            peer.write_eof()
            return True  # half closed: the other direction may still carry the reply
        return False

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        peer, self.peer = self.peer, None
        if peer is not None and peer.transport is not None and not peer.transport.is_closing():
            peer.transport.close()


def join(transport: asyncio.Transport, upstream: tuple[Any, Splice], first: bytes) -> None:
    """Makes ``transport`` and a connected upstream the two ends of one pipe; ``first`` was read already."""
    end, other = Splice(), upstream[1]
    end.peer, other.peer = other, end
    transport.set_protocol(end)
    end.connection_made(transport)
    if first:
        end.data_received(first)
    if other.early:
        transport.write(other.early)
        other.early = b""
    transport.resume_reading()

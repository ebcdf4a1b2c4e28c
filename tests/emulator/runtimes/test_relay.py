"""Replies that are passed on: whole, in parts, without a length, broken off."""

import asyncio
from pathlib import Path

import pytest

from gcpmlops.emulator.runtimes.relay import BrokenError, Connections, request_head


async def exchange(path: Path, reply: bytes, *, method: bytes = b"GET") -> tuple[int, list, bytes, bool]:
    """Status, headers, body and whether the connection was kept, from a server that sends these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for number in range(0, len(reply), 7):  # in small pieces
            writer.write(reply[number : number + 7])
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    async with server:
        connections = Connections(path)
        connection = await connections.take()
        connection.begin(
            method, request_head(method, b"/", [(b"host", b"x"), (b"connection", b"close")], chunked=False)
        )
        head = await connection.head()
        body = b"".join([part async for part in connection.body()])
        reusable = connection.reusable
        connection.close()
        return head.status, head.headers, body, reusable


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-a: 1\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 201 C\r\ntransfer-encoding: chunked\r\nx-a: 1\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 201, b"abc"),
        (b"HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nx-a: 1\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\nx-a: 1\r\n\r\nx", 200, b"x"),
    ],
)
def test_replies(tmp_path: Path, reply: bytes, status: int, body: bytes) -> None:
    found = asyncio.run(exchange(tmp_path / "s", reply))
    assert (found[0], found[2]) == (status, body)
    assert (b"x-a", b"1") in found[1]
    assert b"transfer-encoding" not in dict(found[1])


@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200"]
)
def test_what_breaks_off_is_no_reply(tmp_path: Path, reply: bytes) -> None:
    with pytest.raises(BrokenError):
        asyncio.run(exchange(tmp_path / "s", reply))


def test_hop_by_hop_headers_stay() -> None:
    head = request_head(
        b"POST", b"/a?b", [(b"te", b"trailers"), (b"expect", b"100-continue"), (b"x", b"y")], chunked=True
    )
    assert head == b"POST /a?b HTTP/1.1\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n"

"""The one port: what the first bytes mean, and pipes that lose nothing, pause a fast side and pass on half-closing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pytest_mock import MockerFixture

from gcpmlops.emulator.kernel.certificates import Certificates
from gcpmlops.emulator.kernel.front import Backends, Front
from gcpmlops.emulator.kernel.splice import Splice, join
from gcpmlops.emulator.kernel.tunnel import Upstream

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GREETING = b"settings of the server"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A gRPC server as far as the front can tell: it speaks first, then sends back what it gets, until half-closed."""
    writer.write(GREETING)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"goodbye")
    writer.close()


class Http(asyncio.Protocol):
    """Says what it got."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"http:" + data)


@dataclass
class Port:
    number: int
    certificates: Certificates

    async def connect(self) -> Stream:
        return await asyncio.open_connection("127.0.0.1", self.number)

    async def tunnel(self, target: str) -> Stream:
        """A connection on which CONNECT was sent and the head of the answer is read, if it says 200."""
        reader, writer = await self.connect()
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        return reader, writer

    async def secure(self, host: str, *protocols: str) -> Stream:
        context = ssl.create_default_context(cafile=self.certificates.path)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        reader, writer = await self.tunnel(f"{host}:443")
        await writer.start_tls(context, server_hostname=host)
        return reader, writer


@asynccontextmanager
async def front(folder: Path, *, answer: Answer = echo, offline: bool = False) -> AsyncIterator[Port]:
    certificates = Certificates(folder)
    backends = Backends(Http, str(folder / "grpc"), certificates, Upstream(offline=offline))
    grpc = await asyncio.start_unix_server(answer, str(folder / "grpc"))
    connections: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Front(backends, connections), "127.0.0.1", 0)
    try:
        yield Port(server.sockets[0].getsockname()[1], certificates)
    finally:
        server.close()
        grpc.close()
        for transport in list(connections):
            transport.abort()


def run(work: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work

    uvloop.run(bounded())


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("cuts", [[], [1], [3], [16], [24], [1, 2, 3, 20]])
def test_grpc_gets_every_byte_however_the_preface_arrives(tmp_path: Path, cuts: list[int]) -> None:
    sent = PREFACE + b"settings of the client"

    async def work() -> None:
        async with front(tmp_path) as port:
            reader, writer = await port.connect()
            for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
                writer.write(sent[start:end])
                await writer.drain()
            assert await reader.readexactly(len(GREETING + sent)) == GREETING + sent
            await close(writer)

    run(work())


def test_half_closing_passes_on_and_the_answer_still_comes(tmp_path: Path) -> None:
    async def work() -> None:
        async with front(tmp_path) as port:
            reader, writer = await port.connect()
            writer.write(PREFACE)
            writer.write_eof()
            assert await reader.read() == GREETING + PREFACE + b"goodbye"
            await close(writer)

    run(work())


def test_a_vanished_client_ends_the_backends_side(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def until_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):  # a reset is an end too
            while await reader.read(65536):
                pass
        writer.close()
        ended.set()

    async def work() -> None:
        async with front(tmp_path, answer=until_the_end) as port:
            _, writer = await port.connect()
            writer.write(PREFACE)
            await writer.drain()
            writer.transport.abort()
            await ended.wait()

    run(work())


def test_a_full_side_pauses_the_other_until_it_drains(mocker: MockerFixture) -> None:
    client, backend = mocker.Mock(spec=asyncio.Transport), mocker.Mock(spec=asyncio.Transport)
    other = Splice()
    other.connection_made(backend)
    join(client, (backend, other), b"first")
    backend.write.assert_called_once_with(b"first")
    client.resume_reading.assert_called_once_with()
    other.pause_writing()
    client.pause_reading.assert_called_once_with()
    other.resume_writing()
    assert client.resume_reading.call_count == 2
    backend.pause_reading.assert_not_called()


def test_a_reader_that_starts_late_gets_all(tmp_path: Path) -> None:
    size = 64 * 2**20
    all_is_written = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await all_is_written.wait()
        await reader.readexactly(len(PREFACE))
        left = size
        while left and (data := await reader.read(2**20)):
            left -= len(data)
        writer.write(b"all" if not left else b"lost")
        writer.close()

    async def work() -> None:
        async with front(tmp_path, answer=late) as port:
            reader, writer = await port.connect()
            writer.write(PREFACE)
            writer.write(bytes(size))
            all_is_written.set()
            assert await reader.read() == b"all"
            await close(writer)

    run(work())


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"P", b"PU", b"C", b"CONN", b"\x16\x03\x01"])
def test_everything_else_is_http(tmp_path: Path, first: bytes) -> None:
    async def work() -> None:
        async with front(tmp_path) as port:
            reader, writer = await port.connect()
            writer.write(first)
            await writer.drain()
            writer.write(b"OX / HTTP/1.1\r\n\r\n")
            assert (await reader.read(5)) == b"http:"
            assert first[:1] == await reader.readexactly(1)
            await close(writer)

    run(work())


def test_tls_ends_here_for_served_hosts_and_alpn_tells_grpc(tmp_path: Path) -> None:
    async def work() -> None:
        async with front(tmp_path) as port:
            for protocols in [(), ("http/1.1",), ("h2", "http/1.1")]:
                reader, writer = await port.secure("storage.googleapis.com", *protocols)
                writer.write(b"GET /")
                assert await reader.readexactly(10) == b"http:GET /"
                await close(writer)
            reader, writer = await port.secure("us-central1-aiplatform.googleapis.com", "h2")
            body = PREFACE + os.urandom(4 * 2**20)
            writer.write(body)
            assert await reader.readexactly(len(GREETING + body)) == GREETING + body
            await close(writer)

    run(work())


def test_a_client_without_the_ca_disturbs_nobody(tmp_path: Path) -> None:
    async def work() -> None:
        async with front(tmp_path) as port:
            _, writer = await port.tunnel("storage.googleapis.com:443")
            with pytest.raises(ssl.SSLCertVerificationError):
                await writer.start_tls(ssl.create_default_context(), server_hostname="storage.googleapis.com")
            reader, other = await port.secure("storage.googleapis.com")
            other.write(b"GET /")
            assert await reader.readexactly(10) == b"http:GET /"
            await close(other, writer)

    run(work())


def test_other_hosts_are_tunnelled_untouched(tmp_path: Path) -> None:
    async def work() -> None:
        outside = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with front(tmp_path) as port, outside:
            reader, writer = await port.tunnel(f"127.0.0.1:{outside.sockets[0].getsockname()[1]}")
            body = os.urandom(8 * 2**20)
            writer.write(body)
            writer.write_eof()
            assert await reader.read() == GREETING + body + b"goodbye"
            await close(writer)

    run(work())


@pytest.mark.parametrize(
    ("offline", "status", "reason"), [(True, b"403 Forbidden", b"--offline"), (False, b"502 Bad Gateway", b"127.0.0.1")]
)
def test_what_cannot_be_reached_is_refused_with_the_reason(
    tmp_path: Path, offline: bool, status: bytes, reason: bytes
) -> None:
    async def work() -> None:
        closed = await asyncio.start_server(echo, "127.0.0.1", 0)
        target = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        async with front(tmp_path, offline=offline) as port:
            reader, writer = await port.connect()
            writer.write(f"CONNECT 127.0.0.1:{target} HTTP/1.1\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + status)
            assert reason in body
            await close(writer)

    run(work())


def test_an_endless_connect_head_is_cut_off(tmp_path: Path) -> None:
    async def work() -> None:
        async with front(tmp_path) as port:
            reader, writer = await port.connect()
            writer.write(b"CONNECT a:443 HTTP/1.1\r\nx: " + b"x" * 100_000)
            with contextlib.suppress(ConnectionError):  # a reset says the same
                assert await reader.read() == b""
            await close(writer)

    run(work())

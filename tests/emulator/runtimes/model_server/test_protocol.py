"""HTTP/1.1 as clients may speak it, to a server whose model is a user's class."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from gcpmlops.emulator.runtimes.model_server import protocol
from gcpmlops.emulator.runtimes.model_server.listening import Server

from .conftest import Serve, Served

ECHO = """
import time

class Echo:
    def predict(self, rows):
        first = rows[0][0]
        if first == "raise":
            raise RuntimeError("the model's own words")
        if first == "few":
            return rows[:0]
        if first == "nan":
            return [float("nan"), float("inf")]
        if first == "object":
            return [open]
        if first == "series":
            import pandas
            return pandas.Series([1.5, None])
        if first == "frame":
            import pandas
            return pandas.DataFrame({"a": [1], "b": [2.5]})
        if first == "tuple":
            return ([1], [2])
        if first == "number":
            return 3
        if first == "exit":
            raise SystemExit(3)
        time.sleep(float(first))
        return rows
"""
HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with the class beside the pickle."""
    found = tmp_path_factory.mktemp("echo")
    (found / "echo.py").write_text(ECHO)
    (found / "model.pkl").write_bytes(b"cecho\nEcho\n)\x81.")
    return found


@pytest.fixture(scope="module")
def echo(serve: Serve, folder: Path) -> Served:
    return serve(folder, "--max-body-mib", "1", PYTHONPATH=str(folder)).ready()


def post(first: object, more: str = "") -> bytes:
    """A prediction request as bytes."""
    body = json.dumps({"instances": [[first, 7]]}).encode()
    return HEAD + f"{more}content-length: {len(body)}\r\n\r\n".encode() + body


def statuses(data: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


def test_pipelined_requests_are_answered_in_order(echo: Served) -> None:
    times = [0.05, *(number / 10_000 for number in range(30))]  # more than are read ahead
    reply = echo.exchange(b"".join(map(post, times)))
    assert statuses(reply) == [200] * 31
    found = [json.loads(part)["predictions"][0][0] for part in re.findall(rb'{"predictions".*?}', reply)]
    assert found == times
    assert reply.count(b"date: ") == 31


def test_bodies_in_chunks_and_in_pieces(echo: Served) -> None:
    body = b'{"instances": [[0, 1]]}'
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, body[index : index + 1]) for index in range(len(body))) + b"0\r\n\r\n"
    data = HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks
    with echo.connect() as client:
        for index in range(0, len(data), 7):
            client.sendall(data[index : index + 7])
        assert b'{"predictions":[[0,1]]}' in client.recv(65536)
        client.sendall(data)  # the connection goes on
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_expect_100_continue(echo: Served) -> None:
    body = b'{"instances": [[0, 1]]}'
    with echo.connect() as client:
        client.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        # behind a request that is still being answered, the answer comes first
        client.sendall(post(0.05) + HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        received = b""
        while b"100 Continue" not in received:
            received += client.recv(65536)
        assert statuses(received) == [200, 100]
        client.sendall(body)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    refused = echo.exchange(HEAD + b"expect: 100-continue\r\ncontent-length: 99999999\r\n\r\n")
    assert statuses(refused) == [413]


def test_bodies_and_heads_are_bounded(echo: Served) -> None:
    size = 2**20 + 1
    with echo.connect() as client:  # a client that sends all before it reads
        client.sendall(HEAD + b"content-length: %d\r\n\r\n" % size + b" " * size)
        assert statuses(client.recv(65536)) == [413]
        assert client.recv(65536) == b""
    chunk = b"%x\r\n%b\r\n" % (size // 2, b" " * (size // 2))
    reply = echo.exchange(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk * 3)
    assert statuses(reply) == [413]
    assert b"larger than 1048576 bytes" in reply
    assert statuses(echo.exchange(HEAD + b"x: " + b"y" * 70_000 + b"\r\n\r\n")) == [431]
    assert echo.predict({"instances": [[0, 1]]})[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        (b"GET http://x/health?a=1 HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        (b"GET /health?verbose=1 HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        (b"GET /predict HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        (b"DELETE /health HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        (b"POST /elsewhere HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (HEAD + b"content-length: ten\r\n\r\n", 400),
        (HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n", 200),
    ],
)
def test_what_else_a_client_may_send(echo: Served, request_: bytes, status: int) -> None:
    assert statuses(echo.exchange(request_)) == [status]


def test_an_offer_of_http2_is_passed_over(echo: Served) -> None:
    body = b'{"instances": [[0, 1]]}'
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    reply = echo.exchange((HEAD + offer + b"content-length: %d\r\n\r\n" % len(body) + body) + post(0))
    assert statuses(reply) == [200, 200]


def test_head_and_connections_that_end(echo: Served) -> None:
    reply = echo.exchange(b"HEAD /health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert reply.endswith(b"content-length: 2\r\n\r\n")
    assert b"connection: close" in echo.exchange(b"GET /health HTTP/1.0\r\n\r\n")
    assert b"connection: keep-alive" in echo.exchange(b"GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    last = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert statuses(echo.exchange(last + b"GET /health HTTP/1.1\r\n\r\n")) == [200]
    with echo.connect() as client:
        client.sendall(post(0.05))  # and is gone before the answer
    assert echo.predict({"instances": [[0, 1]]})[0] == 200


@pytest.mark.parametrize(
    ("first", "status", "said"),
    [
        ("nan", 200, [None, None]),
        ("series", 200, [1.5, None]),
        ("frame", 200, [[1.0, 2.5]]),
        ("raise", 400, "Prediction failed: Exception during sklearn prediction: the model's own words"),
        ("few", 500, "Prediction failed: The model returned 0 predictions for 1 instances."),
        ("tuple", 500, "Prediction failed: predict returned a tuple of 2 values, not one prediction per instance."),
        ("number", 500, "Prediction failed: predict returned one value, not a prediction for each instance."),
        ("object", 500, "Prediction failed: the model's predictions are not JSON"),
        ("exit", 500, "SystemExit: 3"),
    ],
)
def test_whatever_a_model_does_is_answered(echo: Served, first: str, status: int, said: object) -> None:
    rows = [[first, 7], [first, 8]] if first in ("nan", "series") else [[first, 7]]
    found, body = echo.predict({"instances": rows})
    assert found == status
    if status == 200:
        assert body["predictions"] == said
    else:
        assert str(said) in body["error"]


def test_slow_predictions_do_not_hold_up_the_others(echo: Served) -> None:
    replies: list[int] = []
    threads = [
        threading.Thread(target=lambda: replies.append(echo.predict({"instances": [[0.3, 1]]})[0])) for _ in range(8)
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    assert echo.ask("GET", "/health")[0] == 200
    for thread in threads:
        thread.join()
    assert replies == [200] * 8
    assert time.monotonic() - begun < 8 * 0.3


def test_sigterm_lets_requests_in_flight_end(serve: Serve, folder: Path) -> None:
    server = serve(folder, PYTHONPATH=str(folder)).ready()
    with server.connect() as busy, server.connect() as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert statuses(idle.recv(65536)) == [200]
        busy.sendall(post(0.3) + post(0))
        assert server.ask("GET", "/health")[0] == 200  # read after it, on the same loop
        server.process.terminate()
        assert idle.recv(65536) == b""  # closed, as nothing was under way
        reply = b"".join(iter(lambda: busy.recv(65536), b""))
        assert statuses(reply) == [200, 200]
        assert reply.count(b"connection: close") == 1
    assert server.process.wait(20) == 0
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        server.connect()


def test_a_sender_that_stalls_is_told_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALL_SECONDS", 0.05)

    async def run() -> bytes:
        server = Server(lambda exchange: exchange.reply(200, b"{}"), max_body=100, grace=1)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        serving = asyncio.ensure_future(server.run([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost:")
        reply = await reader.read()
        writer.close()
        server.stop()
        assert await serving
        return reply

    reply = asyncio.run(run())
    assert statuses(reply) == [408]
    assert b"did not come within" in reply

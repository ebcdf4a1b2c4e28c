"""HTTP/1.1 on the plain port: every form of target, bodies in pieces, several requests at once, limits."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcpmlops.emulator import launch
from gcpmlops.emulator.server import Running


@pytest.fixture(scope="module")
def small() -> Iterator[Running]:
    """An emulator that takes bodies of 1 MiB at most, offline."""
    with launch.ephemeral(arguments=["--max-body-bytes", str(2**20), "--offline"]) as state:
        yield state


class Connection:
    """A raw connection that carries the emulator's own token."""

    def __init__(self, state: Running) -> None:
        self._socket = socket.create_connection(("127.0.0.1", state.port), timeout=20)
        self.reader = self._socket.makefile("rb")
        self._token = (Path(state.data_dir) / "token").read_text()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def head(self, verb: str, target: str, *headers: str, host: str = "127.0.0.1") -> bytes:
        lines = [f"{verb} {target} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {self._token}", *headers]
        return "\r\n".join([*lines, "", ""]).encode()

    def reply(self) -> tuple[int, bytes]:
        status = int(self.reader.readline().split()[1])
        length = 0
        while (line := self.reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self.reader.read(length)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/storage/v1/b?project=p", "127.0.0.1"),
        ("/storage/v1/b?project=p", "storage.googleapis.com"),
        ("/storage.googleapis.com/storage/v1/b?project=p", "127.0.0.1"),
        ("http://storage.googleapis.com/storage/v1/b?project=p", "storage.googleapis.com"),
    ],
)
def test_every_form_of_target_reaches_the_service(small: Running, target: str, host: str) -> None:
    with Connection(small) as connection:
        connection.send(connection.head("GET", target, host=host))
        status, body = connection.reply()
        assert (status, json.loads(body)["kind"]) == (200, "storage#buckets")


def test_requests_in_pieces_and_several_at_once_are_answered_in_order(small: Running) -> None:
    with Connection(small) as connection:
        listing = connection.head("GET", "/storage/v1/b?project=p")
        missing = connection.head("GET", "/storage/v1/b/missing")
        for start in range(0, len(listing), 40):
            connection.send(listing[start : start + 40])
        assert connection.reply()[0] == 200
        connection.send(listing + missing + listing)
        assert [connection.reply()[0] for _ in range(3)] == [200, 404, 200]


def test_an_expected_continue_comes_before_the_body(small: Running) -> None:
    body = b'{"name": "continued"}'
    headers = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Expect: 100-continue")
    with Connection(small) as connection:
        connection.send(connection.head("POST", "/storage/v1/b?project=p", *headers))
        assert connection.reply()[0] == 100
        connection.send(body)
        assert connection.reply()[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/upload/storage/v1/b/large/o?uploadType=media&name=o", "/v1/projects/p:test"])
def test_a_body_over_the_limit_is_413(small: Running, path: str, chunked: bool) -> None:
    host = "storage.googleapis.com" if "storage" in path else "cloudresourcemanager.googleapis.com"
    size = 2**20 + 1
    with Connection(small) as connection:
        if chunked:
            connection.send(connection.head("POST", path, "Transfer-Encoding: chunked", host=host))
            connection.send(b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
        else:
            connection.send(connection.head("POST", path, f"Content-Length: {size}", host=host))
        status, body = connection.reply()
        assert (status, json.loads(body)["error"]["code"]) == (413, 413)


def test_offline_refuses_to_tunnel_but_serves_google(small: Running) -> None:
    with Connection(small) as connection:
        connection.send(b"CONNECT pypi.org:443 HTTP/1.1\r\n\r\n")
        assert connection.reply() == (
            403, b"gcpmlops emulator: pypi.org:443: the emulator runs --offline: pypi.org:443 is refused\n"
        )  # fmt: skip
    with Connection(small) as connection:
        connection.send(b"CONNECT storage.googleapis.com:443 HTTP/1.1\r\n\r\n")
        assert connection.reader.readline().startswith(b"HTTP/1.1 200 ")


def test_uploads_as_tensorflow_sends_them(small: Running) -> None:
    """A length beside `identity` or beside chunks, and headers found by the case that Google writes them in."""
    with Connection(small) as connection:
        bucket = b'{"name": "tensorflow-bucket"}'
        head = connection.head("POST", "/storage/v1/b?project=p", f"Content-Length: {len(bucket)}")
        connection.send(head + bucket)
        assert connection.reply()[0] == 200
        target = "/upload/storage/v1/b/tensorflow-bucket/o"
        headers = ("Content-Length: 0", "Transfer-Encoding: identity", "Content-Type: text/plain")
        connection.send(connection.head("POST", f"{target}?uploadType=media&name=folder%2F", *headers))
        assert connection.reply()[0] == 200
        headers = ("X-Upload-Content-Length: 5", "Content-Length: 0")
        connection.send(connection.head("POST", f"{target}?uploadType=resumable&name=a", *headers))
        lines = list(iter(connection.reader.readline, b"\r\n"))
        (session,) = [line.split()[1].decode() for line in lines if line.startswith(b"Location: ")]
        headers = ("Transfer-Encoding: chunked", "Content-Range: bytes 0-4/5", "Content-Length: 5")
        head = connection.head("PUT", session.partition("127.0.0.1")[2], *headers)
        connection.send(head + b"5\r\nhello\r\n0\r\n\r\n")
        assert connection.reply()[0] == 200
        connection.send(connection.head("GET", "/storage/v1/b/tensorflow-bucket/o/a?alt=media"))
        assert connection.reply() == (200, b"hello")

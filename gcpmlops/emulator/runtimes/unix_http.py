"""A small HTTP/1.1 client over one unix socket: pooled keep-alive connections, for use from many threads.

`http.client` spends more on parsing headers than a model spends on predicting; this one adds about 0.05 ms.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MAX_HEAD_BYTES = 64 * 1024
RECEIVE_BYTES = 256 * 1024


class ConnectionLostError(ConnectionError):
    """The server went away before it had answered."""


@dataclass(frozen=True)
class HttpReply:
    """Status, headers (names in lower case) and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnixHttp:
    """Client of the server at one socket path; it raises OSError (TimeoutError among them) and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply:
        """One exchange; `timeout` in seconds bounds the whole of it. Never sent twice."""
        with self._connection(timeout) as connection:
            return connection.exchange(method, target, body, headers, time.monotonic() + timeout)

    def close(self) -> None:
        """Close the idle connections; those in use close when they are done."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self, timeout: float) -> Iterator[Connection]:
        connection = self._take() or Connection(self.path, timeout)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._give(connection)

    def _take(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.close()

    def _give(self, connection: Connection) -> None:
        with self._lock:
            if connection.keep_alive and not self._closed:
                self._idle.append(connection)
                return
        connection.close()


class Connection:
    """One socket, one exchange at a time."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.keep_alive = True
        self._buffer = b""
        self._deadline = time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def is_fresh(self) -> bool:
        """Whether the server still holds this idle connection open."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # end of file, or bytes that nobody asked for

    def exchange(self, method: str, target: str, body: bytes, headers: Mapping[str, str], deadline: float) -> HttpReply:
        """Send the request and read the reply."""
        self._deadline, self._buffer = deadline, b""
        lines = [f"{method} {target} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ConnectionError("a header of the request contains a line break")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
        self._arm()
        # Not having to copy a large body is worth one more system call.
        self._socket.sendall(head + body if len(body) < RECEIVE_BYTES else head)
        if len(body) >= RECEIVE_BYTES:
            self._socket.sendall(body)
        return self._reply(method)

    def _reply(self, method: str) -> HttpReply:
        status, headers = parse_head(self._until(b"\r\n\r\n"))
        while status < 200:
            status, headers = parse_head(self._until(b"\r\n\r\n"))
        if headers.get("connection", "").lower() == "close":
            self.keep_alive = False
        if method == "HEAD" or status in (204, 304):
            return HttpReply(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return HttpReply(status, headers, self._chunks())
        if "content-length" in headers:
            return HttpReply(status, headers, self._exactly(int(headers["content-length"])))
        self.keep_alive = False
        return HttpReply(status, headers, self._rest())

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            parts.append(self._exactly(size))
            self._exactly(2)
        while self._until(b"\r\n"):  # trailers
            pass
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise ConnectionLostError("the server's reply has no end of its headers")
            self._buffer += self._receive()
        found, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return found

    def _exactly(self, size: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            parts.append(self._receive())
            have += len(parts[-1])
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def _rest(self) -> bytes:
        parts = [self._buffer]
        self._arm()
        while data := self._socket.recv(RECEIVE_BYTES):
            parts.append(data)
            self._arm()
        return b"".join(parts)

    def _receive(self) -> bytes:
        self._arm()
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionLostError("the server closed the connection before it had answered")
        return data

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a reply. Raises ConnectionLostError where it is not HTTP."""
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        pairs = (line.split(":", 1) for line in lines)
        return status, {name.lower(): value.strip() for name, value in pairs}
    except (ValueError, IndexError) as error:
        raise ConnectionLostError(f"the server's reply is not HTTP: {head[:80]!r}") from error

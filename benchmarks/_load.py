"""A load generator in a process of its own: ``python _load.py PORT PATH BODY CONNECTIONS SECONDS``.

Keeps so many keep-alive connections busy, each with one request at a time, and prints one JSON object: requests,
seconds, p50_ms, p99_ms and the first reply. One thread on raw sockets, to cost less than the servers it measures.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from pathlib import Path


class _Client:
    """One connection."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._buffer = b""
        self._sent = 0.0

    def send(self) -> None:
        self._sent = time.perf_counter()
        self.socket.sendall(self._request)

    def received(self) -> tuple[float, bytes] | None:
        """Seconds and body of a reply, once it is complete. Raises RuntimeError unless it is a 200."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the server closed the connection")
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._buffer[:500].decode("latin-1"))
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        if len(body) < int(lower[start:].partition(b"\r\n")[0]):
            return None
        self._buffer = b""
        return time.perf_counter() - self._sent, body


def run(port: int, path: str, body: bytes, connections: int, seconds: float) -> dict[str, object]:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    clients = [_Client(port, head.encode() + body) for _ in range(connections)]
    times, first = [], b""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        begun = time.perf_counter()
        for client in clients:
            client.send()
        while time.perf_counter() - begun < seconds:
            for key, _ in selector.select(10):
                done = key.data.received()
                if done is not None:
                    times.append(done[0])
                    first = first or done[1]
                    key.data.send()
        taken = time.perf_counter() - begun
    for client in clients:
        client.socket.close()
    times.sort()
    return {
        "requests": len(times),
        "seconds": taken,
        "p50_ms": statistics.median(times) * 1e3,
        "p99_ms": times[int(len(times) * 0.99)] * 1e3,
        "reply": first.decode(),
    }


if __name__ == "__main__":
    _port, _path, _body, _connections, _seconds = sys.argv[1:]
    print(json.dumps(run(int(_port), _path, Path(_body).read_bytes(), int(_connections), float(_seconds))))

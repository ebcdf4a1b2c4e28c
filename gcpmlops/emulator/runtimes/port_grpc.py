"""Unary gRPC calls to a server on a TCP port of 127.0.0.1, messages as bytes: their types are the user's own."""

from __future__ import annotations

import threading
from typing import Any


class PortGrpc:
    """The channel is opened by the first call, and kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._lock = threading.Lock()
        self._channel: Any = None

    def call(self, method: str, message: bytes, timeout: float) -> bytes:
        """The answer of `/package.Service/Method`. Raises grpc.RpcError."""
        answer: bytes = self._open().unary_unary(method)(message, timeout=timeout)
        return answer

    def close(self) -> None:
        """Calls in flight are cancelled."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open(self) -> Any:
        import grpc  # heavy, and only few containers speak it

        with self._lock:
            if self._channel is None:
                self._channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", [("grpc.enable_http_proxy", 0)])
            return self._channel

"""An httpx transport to the emulator itself; httpx is imported by the first call, not at the start."""

from __future__ import annotations

from collections.abc import Callable

import httpx


class OwnPort(httpx.HTTPTransport):
    """Sends what is meant for a served host to the emulator's own port in plain text, the Host header as it was."""

    def __init__(self, port: Callable[[], int], limits: httpx.Limits) -> None:
        super().__init__(limits=limits, trust_env=False)
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port())
        return super().handle_request(request)

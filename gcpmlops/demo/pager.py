"""A web server of one's own that alerts are sent to: the pager of whoever is on call."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class Pager:
    """Takes Cloud Monitoring's webhook calls while it is open; `incidents` has what came, in order.

    Args:
        tell: gets a line for each.
    """

    def __init__(self, tell: Callable[[str], object] = print) -> None:
        self.incidents: list[dict[str, Any]] = []
        self._tell = tell
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, incident: dict[str, Any]) -> None:
        self.incidents.append(incident)
        self._tell(f"  pager: {incident['state']}: {incident['policy_name']}: {incident['summary']}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                take(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["incident"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing: what came is told."""

        return Handler

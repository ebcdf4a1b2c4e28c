"""A serving container that fails as MODE says: it dies at every third request, hangs, or answers HTML."""

import itertools
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ["MODE"]
REQUESTS = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply(b"{}")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        os.write(1, b"asked\n")  # at once: two requests at a time do not share a line
        if MODE == "hangs":
            threading.Event().wait()
        if MODE == "dies" and next(REQUESTS) == 3:
            os._exit(7)
        if MODE == "html":
            self.reply(b"<html>Sign in</html>")
            return
        self.reply(json.dumps({"predictions": [sum(instance) for instance in request["instances"]]}).encode())

    def reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()

"""A model server of the standard library that does what an instance tells it to; it starts in a few milliseconds."""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

healthy = {"status": int(os.environ.get("HEALTH", "200")), "seconds": 0.0}
count = 0


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def act(instance: dict) -> object:
    if "die" in instance:
        os._exit(instance["die"])
    if "health" in instance:
        healthy.update(instance["health"])
    time.sleep(instance.get("sleep", 0))
    while "until" in instance and not Path(instance["until"]).exists():
        time.sleep(0.01)
    burn(instance.get("burn", 0))
    return {"pid": os.getpid(), "env": {name: os.environ.get(name) for name in instance.get("env", [])}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(healthy["seconds"])
        self.reply(healthy["status"] if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, b"{}")

    def do_POST(self) -> None:
        global count
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        count += 1
        if str(count) == os.environ.get("CRASH_AT"):
            os._exit(3)
        if body.get("html"):
            self.reply(200, b"<html>no JSON</html>", "text/html")
        elif body.get("stream"):
            self.stream(body)
        else:
            self.reply(200, json.dumps({"predictions": [act(instance) for instance in body["instances"]]}).encode())

    def stream(self, body: dict) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in body["stream"]:
            if part is None:
                os._exit(4)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part.encode()))
        self.wfile.write(b"0\r\n\r\n")

    def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    print("arguments:", *sys.argv[1:], flush=True)
    Server(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()

"""A serving container of the user's own: reads its weights through Cloud Storage, answers on AIP_HTTP_PORT."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.cloud import storage

bucket, _, folder = os.environ["AIP_STORAGE_URI"].removeprefix("gs://").partition("/")
WEIGHTS = json.loads(storage.Client().bucket(bucket).blob(f"{folder}/weights.json").download_as_bytes())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        predictions = [WEIGHTS["factor"] * sum(instance) for instance in request["instances"]]
        self.reply(200, {"predictions": predictions, "metadata": {"pid": os.getpid(), "level": os.environ["LEVEL"]}})

    def reply(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()

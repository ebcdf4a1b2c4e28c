"""A custom container that streams and speaks gRPC: a process on ports that it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.server_spec import ServerSpec
from gcpmlops.emulator.runtimes.servers import Servers

from .conftest import ENDPOINT, Predictions, predicting

CONTAINER = """
import os
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self):
        words = self.rfile.read(int(self.headers["content-length"])).split()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for word in words:
            if word == b"die":
                os._exit(1)
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(word), word))
        self.wfile.write(b"0\\r\\n\\r\\n")

    def log_message(self, *_):
        pass


class Grpc(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda message, _: details.method.encode() + b" " + message)


server = grpc.server(ThreadPoolExecutor(1), handlers=[Grpc()])
server.add_insecure_port("127.0.0.1:" + os.environ["AIP_GRPC_PORT"])
server.start()
ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Http).serve_forever()
"""


@pytest.fixture
def container(predictions: Predictions, tmp_path: Path) -> Iterator[Any]:
    """The endpoint's only model."""
    program = tmp_path / "container.py"
    program.write_text(CONTAINER)
    processes = Processes(tmp_path / "processes")
    images = {"own": f"{sys.executable} {program}"}
    servers = Servers(tmp_path, processes, lambda image: Path(sys.executable), {}, images=images)
    (tmp_path / "model").mkdir()
    pool: Any = servers.start(
        ServerSpec("m", "own", tmp_path / "model", "", "/health", "/predict", grpc=True), lambda *_: None
    )
    pool.wait_ready(30)
    predictions.serve({"1": predicting(sum)})
    predictions.pools["1"] = pool
    yield pool
    servers.close()
    processes.close()


def test_it_streams_and_speaks_grpc(predictions: Predictions, container: Any) -> None:
    def stream(words: bytes) -> Iterator[Any]:
        body = httpbody_pb2.HttpBody(data=words, content_type="text/plain")
        return predictions.service.stream_raw_predict(types.StreamRawPredictRequest(endpoint=ENDPOINT, http_body=body))

    parts = list(stream(b"one two three"))
    assert b"".join(part.data for part in parts) == b"onetwothree"
    assert {part.content_type for part in parts} == {"text/event-stream"}
    call = types.DirectRawPredictRequest(endpoint=ENDPOINT, method_name="/demo.Words/Say", input=b"hello")
    assert predictions.service.direct_raw_predict(call).output == b"/demo.Words/Say hello"
    with pytest.raises(exceptions.ServiceUnavailable, match="ended while it answered"):
        list(stream(b"one die"))
    assert [record["status"] for record in predictions.metrics.records] == [200, 200, 503]

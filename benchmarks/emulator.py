"""From spawn to the first answers, with a fresh data directory each time; memory at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psutil

from benchmarks._measure import Line, medians
from benchmarks._servers import PROJECT, Server, answered, emulator, moto

_ROUNDS = 5
_PARENT = f"projects/{PROJECT}/locations/us-central1"
_AWS = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
_PEER = "moto_server, first S3 request"


def lines() -> Iterator[Line]:
    times = medians(
        {
            "s3": lambda: _first(moto, s3),
            "storage": lambda: _first(emulator, storage),
            "rest": lambda: _first(emulator, vertex_rest),
            "grpc": lambda: _first(emulator, vertex_grpc),
        },
        _ROUNDS,
    )
    peer = times["s3"]
    yield Line("emulator: spawn to first Storage request", times["storage"], peer, "s", 1.5, peer_name=_PEER)
    yield Line("emulator: spawn to first Vertex AI request, REST", times["rest"], peer, "s", 4, peer_name=_PEER)
    yield Line("emulator: spawn to first Vertex AI request, gRPC", times["grpc"], peer, "s", 4, peer_name=_PEER)
    yield from _memory()


def _first(make: Callable[[], AbstractContextManager[Server]], request: Callable[[Server], None]) -> float:
    with make() as server:
        request(server)
        return time.perf_counter() - server.started


def s3(server: Server) -> None:
    _get(server, "/", _AWS)


def storage(server: Server) -> None:
    _get(server, f"/storage/v1/b?project={PROJECT}")


def vertex_rest(server: Server) -> None:
    _get(server, f"/aiplatform.googleapis.com/v1/{_PARENT}/customJobs")


def vertex_grpc(server: Server) -> None:
    import grpc
    from google.cloud.aiplatform_v1.types import ListCustomJobsRequest

    answered(server).close()  # gRPC itself would wait a second before it tries again
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/google.cloud.aiplatform.v1.JobService/ListCustomJobs")
        request = ListCustomJobsRequest.serialize(ListCustomJobsRequest(parent=_PARENT))
        call(request, metadata=[("authorization", f"Bearer {server.token}")])


def _get(server: Server, path: str, authorization: str | None = None) -> None:
    with answered(server) as connection:
        authorization = authorization or f"Bearer {server.token}"
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        status = connection.recv(65536).split(b"\r\n")[0]
        if b" 200 " not in status + b" ":
            raise RuntimeError(f"{path}: {status.decode()}")


def _memory() -> Iterator[Line]:
    with emulator() as server, moto() as peer:
        server.token  # noqa: B018 - waits until it is up
        answered(peer).close()
        s3(peer)
        yield _resident("emulator memory: started", server, peer)
        storage(server)
        yield _resident("emulator memory: after a Storage request", server, peer)
        vertex_rest(server)
        vertex_grpc(server)
        yield _resident("emulator memory: after Vertex AI requests", server, peer)


def _resident(name: str, ours: Server, peer: Server) -> Line:
    used = [psutil.Process(server.pid).memory_info().rss / 2**20 for server in (ours, peer)]
    return Line(name, used[0], used[1], "MiB", None, peer_name="moto_server, after an S3 request")

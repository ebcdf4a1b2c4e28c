"""Cloud Storage through the official client, one connection, beside fake-gcs-server."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks._measure import Line, seconds
from benchmarks._servers import PROJECT, Server, answered, emulator, fake_gcs

_ROUNDS = 6
_SIZES = {"10 KiB": (10 * 2**10, 60), "16 MiB": (16 * 2**20, 3)}  # bytes, and how many in a row
_TARGETS = {("10 KiB", "plain"): 0.9, ("16 MiB", "plain"): 0.6, ("16 MiB", "proxied"): 0.35}
_MIB = 2**20
_FILES, _MEMORY = "fake-gcs-server", "fake-gcs-server, in memory"


def lines() -> Iterator[Line]:
    with emulator() as ours, fake_gcs() as files, fake_gcs("memory") as memory:
        answered(files).close()
        answered(memory).close()
        clients = {"plain": _plain(ours), "proxied": _proxied(ours), _FILES: _peer(files), _MEMORY: _peer(memory)}
        buckets = {side: _bucket(client) for side, client in clients.items()}
        for size in _SIZES:
            yield from _size(size, buckets)


def _size(label: str, buckets: dict[str, Any]) -> Iterator[Line]:
    size, count = _SIZES[label]
    content = os.urandom(size)
    taken: dict[tuple[str, str], list[float]] = {}
    for number in range(_ROUNDS + 1):
        for side, bucket in buckets.items():
            names = [f"{label}/{number}/{index}" for index in range(count)]
            up = seconds(lambda names=names, bucket=bucket: [_put(bucket, name, content) for name in names])  # type: ignore[misc]
            down = seconds(lambda names=names, bucket=bucket: [_get(bucket, name, size) for name in names])  # type: ignore[misc]
            if number:  # the first round warms up
                taken.setdefault((side, "up"), []).append(up)
                taken.setdefault((side, "down"), []).append(down)
    unit = "MiB/s" if size > _MIB else "objects/s"
    amount = count * (size / _MIB if size > _MIB else 1)
    rate = {key: amount / statistics.median(times) for key, times in taken.items()}
    for side, where in (("plain", "plain port"), ("proxied", "through the proxy")):
        for way in ("up", "down"):
            name, target = f"Storage {label} {way}, {where}", _TARGETS.get((label, side))
            yield Line(name, rate[side, way], rate[_FILES, way], unit, target, True, _FILES)
            if side == "plain":
                yield Line(name, rate[side, way], rate[_MEMORY, way], unit, None, True, _MEMORY)


def _put(bucket: Any, name: str, content: bytes) -> None:
    bucket.blob(name).upload_from_string(content)


def _get(bucket: Any, name: str, size: int) -> None:
    if len(bucket.blob(name).download_as_bytes()) != size:
        raise RuntimeError(f"{name} came back with another size")


def _bucket(client: Any) -> Any:
    return client.create_bucket(f"benchmark-{os.urandom(4).hex()}")


def _plain(server: Server) -> Any:
    return _client(_session(server), client_options={"api_endpoint": f"http://127.0.0.1:{server.port}"})


def _proxied(server: Server) -> Any:
    session = _session(server)
    session.proxies = {"https": f"http://127.0.0.1:{server.port}"}
    session.verify = str(server.data_dir / "bundle.pem")
    return _client(session)


def _peer(server: Server) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    options = {"api_endpoint": f"http://127.0.0.1:{server.port}"}
    return storage.Client(PROJECT, credentials=AnonymousCredentials(), client_options=options)


def _client(session: Any, **options: Any) -> Any:
    from google.cloud import storage

    return storage.Client(PROJECT, credentials=session.credentials, _http=session, **options)


def _session(server: Server) -> Any:
    """What the client makes itself, but blind to this machine's proxy settings."""
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    session = AuthorizedSession(Credentials(server.token))
    session.trust_env = False
    return session

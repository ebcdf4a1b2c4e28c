"""Our model server alone, beside the servers that teams use: GradientBoosting on breast_cancer, over TCP."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks._measure import Line
from benchmarks._serving_peers import Peer, Running, peers, running

_ROUNDS = 5
_SECONDS = 2.0
_BOOTS = 5
_MLFLOW, _GOOGLE, _PLAIN = "mlflow models serve", "Google's prediction server", "starlette"
_ROUTINE = "ours, with Google's SklearnPredictor"
# name of the line, instances a request, connections, {peer: bound}
_LOADS: tuple[tuple[str, int, int, dict[str, float | None]], ...] = (
    ("batch 1, 1 connection", 1, 1, {_MLFLOW: 2.8, _GOOGLE: 1.15, _PLAIN: None}),
    ("batch 100, 1 connection", 100, 1, {_MLFLOW: 3.2, _GOOGLE: 1.15, _PLAIN: None}),
    ("batch 1, 16 connections", 1, 16, {_PLAIN: 1.3, _GOOGLE: None, _MLFLOW: None}),
)


def lines() -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = peers(Path(folder))
        bodies = {rows: _body(Path(folder), rows) for rows in (1, 100)}
        yield from _boots(servers)
        with ExitStack() as stack:
            started = {name: stack.enter_context(running(peer)) for name, peer in servers.items()}
            for name, rows, connections, bounds in _LOADS:
                yield from _load(name, bodies[rows], connections, bounds, started)
            memory = {name: server.memory for name, server in started.items()}
        yield from _against("memory after that", memory, "MiB", {_MLFLOW: 0.5, _GOOGLE: None, _PLAIN: None})


def _boots(servers: Mapping[str, Peer]) -> Iterator[Line]:
    """From the spawn to the first health answer; the first round writes bytecode and is thrown away."""
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(_BOOTS + 1):
        for name, peer in servers.items():
            with running(peer) as server:
                taken[name].append(server.boot)
    medians = {name: statistics.median(values[1:]) for name, values in taken.items()}
    yield from _against("boot", medians, "s", {_MLFLOW: 0.3, _GOOGLE: None, _PLAIN: None})


def _load(
    name: str, body: Path, connections: int, bounds: Mapping[str, float | None], started: Mapping[str, Running]
) -> Iterator[Line]:
    """The servers in turn, round by round: the median of each one's requests per second and of its median latency."""
    rates: dict[str, list[float]] = {server: [] for server in started}
    latencies: dict[str, list[float]] = {server: [] for server in started}
    replies = {}
    for _ in range(_ROUNDS):
        for server, one in started.items():
            found = one.load(body, connections, _SECONDS)
            rates[server].append(found["rate"])
            latencies[server].append(found["p50_ms"])
            replies[server] = json.loads(found["reply"])["predictions"]  # type: ignore[arg-type]
    if any(reply != replies["ours"] for reply in replies.values()):
        raise RuntimeError(f"the servers do not agree: {replies}")
    yield from _against(name, {key: statistics.median(values) for key, values in rates.items()}, "requests/s", bounds)
    yield Line(f"model server with Google's SklearnPredictor: {name}", statistics.median(rates[_ROUTINE]),
               statistics.median(rates[_GOOGLE]), "requests/s", None, at_least=True, peer_name=_GOOGLE)  # fmt: skip
    p50 = {key: statistics.median(values) for key, values in latencies.items()}
    yield Line(f"model server: p50 at {name}", p50["ours"], p50[_PLAIN], "ms", None, peer_name=_PLAIN)


def _against(name: str, figures: Mapping[str, float], unit: str, bounds: Mapping[str, float | None]) -> Iterator[Line]:
    for peer, bound in bounds.items():
        yield Line(f"model server: {name}", figures["ours"], figures[peer], unit, bound,
                   at_least=unit == "requests/s", peer_name=peer)  # fmt: skip


def _body(folder: Path, rows: int) -> Path:
    from sklearn.datasets import load_breast_cancer

    path = folder / f"{rows}.json"
    path.write_text(json.dumps({"instances": load_breast_cancer().data[:rows].tolist()}))
    return path

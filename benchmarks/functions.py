"""A warm call of a function through the emulator, beside functions-framework alone; deployments and cold starts."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks._measure import Line, environment
from benchmarks._servers import emulator, free_port, library_client

_CALLS = 1000
_DEPLOYMENTS = 5
_FRAMEWORK = "functions-framework alone"
_MAIN = """
import functions_framework

@functions_framework.http
def hello(request):
    return {"hello": request.get_json()["name"]}
"""
_SENT = {"name": "x" * 200}


def lines() -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, emulator() as server:
        source = Path(folder) / "source"
        source.mkdir()
        (source / "main.py").write_text(_MAIN)
        client = library_client(server)
        client.functions.deploy("warm-up", source=source, entry_point="hello")  # makes the environment
        function = client.functions.deploy("hello", source=source, entry_point="hello")
        with _framework(source) as url:
            alone, ours = _session(), _session()
            sides = {
                _FRAMEWORK: lambda: alone.post(url, json=_SENT),
                "on the plain port": _plain(ours, client, function),
                "through the proxy, with TLS": _proxied(server, client, function),
            }
            found = _medians(sides)
        peer = found.pop(_FRAMEWORK)
        for way, value in found.items():
            yield Line(f"function: what a warm call takes more, {way}", value - peer, peer, "ms", 3.0,
                       peer_name=f"{_FRAMEWORK}, the whole call", absolute=True)  # fmt: skip
        yield from _deployments(client, source)


def _deployments(client: Any, source: Path) -> Iterator[Line]:
    """A changed source each time, from the call of `deploy` to its return; and one that is as it should be."""
    changed, unchanged = [], []
    for number in range(_DEPLOYMENTS):
        (source / "main.py").write_text(f"{_MAIN}# {number}\n")
        changed.append(_seconds(lambda: client.functions.deploy("hello", source=source, entry_point="hello")))
        unchanged.append(_seconds(lambda: client.functions.deploy("hello", source=source, entry_point="hello")))
    yield Line("function: deploy of a changed source", statistics.median(changed), None, "s", None)
    yield Line("function: deploy of the same source", statistics.median(unchanged), None, "s", None)


def _medians(sides: dict[str, Callable[[], requests.Response]]) -> dict[str, float]:
    """Call by call in turn, in milliseconds; the first tenth warms up."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(_CALLS + _CALLS // 10):
        for name, call in sides.items():
            begun = time.perf_counter()
            answer = call()
            if number >= _CALLS // 10:
                taken[name].append((time.perf_counter() - begun) * 1000)
            if answer.json() != {"hello": _SENT["name"]}:
                raise RuntimeError(f"{name}: {answer.status_code} {answer.text}")
    return {name: statistics.median(values) for name, values in taken.items()}


def _session() -> requests.Session:
    """Without what the environment says about proxies and certificates."""
    session = requests.Session()
    session.trust_env = False
    return session


def _plain(session: requests.Session, client: Any, function: Any) -> Callable[[], requests.Response]:
    host = function.url.partition("://")[2].partition("/")[0]
    headers = {"Host": host, **_authorization(client, function)}
    url = f"{client.config.endpoint}/{function.id}"
    return lambda: session.post(url, json=_SENT, headers=headers)


def _proxied(server: Any, client: Any, function: Any) -> Callable[[], requests.Response]:
    session = _session()
    session.proxies = {"https": f"http://127.0.0.1:{server.port}"}
    session.verify = str(server.data_dir / "bundle.pem")
    session.headers.update(_authorization(client, function))
    return lambda: session.post(function.url, json=_SENT)


def _authorization(client: Any, function: Any) -> dict[str, str]:
    from gcpmlops import _id_tokens

    return {"Authorization": f"Bearer {_id_tokens.token(client.clients.credentials, function.url)}"}


@contextmanager
def _framework(source: Path) -> Iterator[str]:
    """functions-framework on a port of its own, in the environment that the emulator made for the function."""
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.runtimes.images import Image
    from gcpmlops.emulator.runtimes.process import Processes

    with tempfile.TemporaryDirectory() as folder:
        image = Image("python311", "python", ("functions-framework",), (11,))
        made = Environments(Processes(Path(folder))).ensure(image)
        port = free_port()
        command = [made.path / "bin" / "functions-framework", "--target", "hello", "--host", "127.0.0.1"]
        process = subprocess.Popen([*command, "--port", str(port)], cwd=source, env=environment())
        try:
            _until_up(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def _until_up(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=5)
            return
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun

"""Several replicas of one deployed model, and servers that misbehave: real processes of a small foreign server."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes import server_replica
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.scaling import Capacity, Scaling
from gcpmlops.emulator.runtimes.server import ModelServer, ServerSpec, ServerStoppedError
from gcpmlops.emulator.runtimes.server_spec import HealthProbe
from gcpmlops.emulator.runtimes.servers import Servers

IMAGE = "gcr.io/me/own:1"
PROGRAM = Path(__file__).parent / "programs" / "server.py"
STUCK = {"health": {"seconds": 60}, "until": "/no/such/gate"}
COMMAND = f"{sys.executable} -I -S {PROGRAM}"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    processes = Processes(tmp_path / "processes")
    found = Servers(tmp_path, processes, lambda image: Path(), {}, images={IMAGE: COMMAND}, capacity=Capacity(4))
    yield found
    found.close()
    assert processes.living == []
    assert list((tmp_path / "servers").iterdir()) == []
    processes.close()


@pytest.fixture
def start(servers: Servers, lines: list[str], tmp_path: Path) -> Callable[..., ModelServer]:
    """Starts a server with replicas, and waits for them."""

    def start(minimum: int = 1, maximum: int = 0, **fields: Any) -> ModelServer:
        scaling = Scaling(minimum, max(maximum, minimum))
        spec = ServerSpec("m", IMAGE, tmp_path / "model", "gs://b/m", "/health", "/predict", scaling=scaling)
        server = servers.start(replace(spec, **fields), lambda _, text: lines.append(text))
        server.wait_ready(30)
        return server

    return start


def ask(server: ModelServer, instance: dict[str, Any], timeout: float = 20.0) -> Any:
    body = json.dumps({"instances": [instance]}).encode()
    reply = server.request("POST", "/predict", body, {}, timeout)
    assert reply.status == 200
    return json.loads(reply.body)["predictions"][0]


def pids(server: ModelServer, count: int = 8) -> set[int]:
    return {ask(server, {})["pid"] for _ in range(count)}


def kill(pid: int) -> None:
    """Kill, and wait for the end: until then the system still reads what is sent to the process."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid))


def until(condition: Callable[[], Any], timeout: float = 20.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks
    return found


def test_requests_are_shared_and_a_killed_replica_comes_back(start: Any, lines: list[str], tmp_path: Path) -> None:
    server = start(2)
    first, second = sorted(pids(server))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, server, {"until": str(tmp_path / "gate")})
        until(lambda: server.in_flight)
        assert len(pids(server)) == 1  # the other one: it has less to do
        (tmp_path / "gate").touch()
    kill(first)
    answers = [ask(server, {})["pid"] for _ in range(50)]
    assert first not in answers
    until(lambda: server.replica_count == 2)
    assert first not in pids(server)
    assert second in pids(server)
    assert "The model server ended (signal 9 (SIGKILL)) and is being restarted." in lines


def test_the_only_replica_is_killed_and_answers_again_without_an_error(start: Any) -> None:
    server = start()
    for _ in range(3):
        kill(ask(server, {})["pid"])
        assert ask(server, {}, timeout=10)["pid"]


def test_a_request_that_may_have_been_processed_is_not_sent_again(start: Any, lines: list[str]) -> None:
    server = start(2)
    with pytest.raises(exceptions.ServiceUnavailable, match="The model server of m ended while it answered"):
        ask(server, {"die": 3})
    assert ask(server, {})["pid"]
    until(lambda: server.replica_count == 2)
    assert "The model server ended (exit code 3) and is being restarted." in lines


def test_a_server_that_crashes_on_every_third_request_serves_the_others(start: Any) -> None:
    server = start(env={"CRASH_AT": "3"})
    outcomes = []
    for _ in range(9):
        try:
            outcomes.append("pid" in ask(server, {}))
        except exceptions.ServiceUnavailable:
            outcomes.append(False)
    assert outcomes == [True, True, False] * 3


def test_a_slow_answer_is_late_and_others_are_served(start: Any) -> None:
    server = start()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, server, {"sleep": 0.6}, 0.3)
        until(lambda: server.in_flight)
        assert ask(server, {})["pid"]
        with pytest.raises(exceptions.DeadlineExceeded, match=r"model server of m did not answer within 0.3 s"):
            late.result()


@pytest.mark.parametrize("health", [{"status": 500}, {"seconds": 5}])
def test_a_server_that_gets_unhealthy_is_started_anew(start: Any, lines: list[str], health: dict[str, Any]) -> None:
    server = start(probe=HealthProbe(period=0.05, timeout=0.2))
    before = ask(server, {"health": health})["pid"]
    until(lambda: [line for line in lines if "is unhealthy (/health" in line])
    assert ask(server, {})["pid"] != before


@pytest.mark.parametrize("computes", [False, True])
def test_a_server_that_is_stuck_in_a_request_is_started_anew(
    start: Any, lines: list[str], monkeypatch: pytest.MonkeyPatch, computes: bool
) -> None:
    monkeypatch.setattr(server_replica, "BUSY_SECONDS", 0.4)
    server = start(probe=HealthProbe(period=0.05, timeout=0.1))
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(ask, server, {"health": {"seconds": 60}, "burn": 1.0} if computes else STUCK, 20)
        if computes:
            assert stuck.result()["pid"]  # it had to be waited for
        else:
            with pytest.raises(exceptions.ServiceUnavailable, match="ended while it answered"):
                stuck.result()
    assert ask(server, {})["pid"]
    assert [line for line in lines if "is unhealthy (/health did not answer within 0.1 s)" in line]


def test_bodies_stream_and_break_off(start: Any) -> None:
    server = start()
    body = json.dumps({"stream": ["one", "two"]}).encode()
    reply = server.stream("POST", "/predict", body, {}, 10)
    assert (reply.status, b"".join(reply.chunks)) == (200, b"onetwo")
    reply = server.stream("POST", "/predict", json.dumps({"stream": ["one", None]}).encode(), {}, 10)
    with pytest.raises(exceptions.ServiceUnavailable, match="ended while it answered"):
        list(reply.chunks)
    reply = server.stream("POST", "/predict", body, {}, 10)
    assert server.in_flight == 1
    reply.chunks.close()
    assert server.in_flight == 0


def test_stopping_answers_what_it_has_and_refuses_what_comes(start: Any, servers: Servers, tmp_path: Path) -> None:
    server = start(2)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(ask, server, {"until": str(tmp_path / "gate")}) for _ in range(4)]
        until(lambda: server.in_flight == 4)
        stopping = threading.Thread(target=servers.stop, args=("m",))
        stopping.start()
        with pytest.raises(ServerStoppedError, match="is being undeployed"):
            until(lambda: ask(server, {}) is None)
        (tmp_path / "gate").touch()
        assert all(future.result()["pid"] for future in running)
    stopping.join()
    assert server.replica_count == 0


def test_replicas_are_added_and_taken_away(start: Any) -> None:
    server = start()
    (only,) = pids(server)
    server.scale(3, 3)
    assert (server.replica_count, len(pids(server))) == (3, 3)
    server.scale(1, 1)
    until(lambda: len(pids(server)) == 1)
    assert server.replica_count == 1
    server.scale(9, 9)  # the machine has room for 4 beside the first
    assert server.replica_count == 5
    assert only


def test_replicas_that_do_not_start_change_nothing(start: Any, servers: Servers) -> None:
    server = start(env={"CRASH_AT": "1000"})
    (only,) = pids(server)
    servers.programs._images = {IMAGE: "sh -c 'echo no more; exit 5'"}
    with pytest.raises(exceptions.FailedPrecondition, match=r"(?s)exit code 5.*no more"):
        server.scale(2, 3)
    assert (server.scaling.minimum, server.scaling.maximum, server.trouble) == (1, 1, "")
    assert pids(server) == {only}


def test_a_busy_model_gets_more_replicas(start: Any) -> None:
    server = start(1, 3)
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            ask(server, {"sleep": 0.02})

    with ThreadPoolExecutor(10) as pool:
        running = [pool.submit(load) for _ in range(10)]
        began = time.monotonic()
        until(lambda: server.replica_count == 3)
        assert time.monotonic() - began > 1  # not by the first moment's load
        done.set()
        assert [future.result() for future in running] == [None] * 10


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sh -c 'echo reading; exit 7'", r"Model server of m exited unexpectedly \(exit code 7\).*reading"),
        ("true", r"exited unexpectedly \(exit code 0\).*\(it printed nothing\)"),
        ("/no/such/program", r"exited unexpectedly \(exit code 127\).*/no/such/program"),
        ("sleep 60", r"never became ready in 0.3 s: /health can't be asked: nothing listens on .*AIP_HTTP_PORT"),
        (f"{COMMAND} --quiet", r"never became ready in 2 s: /health answered 404.*arguments: --quiet"),
    ],
)
def test_a_server_that_does_not_start_says_why(
    tmp_path: Path, start: Any, servers: Servers, command: str, words: str
) -> None:
    servers.programs._images = {IMAGE: command}
    found = re.search("in ([0-9.]+) s", words)
    patience = float(found[1]) if found else 30.0
    with pytest.raises(exceptions.FailedPrecondition, match=f"(?s){words}"):
        start(ready_seconds=patience, env={"HEALTH": "404"})

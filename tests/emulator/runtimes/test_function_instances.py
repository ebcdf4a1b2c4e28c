"""The pool of a function's instances, with a small server in place of functions-framework."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes import function_instance
from gcpmlops.emulator.runtimes.function_instances import Instances, NoInstanceError
from gcpmlops.emulator.runtimes.function_spec import FunctionSpec
from gcpmlops.emulator.runtimes.process import Processes

SERVER = """
import socket, sys, os
if os.environ.get("BROKEN"):
    sys.exit("broken as asked")
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[3])
    listener.listen()
    while True:
        listener.accept()
"""


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(function_instance, "LAUNCHER", SERVER)
    processes, made = Processes(tmp_path / "p"), []

    def make(*, idle: float = 900.0, pending: float = 0.2, **settings: Any) -> Instances:
        spec = FunctionSpec("s", "s-00001-abc", Path(sys.executable), tmp_path, "f", timeout=5.0, **settings)
        one = Instances(spec, processes, tmp_path, {}, lambda *_: None, idle_seconds=idle, pending_seconds=pending)
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop(drain=0)
    processes.close()


def lease(instances: Instances, count: int = 1) -> list[Any]:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(instances.lease() for _ in range(count)), return_exceptions=True)

    return asyncio.run(all_at_once())


def test_a_request_starts_what_it_needs_and_shares_it(pool) -> None:
    instances = pool(concurrency=2, maximum=3)
    first = lease(instances, 2)
    assert first[0] is first[1]
    assert lease(instances)[0] is not first[0]
    assert instances.count == 2


def test_no_more_than_the_maximum(pool) -> None:
    instances = pool(maximum=1)
    (one,) = lease(instances)
    assert isinstance(lease(instances)[0], NoInstanceError)
    instances.release(one)
    assert lease(instances)[0] is one


def test_a_broken_one_gets_no_more_requests(pool) -> None:
    instances = pool(maximum=1)
    one = lease(instances)[0]
    instances.release(one, broken=True)
    assert lease(instances)[0] is not one
    one.join()
    assert one.is_gone


def test_idle_ones_end_but_for_the_minimum(pool) -> None:
    instances = pool(idle=0.05, minimum=1, concurrency=1)
    some = lease(instances, 2)
    assert len(set(some)) == 2
    for one in some:
        instances.release(one)
    ended = threading.Event()
    for one in some:
        threading.Thread(target=lambda one=one: (one.join(), ended.set()), daemon=True).start()
    assert ended.wait(10)
    assert instances.count == 1


def test_one_that_dies_is_replaced_up_to_the_minimum(pool) -> None:
    instances = pool(minimum=1)
    instances.warm()
    one = lease(instances)[0]
    one.process.cancel()
    one.join()
    assert lease(instances)[0] is not one


def test_what_does_not_start_says_why(pool) -> None:
    instances = pool(env={"BROKEN": "1"})
    with pytest.raises(exceptions.FailedPrecondition, match="broken as asked"):
        instances.warm()
    (error,) = lease(instances)
    assert isinstance(error, exceptions.FailedPrecondition)
    assert "exit code 1" in str(error)

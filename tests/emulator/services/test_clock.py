"""/emulator/clock, called as the front calls it."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from gcpmlops.emulator.kernel import clock_file
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.services.clock import ClockApp

START = datetime(2013, 1, 1, tzinfo=UTC)


class Bench:
    def __init__(self, pool):
        self.clock = TravelClock(frozen=START)
        self.agenda = Agenda(self.clock, pool)
        self.is_empty = False
        self.app = ClockApp(self.agenda, lambda: self.is_empty)

    def call(self, method="POST", order=None, *, path="/emulator/clock", body=None, hang_up_when=None):
        """Status and JSON; the client hangs up when the event is set."""
        sent, content = [], body if body is not None else json.dumps(order or {}).encode()
        messages = iter([{"type": "http.request", "body": content}])

        async def receive():
            for message in messages:
                return message
            if hang_up_when is None:
                await asyncio.Event().wait()
            await asyncio.to_thread(hang_up_when.wait, 10)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        asyncio.run(self.app({"type": "http", "method": method, "path": path}, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture
def bench():
    with ThreadPoolExecutor(4) as pool:
        made = Bench(pool)
        yield made
        made.agenda.close()


def test_shown_and_moved(bench):
    bench.agenda.at(START + timedelta(hours=1), lambda: None, name="projects/p/jobs/j")
    _, view = bench.call("GET")
    assert (view["now"], view["frozen"], view["moving"]) == ("2013-01-01T00:00:00Z", True, False)
    assert view["next"] == {"time": "2013-01-01T01:00:00Z", "name": "projects/p/jobs/j"}
    status, view = bench.call(order={"advance": "1d"})
    assert (status, view["now"], view["done"], view["next"]) == (200, "2013-01-02T00:00:00Z", 1, None)
    assert bench.call(order={"set": "2013-01-03"})[1]["now"] == "2013-01-03T00:00:00Z"
    assert bench.call(order={"run": True})[1]["frozen"] is False
    assert bench.call(order={"freeze": True})[1]["frozen"] is True


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({}, "names one of"),
        ({"advance": "1d", "run": True}, "names one of"),
        ({"advance": "soon"}, "not a duration"),
        ({"advance": "900000w"}, "9999"),
        ({"set": "yesterday"}, "not a time"),
        ({"set": "2012-12-31"}, "before the emulator's time"),
    ],
)
def test_refused(bench, order, why):
    status, answer = bench.call(order=order)
    assert (status, why in answer["error"]["message"]) == (400, True), answer
    assert bench.clock.now() == START


def test_other_calls(bench):
    assert bench.call(body=b"{")[0] == 400
    assert bench.call("DELETE")[0] == 405
    assert bench.call("GET", path="/emulator/weather")[0] == 404


def test_back_where_it_is_asked_for_or_nothing_is_there(bench):
    assert bench.call(order={"set": "2012-01-01", "back": True})[1]["now"] == "2012-01-01T00:00:00Z"
    bench.is_empty = True
    assert bench.call(order={"set": "2011-01-01"})[1]["now"] == "2011-01-01T00:00:00Z"


def test_what_does_not_end_is_named(bench):
    bench.agenda.begin("projects/p/customJobs/7")
    status, answer = bench.call(order={"advance": "1d", "patience_seconds": 0.01})
    assert (status, "projects/p/customJobs/7" in answer["error"]["message"]) == (504, True)
    assert bench.call(order={"advance": "1d", "wait": False})[1]["done"] == 0


def test_who_hangs_up_ends_the_journey(bench):
    begun, go = threading.Event(), threading.Event()
    bench.agenda.at(START + timedelta(hours=1), lambda: (begun.set(), go.wait(10)), name="slow")
    status, _ = bench.call(order={"advance": "1d"}, hang_up_when=begun)
    go.set()
    assert status == 499
    assert bench.clock.now() == START + timedelta(hours=1)


def test_a_folder_that_is_gone_keeps_no_clock_from_moving(bench, tmp_path, caplog):
    clock_file.ClockFile(tmp_path / "gone", bench.clock)
    assert bench.call(order={"advance": "1d"})[0] == 200
    assert "can't be written" in caplog.text

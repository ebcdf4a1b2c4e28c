import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.state.store import Store

START = datetime(2013, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Bench:
    def __init__(self, *, frozen=START, threads=4):
        self.clock = TravelClock(frozen=frozen)
        self.pool = ThreadPoolExecutor(threads)
        self.agenda = Agenda(self.clock, self.pool)
        self.seen = []

    def note(self, name, after, then=lambda: None):
        def do():
            self.seen.append((name, self.clock.now() - START))
            then()

        return self.agenda.at(START + after, do, name=name)

    def close(self):
        self.agenda.close()
        self.pool.shutdown()


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.close()


def in_thread(work):
    outcome = []

    def run():
        try:
            outcome.append(work())
        except exceptions.GoogleAPICallError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(10)
        assert not thread.is_alive()
        return outcome[0]

    return result


def test_each_at_its_time_in_order(bench):
    bench.note("late", 3 * HOUR)
    bench.note("early", HOUR)
    bench.note("never", 25 * HOUR)
    assert bench.agenda.travel(START + 24 * HOUR) == 2
    assert bench.seen == [("early", HOUR), ("late", 3 * HOUR)]
    assert bench.clock.now() == START + 24 * HOUR
    assert bench.agenda.next().name == "never"


def test_appointments_made_on_the_way_count_even_for_the_same_moment(bench):
    def again():
        if len(bench.seen) < 48:
            bench.agenda.after(
                HOUR, lambda: (bench.seen.append(("hourly", bench.clock.now() - START)), again()), name="h"
            )

    bench.note("first", HOUR, lambda: bench.note("now", HOUR))
    again()
    assert bench.agenda.travel(timedelta(days=1)) == 26
    assert [after for name, after in bench.seen if name == "hourly"] == [n * HOUR for n in range(1, 25)]
    assert ("now", HOUR) in bench.seen


def test_stands_still_until_what_was_set_off_has_ended(bench):
    finish, begun = threading.Event(), threading.Event()
    ended_at = []

    def training():
        begun.set()
        finish.wait(10)
        ended_at.append(bench.clock.now())
        bench.agenda.end("job")

    def start():
        bench.agenda.begin("job")
        threading.Thread(target=training).start()

    bench.note("start", HOUR, start)
    bench.note("next", 2 * HOUR)
    result = in_thread(lambda: bench.agenda.travel(START + 5 * HOUR))
    assert begun.wait(10)
    assert bench.agenda.in_flight() == ["job"] or "job" in bench.agenda.in_flight()
    assert bench.clock.now() == START + HOUR
    finish.set()
    assert result() == 2
    assert ended_at == [START + HOUR]


def test_impatience_names_what_runs_and_leaves_the_clock_there(bench):
    bench.note("start", HOUR, lambda: bench.agenda.begin("projects/p/customJobs/7"))
    with pytest.raises(exceptions.DeadlineExceeded, match=r"2013-01-01T01:00:00.*projects/p/customJobs/7"):
        bench.agenda.travel(START + 2 * HOUR, patience=0.05)
    assert bench.clock.now() == START + HOUR
    assert bench.agenda.travel(START + 2 * HOUR, patience=None) == 0  # --no-wait


def test_what_was_gathered_is_passed_on_before_the_clock_goes_on(bench):
    gathered, passed_on = [], []

    def pass_on():
        while gathered:
            gathered.pop()
            bench.agenda.at(bench.clock.now(), lambda: passed_on.append(bench.clock.now() - START), name="alert")

    bench.agenda.before_moving.append(pass_on)
    for hour in (1, 2):
        bench.note("writes", hour * HOUR, lambda: gathered.append("a log line"))
    assert bench.agenda.travel(5 * HOUR) == 4
    assert passed_on == [HOUR, 2 * HOUR]


def test_the_past_is_refused(bench):
    with pytest.raises(exceptions.InvalidArgument, match="is past"):
        bench.agenda.travel(START - HOUR)
    assert bench.clock.frozen == START


def test_cancelled_ones_are_not_done_nor_counted(bench):
    bench.note("kept", HOUR)
    bench.note("cancelled", HOUR).cancel()
    bench.note("first", timedelta(minutes=1), bench.note("by first", HOUR).cancel)
    assert bench.agenda.travel(2 * HOUR) == 2
    assert {name for name, _ in bench.seen} == {"kept", "first"}


def test_one_that_raises_stops_nobody(bench, caplog):
    def broken():
        raise ValueError("no")

    bench.agenda.at(START + HOUR, broken, name="broken one")
    bench.note("next", 2 * HOUR)
    assert bench.agenda.travel(3 * HOUR) == 2
    assert bench.seen == [("next", 2 * HOUR)]
    assert "broken one" in caplog.text


def test_what_is_always_due_now_is_an_error(bench, monkeypatch):
    monkeypatch.setattr("gcpmlops.emulator.kernel.agenda._MOST_AT_ONCE", 20)

    def forever():
        bench.agenda.after(timedelta(0), forever, name="forever")

    bench.agenda.at(START + HOUR, forever, name="forever")
    with pytest.raises(exceptions.InternalServerError, match="forever is due"):
        bench.agenda.travel(2 * HOUR)
    bench.agenda.close()


def test_two_travellers_go_one_after_the_other(bench):
    begun, go = threading.Event(), threading.Event()
    bench.note("slow", HOUR, lambda: (begun.set(), go.wait(10)))
    first = in_thread(lambda: bench.agenda.travel(24 * HOUR))
    assert begun.wait(10)
    second = in_thread(lambda: bench.agenda.travel(24 * HOUR))
    go.set()
    assert (first(), second()) == (1, 0)
    assert bench.clock.now() == START + 48 * HOUR


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_journey_can_be_ended(bench, how):
    begun, go = threading.Event(), threading.Event()
    bench.note("slow", HOUR, lambda: (begun.set(), go.wait(10)))
    result = in_thread(lambda: bench.agenda.travel(24 * HOUR))
    assert begun.wait(10)
    getattr(bench.agenda, how)()
    outcome = result()
    go.set()
    assert isinstance(outcome, exceptions.Cancelled)
    assert bench.clock.now() == START + HOUR
    assert not bench.agenda.is_travelling


def test_a_clock_that_ran_runs_on_afterwards(monkeypatch):
    monkeypatch.setattr("gcpmlops.emulator.kernel.agenda._MOMENT_S", 60.0)  # however slow this machine is
    bench = Bench(frozen=None)
    try:
        before = bench.clock.now()
        held = []
        bench.agenda.after(HOUR, lambda: held.append(bench.clock.state.is_held), name="x")
        assert bench.agenda.travel(2 * HOUR) == 1
        assert held == [True]
        assert bench.clock.frozen is None
        assert timedelta(0) <= bench.clock.now() - before - 2 * HOUR < timedelta(seconds=5)
    finally:
        bench.close()


def test_what_takes_long_takes_its_time_on_the_clock_unless_that_is_frozen(monkeypatch):
    """A canary that watches for minutes of the services' time would never end else."""
    monkeypatch.setattr("gcpmlops.emulator.kernel.agenda._MOMENT_S", 0.01)
    bench = Bench(frozen=None)
    try:
        passed = threading.Event()
        seen = []

        def watches():
            began = bench.clock.now()
            bench.agenda.at(began + timedelta(milliseconds=50), passed.set, name="due meanwhile")
            seen.append(passed.wait(10))

        bench.agenda.after(HOUR, watches, name="canary")
        target = bench.clock.now() + 2 * HOUR
        assert bench.agenda.travel(target) == 2
        assert seen == [True]
        assert timedelta(0) <= bench.clock.now() - target < timedelta(seconds=5)
    finally:
        bench.close()


def test_in_real_time_it_is_done_when_due_and_a_jump_is_noticed():
    bench = Bench(frozen=None)
    try:
        soon, later = threading.Event(), threading.Event()
        bench.agenda.after(timedelta(days=1), later.set, name="later")
        bench.agenda.after(timedelta(milliseconds=20), soon.set, name="soon")  # earlier than what was waited for
        assert soon.wait(5)
        assert not later.is_set()
        bench.clock.set(bench.clock.now() + timedelta(days=2))
        assert later.wait(5)
    finally:
        bench.close()


def test_nothing_is_begun_after_close():
    bench = Bench()
    bench.note("x", HOUR)
    bench.close()
    bench.clock.set(START + 2 * HOUR)
    bench.agenda.at(START, lambda: bench.seen.append("y"), name="y")
    assert bench.seen == []


def test_set_back_tells_who_made_appointments(bench):
    told = []
    bench.agenda.on_back.append(lambda: told.append(bench.clock.now()))
    bench.agenda.set_back(START - HOUR)
    assert told == [START - HOUR]


def test_a_time_without_zone_is_refused(bench):
    with pytest.raises(ValueError, match="no time zone"):
        bench.agenda.at(datetime(2013, 1, 1), lambda: None, name="x")


minutes = st.integers(1, 2000)  # what is due at the start is done at once, by nobody who travels


@settings(max_examples=60, deadline=None)
@given(
    plan=st.lists(st.tuples(minutes, st.lists(st.integers(0, 500), max_size=3)), max_size=12),
    stops=st.lists(minutes, max_size=4),
)
def test_any_plan_is_done_in_order_once_whatever_the_stops(plan, stops):
    """Each appointment makes further ones; all that is due by the last stop is done once, at its own time."""
    bench = Bench(threads=1)
    try:
        expected = []
        for number, (at, offsets) in enumerate(plan):

            def then(number=number, at=at, offsets=offsets):
                for offset in offsets:
                    bench.note(f"{number}+", timedelta(minutes=at + offset))

            bench.note(str(number), timedelta(minutes=at), then)
            expected += [(str(number), at)] + [(f"{number}+", at + offset) for offset in offsets]
        end = max(stops, default=0)
        done = sum(bench.agenda.travel(START + timedelta(minutes=stop)) for stop in sorted(stops))
        due = sorted((name, timedelta(minutes=at)) for name, at in expected if at <= end) if stops else []
        assert sorted(bench.seen) == due
        assert done == len(due)
        assert [after for _, after in bench.seen] == sorted(after for _, after in bench.seen)
    finally:
        bench.close()


def test_waits_for_operations(bench, tmp_path):
    """A long-running operation is waited for from its start to its end, however it ends."""
    store = Store(tmp_path / "state.db", now=bench.clock.now)
    operations = Operations(store.collection(operations_pb2.Operation), bench.clock, bench.pool, busy=bench.agenda.busy)
    go = threading.Event()

    def fail():
        go.wait(10)
        raise exceptions.Aborted("no")

    operation = operations.start(parent="projects/p", metadata=empty_pb2.Empty(), run=fail)
    assert bench.agenda.in_flight() == [operation.name]
    result = in_thread(lambda: bench.agenda.travel(HOUR))
    go.set()
    assert result() == 0
    assert bench.agenda.in_flight() == []
    assert operations.get_operation(operation).error.message == "no"
    store.close()


@pytest.mark.parametrize("slow", [0.0, 0.6])  # seconds: within a moment, and longer than one
def test_what_comes_last_of_a_moment_waits_for_all_else_without_being_asked_again(bench, slow):
    going = threading.Event()

    def work():
        going.wait(slow)
        bench.seen.append(("work", None))
        bench.agenda.end("work")

    def begin():
        bench.agenda.last(lambda: bench.seen.append(("last", bench.clock.now() - START)), name="last")
        bench.agenda.begin("work")
        threading.Thread(target=work).start()

    bench.note("first", HOUR, begin)
    bench.note("second", HOUR)
    bench.note("later", 2 * HOUR)
    assert bench.agenda.travel(3 * HOUR) == 4
    assert {name for name, _ in bench.seen[:3]} == {"first", "second", "work"}
    assert bench.seen[3:] == [("last", HOUR), ("later", 2 * HOUR)]
    bench.agenda.last(lambda: bench.note("now", 3 * HOUR), name="now")  # nobody moves the clock
    bench.agenda.travel(HOUR)
    assert bench.seen[-1] == ("now", 3 * HOUR)


def test_who_does_not_wait_leaves_nothing_undone(bench):
    bench.agenda.begin("job")  # goes on for longer than the journey
    bench.note("first", HOUR, lambda: bench.agenda.last(lambda: bench.seen.append(("last", None)), name="last"))
    assert bench.agenda.travel(2 * HOUR, patience=None) == 2
    assert [name for name, _ in bench.seen] == ["first", "last"]
    bench.agenda.end("job")

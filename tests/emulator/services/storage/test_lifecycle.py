"""Lifecycle rules, by a clock that is moved."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.services.storage import StorageEngine
from gcpmlops.emulator.services.storage.lifecycle import Lifecycle
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

START = datetime(2013, 1, 1, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass
class Bench:
    engine: StorageEngine
    agenda: Agenda

    def bucket(self, *rules, **fields):
        self.engine.buckets.insert("p", {"name": "box", "lifecycle": {"rule": list(rules)}, **fields})

    def put(self, name, **fields):
        self.engine.upload("box", name, self.source)
        if fields:
            self.engine.objects.patch("box", name, fields)

    def names(self):
        return [item.name for item in self.engine.list("box")]

    def rows(self):
        sql = "SELECT name, live FROM storage_object ORDER BY name, generation"
        return self.engine.store.read(lambda conn: [tuple(row) for row in conn.execute(sql)])

    def storage_class(self, name):
        return self.engine.objects.get("box", name).fields["storageClass"]

    def until(self, moment):
        return self.agenda.travel(moment if isinstance(moment, datetime) else START + moment)


@pytest.fixture
def bench(tmp_path):
    clock = TravelClock(frozen=START)
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(4) as pool:
        agenda = Agenda(clock, pool)
        engine = StorageEngine(store, Blobs(tmp_path / "blobs"), clock, project="p", project_number="1")
        made = Bench(engine, agenda)
        made.source = tmp_path / "source"
        made.source.write_text("x")
        made.lifecycle = Lifecycle(engine, agenda)
        yield made
        agenda.close()
        engine.close()
    store.close()


def rule(action, storage_class="", **condition):
    kind = {"type": action} | ({"storageClass": storage_class} if storage_class else {})
    return {"action": kind, "condition": condition}


def test_age_is_kept_to_the_second(bench):
    bench.bucket(rule("Delete", age=30))
    bench.put("first")
    bench.until(DAY)
    bench.put("second")
    bench.until(30 * DAY - SECOND)
    assert bench.names() == ["first", "second"]
    bench.until(30 * DAY)
    assert bench.names() == ["second"]
    bench.until(31 * DAY)
    assert bench.names() == []


def test_classes_go_down_step_by_step_and_never_up(bench):
    bench.bucket(
        rule("SetStorageClass", "NEARLINE", age=30, matchesStorageClass=["STANDARD"]),
        rule("SetStorageClass", "COLDLINE", age=90),
        rule("SetStorageClass", "STANDARD", age=100),
        rule("Delete", age=365),
    )
    bench.put("a")
    generation = bench.engine.objects.get("box", "a").generation
    for days, expected in ((29, "STANDARD"), (30, "NEARLINE"), (90, "COLDLINE"), (364, "COLDLINE")):
        bench.until(days * DAY)
        assert bench.storage_class("a") == expected
    record = bench.engine.objects.get("box", "a")
    assert (record.generation, record.metageneration) == (generation, 3)
    assert record.fields["timeStorageClassUpdated"] == "2013-04-01T12:00:00.000Z"
    bench.until(365 * DAY)
    assert bench.names() == []


def test_versions(bench):
    bench.bucket(
        rule("Delete", numNewerVersions=2), rule("Delete", daysSinceNoncurrentTime=7), versioning={"enabled": True}
    )
    for day in range(4):
        bench.until(day * DAY)
        bench.put("a")
    bench.until(3 * DAY + SECOND)
    assert bench.rows() == [("a", 0), ("a", 1)]  # of the other two, there are two newer ones
    bench.until(10 * DAY - SECOND)
    assert len(bench.rows()) == 2
    bench.until(10 * DAY)
    assert bench.rows() == [("a", 1)]


def test_a_live_version_becomes_noncurrent_first(bench):
    bench.bucket(rule("Delete", age=1, isLive=True), versioning={"enabled": True})
    bench.put("a")
    bench.until(DAY)
    assert bench.rows() == [("a", 0)]
    bench.until(100 * DAY)
    assert bench.rows() == [("a", 0)]


@pytest.mark.parametrize(
    ("condition", "gone"),
    [
        ({"createdBefore": "2013-01-02"}, {"logs/a.txt", "logs/b.csv", "keep.csv"}),
        ({"createdBefore": "2013-01-01"}, set()),
        ({"age": 0, "matchesPrefix": ["logs/"], "matchesSuffix": [".csv", ".gz"]}, {"logs/b.csv"}),
        ({"age": 1, "matchesStorageClass": ["ARCHIVE"]}, set()),
        ({"customTimeBefore": "2012-06-01"}, {"keep.csv"}),
        ({"daysSinceCustomTime": 400}, {"keep.csv"}),
        ({"isLive": False}, set()),
        ({"age": 5}, {"logs/a.txt", "logs/b.csv", "keep.csv"}),
    ],
)
def test_conditions(bench, condition, gone):
    bench.bucket(rule("Delete", **condition))
    for name in ("logs/a.txt", "logs/b.csv"):
        bench.put(name)
    bench.put("keep.csv", customTime="2012-01-01T00:00:00Z")
    bench.until(50 * DAY)
    assert {"logs/a.txt", "logs/b.csv", "keep.csv"} - set(bench.names()) == gone


def test_holds_and_retention_come_first(bench):
    bench.bucket(rule("Delete", age=1), retentionPolicy={"retentionPeriod": str(3 * 86400)})
    bench.put("held", temporaryHold=True)
    bench.put("kept")
    bench.until(2 * DAY)
    assert bench.names() == ["held", "kept"]
    bench.until(3 * DAY)
    assert bench.names() == ["held"]
    bench.engine.objects.patch("box", "held", {"temporaryHold": False})
    bench.until(3 * DAY + SECOND)
    assert bench.names() == []


def test_rules_that_come_later_change_or_go(bench):
    bench.bucket()
    bench.put("a")
    bench.until(10 * DAY)
    bench.engine.buckets.patch("box", {"lifecycle": {"rule": [rule("Delete", age=20)]}})
    bench.until(11 * DAY)
    bench.engine.buckets.patch("box", {"lifecycle": None})
    bench.until(30 * DAY)
    assert bench.names() == ["a"]
    assert bench.agenda.next() is None
    bench.engine.buckets.patch("box", {"lifecycle": {"rule": [rule("Delete", age=20)]}})
    bench.until(30 * DAY + SECOND)
    assert bench.names() == []


def test_a_new_start_goes_on(bench):
    bench.bucket(rule("Delete", age=30))
    bench.put("a")
    bench.agenda.close()
    agenda = Agenda(bench.agenda.clock, bench.agenda._pool)
    bench.engine.on_event.clear()
    bench.engine.buckets.listeners.clear()
    Lifecycle(bench.engine, agenda).resume()
    agenda.travel(30 * DAY)
    assert bench.names() == []
    agenda.close()


def test_many_objects_and_no_idle_wake_ups(bench):
    bench.bucket(rule("Delete", age=30), rule("AbortIncompleteMultipartUpload", age=1))
    for number in range(100):
        bench.put(f"{number:03}")
    assert bench.until(365 * DAY) <= 3  # all of them are due at one moment
    assert bench.names() == []


@pytest.mark.parametrize(
    "wrong",
    [
        rule("Shred", age=1),
        rule("Delete"),
        rule("Delete", age=-1),
        rule("Delete", age="soon"),
        rule("Delete", createdBefore="yesterday"),
        rule("Delete", matchesPrefix=[]),
        rule("Delete", madeBy="me"),
        rule("Delete", isLive="yes"),
        rule("SetStorageClass", "WARM", age=1),
        rule("AbortIncompleteMultipartUpload", isLive=True),
        "Delete",
    ],
)
def test_rules_that_can_not_be(bench, wrong):
    with pytest.raises(exceptions.BadRequest, match="lifecycle"):
        bench.bucket(wrong)
    assert not bench.engine.exists("box")

"""Tailing and writing entries, below the service."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.kernel.clock import SystemClock
from gcpmlops.emulator.services.logging import query
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.tail import Tail, window_s
from gcpmlops.emulator.services.logging.writer import LogWriter
from gcpmlops.emulator.state.store import Store

LOG = "projects/p/logs/a"
RESOURCE = ("ml_job", {"job_id": "7"})


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[Entries]:
    clock = SystemClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    yield Entries(store, clock)
    store.close()


def listed(entries: Entries) -> list[LogEntry]:
    return [
        LogEntry.deserialize(row["body"])
        for row in entries.scan(["projects/p"], query.compiled(""), after=None, newest_first=False)
    ]


def test_a_window_puts_late_entries_into_their_place(entries: Entries) -> None:
    tail = Tail(entries, ["projects/p"], "", window_s=0.3)
    writer, now = LogWriter(entries), entries.now()
    for text, age in (("second", 1), ("third", 0), ("first", 2)):
        writer.write(LOG, RESOURCE, "INFO", text, None, now - timedelta(seconds=age))
    writer.flush()
    assert [entry.text_payload for entry in next(tail.batches(lambda: True))] == ["first", "second", "third"]
    writer.close()


def test_a_blank_line_is_a_message_too(entries: Entries) -> None:
    writer = LogWriter(entries)
    writer.write(LOG, RESOURCE, "INFO", {"message": "", "levelname": "INFO"})
    assert dict(listed(entries)[0].json_payload) == {"message": "", "levelname": "INFO"}
    writer.close()


def test_without_a_window_entries_come_as_they_arrive(entries: Entries) -> None:
    writer, tail = LogWriter(entries), Tail(entries, ["projects/p"], "severity>=ERROR", window_s=0)
    batches = tail.batches(lambda: True)
    for text, severity in (("one", "ERROR"), ("two", "INFO"), ("three", "ERROR")):
        writer.write(LOG, RESOURCE, severity, text)
        writer.flush()
        if severity == "ERROR":
            assert [entry.text_payload for entry in next(batches)] == [text]
    writer.close()


def test_windows() -> None:
    assert window_s(None) == 0
    assert window_s(timedelta(seconds=2)) == 2
    for seconds in (-1, 61):
        with pytest.raises(exceptions.InvalidArgument, match="buffer_window"):
            window_s(timedelta(seconds=seconds))


def test_entries_of_one_time_keep_their_order_and_their_own_texts(entries: Entries) -> None:
    writer, now = LogWriter(entries), entries.now()
    for number in range(300):
        payload = {"message": f"line {number}", "attrs": {"tag": "t"}} if number % 2 else f"line {number}"
        writer.write(LOG, RESOURCE, "INFO", payload, {"a": str(number % 3)}, now)
    writer.close()
    found = sorted(listed(entries), key=lambda entry: entry.insert_id)
    texts = [entry.text_payload or dict(entry.json_payload)["message"] for entry in found]
    assert texts == [f"line {number}" for number in range(300)]
    assert [entry.labels["a"] for entry in found] == [str(number % 3) for number in range(300)]
    assert dict(found[1].json_payload)["attrs"] == {"tag": "t"}
    assert not found[0].json_payload


def test_what_followers_ask_does_not_scan_the_table(entries: Entries, tmp_path: Path) -> None:
    """A job's lines and what is new are found by an index, however much other jobs have written."""
    asked: list[str] = []
    store = Store(tmp_path / "state.db", now=entries.now)
    followed = Entries(store, SystemClock())
    store.read(lambda conn: conn.set_trace_callback(asked.append))
    list(followed.scan(["projects/p"], query.compiled('resource.labels.job_id="7"'), after=None, newest_first=False))
    newer = query.compiled('resource.labels.job_id="7" timestamp>="2026-05-01T00:00:00Z"')
    list(followed.scan(["projects/p"], newer, after=("2026", 1), newest_first=True))
    followed.since(["projects/p", "projects/q"], 5)
    store.read(lambda conn: conn.set_trace_callback(None))
    plans = [store.read(lambda conn, s=sql: conn.execute(f"EXPLAIN QUERY PLAN {s}").fetchone()[3]) for sql in asked]
    assert [plan.partition("USING ")[2].partition(" (")[0] for plan in plans] == [
        "INDEX log_entries_by_job",
        "INDEX log_entries_by_job",
        "INTEGER PRIMARY KEY",
    ]
    store.close()

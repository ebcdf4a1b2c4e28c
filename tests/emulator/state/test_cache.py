"""What was read stays at hand, but never outlives a commit and never shows what was rolled back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.longrunning import operations_pb2

from gcpmlops.emulator.state.cache import ReadCache
from gcpmlops.emulator.state.store import Store

Operation = operations_pb2.Operation


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    yield store
    store.close()


def test_a_row_is_read_once_between_commits() -> None:
    cache, reads = ReadCache(), []

    def read() -> bytes:
        reads.append(1)
        return b"row"

    assert [cache.get("a", read), cache.get("a", read)] == [b"row", b"row"]
    assert len(reads) == 1
    with cache.writing():
        cache.get("a", read)
        cache.get("a", read)
    cache.get("a", read)
    assert len(reads) == 4


def test_a_row_read_before_a_commit_is_not_kept_after_it() -> None:
    cache = ReadCache()

    def overtaken() -> bytes:
        with cache.writing():
            pass
        return b"old"

    assert cache.get("a", overtaken) == b"old"
    assert cache.get("a", lambda: b"new") == b"new"


def test_missing_and_large_rows_are_not_kept() -> None:
    cache = ReadCache()
    assert cache.get("a", lambda: None) is None
    assert cache.get("a", lambda: b"x" * 10**6) == b"x" * 10**6
    assert cache.get("a", lambda: b"now") == b"now"


def test_changes_and_deletions_are_seen_at_once(store: Store) -> None:
    rows = store.collection(Operation)
    for number in range(20):
        rows.put("n/1", Operation(name=str(number)))
        assert rows.get("n/1").name == str(number)
        rows.get("n/1").name = "a reader's own copy"
    rows.delete("n/1")
    assert rows.find("n/1") is None


def test_what_is_rolled_back_is_never_seen(store: Store) -> None:
    rows = store.collection(Operation)
    rows.put("n/1", Operation(name="kept"))
    seen: list[str] = []

    def write(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE resources SET body = ?", (Operation(name="lost").SerializeToString(),))
        reader = threading.Thread(target=lambda: seen.append(rows.get("n/1").name))
        reader.start()
        reader.join()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.write(write)
    assert [*seen, rows.get("n/1").name] == ["kept", "kept"]


def test_readers_never_go_back_in_time(store: Store) -> None:
    rows = store.collection(Operation)
    rows.put("n/1", Operation(name="0"))
    stop = threading.Event()
    steps: list[int] = []

    def read() -> None:
        last = 0
        while not stop.is_set():
            now = int(rows.get("n/1").name)
            steps.append(now - last)
            last = now

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 300):
        rows.put("n/1", Operation(name=str(number)))
    stop.set()
    for reader in readers:
        reader.join()
    assert min(steps) >= 0

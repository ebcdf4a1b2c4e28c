"""The store: atomic writes, one caller's failure is nobody else's, and kill -9 keeps what was acknowledged."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from google.api_core import exceptions
from google.longrunning import operations_pb2

from gcpmlops.emulator.state.store import Store

Operation = operations_pb2.Operation


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    yield store
    store.close()


def test_collection_round_trip(store: Store) -> None:
    operations = store.collection(Operation)
    operations.insert("projects/p/operations/1", Operation(name="one"))
    operations.insert("projects/p/operations/2", Operation(name="two"))
    operations.update("projects/p/operations/1", lambda op: setattr(op, "done", True))
    assert operations.get("projects/p/operations/1").done
    assert [op.name for op in operations.list("projects/p")] == ["one", "two"]
    assert operations.list("projects/q") == []
    operations.delete("projects/p/operations/1")
    with pytest.raises(exceptions.NotFound, match="projects/p/operations/1"):
        operations.get("projects/p/operations/1")


def test_insert_refuses_a_second_one(store: Store) -> None:
    operations = store.collection(Operation)
    operations.insert("a/b", Operation())
    with pytest.raises(exceptions.AlreadyExists, match="a/b"):
        operations.insert("a/b", Operation())


def test_a_failing_change_changes_nothing(store: Store) -> None:
    operations = store.collection(Operation)
    operations.insert("a/b", Operation(name="before"))

    def change(op: Operation) -> None:
        op.name = "after"
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        operations.update("a/b", change)
    assert operations.get("a/b").name == "before"


def test_concurrent_writers_lose_nothing(store: Store) -> None:
    operations = store.collection(Operation)
    operations.insert("n/1", Operation(name="0"))

    def work(index: int) -> None:
        for step in range(50):
            operations.update("n/1", lambda op: setattr(op, "name", str(int(op.name) + 1)))
            if step % 10 == 0:
                with pytest.raises(exceptions.NotFound):
                    operations.delete(f"missing/{index}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert operations.get("n/1").name == "200"


def test_what_lies_below(store: Store) -> None:
    rows = store.collection(Operation)
    for name in ("a/x/n/3", "a/x/n/1", "a/x/n/2", "a/x", "a/xy/n/1", "a/x/n/1/deep/4"):
        rows.insert(name, Operation(name=name))
    children = rows.below("a/x")
    assert (len(children), children[0].name) == (3, "a/x/n/3")
    assert [row.name for row in children[1:9]] == ["a/x/n/1", "a/x/n/2"]
    assert [row.name for row in children] == [row.name for row in rows.list("a/x")]
    assert rows.count_below("a/x") == rows.delete_below("a/x") == 4
    assert [row.name for row in rows.list()] == ["a/x", "a/xy/n/1"]


_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from google.longrunning import operations_pb2
from gcpmlops.emulator.state.store import Store
store = Store(Path(sys.argv[1]), now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
rows = store.collection(operations_pb2.Operation)
for number in range(100000):
    rows.insert(f"a/{number}", operations_pb2.Operation(name=str(number)))
    print(number, flush=True)
"""


def test_kill_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(300)][-1]
        writer.send_signal(signal.SIGKILL)
    store = Store(path, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    assert len(store.collection(Operation).list()) > acknowledged
    store.close()


def test_a_thread_that_ends_leaves_no_open_file(store: Store, tmp_path: Path) -> None:
    def opened() -> int:
        return [file.path for file in psutil.Process().open_files()].count(str(tmp_path / "state.db"))

    store.read(lambda conn: conn.execute("SELECT 1").fetchone())
    before = opened()
    for _ in range(20):
        thread = threading.Thread(target=store.read, args=(lambda conn: conn.execute("SELECT 1").fetchone(),))
        thread.start()
        thread.join()
    assert opened() <= before + 1  # SQLite keeps one for the next: closing it would drop the locks of the others

"""One SQLite file in WAL mode: many readers, one writer thread that batches commits.

A write is acknowledged after its COMMIT, so whatever a caller was told survives ``kill -9``. ``synchronous=NORMAL`` is
enough for that: a killed process loses nothing that reached the operating system.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from gcpmlops.emulator.state.cache import ReadCache
from gcpmlops.emulator.state.collection import Collection

T = TypeVar("T")
M = TypeVar("M")
Write = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]

_BATCH = 256  # writes per COMMIT at most
_STOP = None


def connect(path: Path) -> sqlite3.Connection:
    """An autocommit connection with the pragmas that every thread uses."""
    conn = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    conn.row_factory = sqlite3.Row
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=NORMAL")
    conn.execute("PRAGMA cache_size=-16000")  # KiB
    return conn


class _Readers:
    """The open read-only connections, one a thread.

    None is closed after ``close``: the last connection to go removes SQLite's files beside the database, and who closes
    a store may remove its folder next.
    """

    def __init__(self) -> None:
        self._open: set[sqlite3.Connection] = set()
        self._lock = threading.RLock()  # taken again where the garbage collector ends a thread's reader under it

    def add(self, path: Path) -> sqlite3.Connection:
        conn = connect(path)
        conn.execute("PRAGMA query_only=ON")
        with self._lock:
            self._open.add(conn)
        return conn

    def remove(self, conn: sqlite3.Connection) -> None:
        with self._lock:
            self._open.discard(conn)
            conn.close()

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.pop().close()


class _Reader:
    """One thread's connection; it goes with the thread."""

    def __init__(self, path: Path, readers: _Readers) -> None:
        self._readers = readers
        self.conn = readers.add(path)

    def __del__(self) -> None:
        self._readers.remove(self.conn)


class Store:
    """Durable state of one emulator.

    Args:
        path: the database file; its folder exists.
        now: the emulator's clock, in UTC.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        self.path = path
        self.now = now
        self.cache = ReadCache()
        self._local = threading.local()
        self._readers = _Readers()
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._conn = connect(path)
        self._thread = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
        self._thread.start()
        self.ensure_schema(resources.files("gcpmlops.emulator.state").joinpath("schema.sql").read_text("utf-8"))

    def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Runs ``fn`` here, on this thread's own read-only connection."""
        return fn(self._reader())

    def write(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Runs ``fn`` on the writer thread in a savepoint of its own; returns after COMMIT.

        Raises: whatever ``fn`` raises; its changes are rolled back then, and only its own.
        """
        if threading.current_thread() is self._thread:
            return fn(self._conn)
        return self.submit(fn).result()

    def submit(self, fn: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """``write`` that doesn't wait: for the event loop."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self._queue.put((fn, future))
        return future

    def ensure_schema(self, sql: str) -> None:
        """Runs ``CREATE ... IF NOT EXISTS`` statements of a service that owns tables."""
        self.write(lambda conn: [conn.execute(statement) for statement in _statements(sql)])

    def collection(self, message_type: type[M]) -> Collection[M]:
        """The resource table, seen as messages of one type."""
        return Collection(self, message_type)

    def is_empty(self, *, but: str = "") -> bool:
        """Whether there is no row of any service, beside messages of the type `but`."""

        def run(conn: sqlite3.Connection) -> bool:
            sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            tables = [row[0] for row in conn.execute(sql) if row[0] != "resources"]
            found = (conn.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() for table in tables)
            resource = conn.execute("SELECT 1 FROM resources WHERE type != ? LIMIT 1", (but,)).fetchone()
            return resource is None and not any(found)

        return self.read(run)

    def close(self) -> None:
        """Commits what is queued, then closes every connection."""
        if self._thread.is_alive():
            self._queue.put(_STOP)
            self._thread.join()
        self._conn.close()
        self._readers.close()

    def _reader(self) -> sqlite3.Connection:
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = _Reader(self.path, self._readers)
        return reader.conn

    def _write_loop(self) -> None:
        while (first := self._queue.get()) is not _STOP:
            batch, more = self._gather(first)
            self._commit(batch)
            if not more:
                return

    def _gather(self, first: Write) -> tuple[list[Write], bool]:
        batch = [first]
        while len(batch) < _BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is _STOP:
                return batch, False
            batch.append(item)
        return batch, True

    def _commit(self, batch: list[Write]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with self.cache.writing():
                self._transact(batch, done)
        except Exception as error:  # noqa: BLE001 - disk full or the like: nobody in the batch is told "done"
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)

    def _transact(self, batch: list[Write], done: list[tuple[Future[Any], Any]]) -> None:
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            for fn, future in batch:
                self._savepoint(fn, future, done)
            self._conn.execute("COMMIT")
        finally:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")

    def _savepoint(
        self, fn: Callable[[sqlite3.Connection], Any], future: Future[Any], done: list[tuple[Future[Any], Any]]
    ) -> None:
        self._conn.execute("SAVEPOINT one")
        try:
            done.append((future, fn(self._conn)))
        except Exception as error:  # the caller's own error goes back to the caller
            if not self._conn.in_transaction:  # SQLite itself rolled everything back
                raise
            self._conn.execute("ROLLBACK TO one")
            future.set_exception(error)
        self._conn.execute("RELEASE one")


def _statements(sql: str) -> list[str]:
    statements, current = [], ""
    for line in sql.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    if current.strip():
        statements.append(current)
    return statements

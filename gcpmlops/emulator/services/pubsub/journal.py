"""What of messages and deliveries is durable. Acknowledgements gather and share a commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from importlib import resources
from typing import Any, Protocol

from gcpmlops.emulator.services.pubsub.batches import Batch, Batches
from gcpmlops.emulator.services.pubsub.lanes import Pending

_SAVE = "INSERT OR REPLACE INTO pubsub_pending (subscription, batch, done) VALUES (?, ?, ?)"
_COLUMNS = "id, topic, at, count, length(body) AS size"
# Nobody has yet to get them, no snapshot holds them, and no topic retains them.
_UNUSED = """
    NOT EXISTS (SELECT 1 FROM pubsub_pending p WHERE p.batch = b.id)
    AND NOT EXISTS (SELECT 1 FROM pubsub_snapshot_pending s WHERE s.batch = b.id)
    AND NOT EXISTS (SELECT 1 FROM pubsub_snapshot s WHERE s.topic = b.topic AND s.last_batch < b.id)
"""


class Delivered(Protocol):
    """A subscription, as the journal sees it."""

    name: str
    is_deleted: bool

    @property
    def retains_acked(self) -> bool: ...


class Journal:
    """The tables of `schema.sql`."""

    def __init__(self, store: Any, batches: Batches) -> None:
        self.store = store
        self._batches = batches
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))
        self._lock = threading.Lock()
        self._pendings: dict[tuple[str, int], tuple[Delivered, Pending]] = {}
        self._failures: dict[tuple[str, int], int] = {}
        self._gathering: Future[None] | None = None
        self.kept_topics: set[str] = set()  # those whose batches outlive their deliveries

    def last_batch(self) -> int:
        """The highest number that a batch ever had."""
        sql = "SELECT seq FROM sqlite_sequence WHERE name = 'pubsub_batch'"
        row = self.store.read(lambda conn: conn.execute(sql).fetchone())
        return 0 if row is None else int(row[0])

    def publish(self, batch: Batch, body: bytes, deliveries: list[tuple[Delivered, Pending]]) -> None:
        """Returns when the messages are durable, and with them whom they are for."""

        def run(conn: sqlite3.Connection) -> None:
            values = (batch.id, batch.topic, batch.at, batch.count, body)
            conn.execute("INSERT INTO pubsub_batch (id, topic, at, count, body) VALUES (?, ?, ?, ?, ?)", values)
            rows = [(to.name, batch.id, bytes(pending.done)) for to, pending in deliveries if not to.is_deleted]
            conn.executemany(_SAVE, rows)

        self.store.write(run)

    def note(self, subscription: Delivered, pendings: Iterable[Pending]) -> Future[None]:
        """Stores what is done of them, soon; the future tells when."""
        with self._lock:
            for pending in pendings:
                self._pendings[subscription.name, pending.batch.id] = (subscription, pending)
            return self._gathered()

    def note_failures(self, subscription: Delivered, failures: dict[int, int]) -> Future[None]:
        """Stores how often messages failed (0: no longer of interest), soon."""
        with self._lock:
            self._failures |= {(subscription.name, message): failed for message, failed in failures.items()}
            return self._gathered()

    def backlog(self, subscription: str) -> list[tuple[Batch, bytes]]:
        """All that a subscription has yet to get, oldest first; what it retains acknowledged as well."""
        sql = f"SELECT {_COLUMNS}, done FROM pubsub_pending JOIN pubsub_batch b ON id = batch WHERE subscription = ?"
        rows = self.store.read(lambda conn: conn.execute(f"{sql} ORDER BY id", (subscription,)).fetchall())
        return [(self._batches.of(row), row["done"]) for row in rows]

    def failures(self, subscription: str) -> dict[int, int]:
        """How often messages failed, by their number."""
        sql = "SELECT message, failed FROM pubsub_attempt WHERE subscription = ?"
        return dict(map(tuple, self.store.read(lambda conn: conn.execute(sql, (subscription,)).fetchall())))

    def forget(self, conn: sqlite3.Connection, subscription: str) -> None:
        """A subscription's rows, in the transaction that deletes it."""
        conn.execute("DELETE FROM pubsub_pending WHERE subscription = ?", (subscription,))
        conn.execute("DELETE FROM pubsub_attempt WHERE subscription = ?", (subscription,))

    def collect(self, topic: str, before: float) -> None:
        """Deletes a topic's batches that are not newer than `before` (seconds since 1970) and that nothing needs."""
        sql = f"DELETE FROM pubsub_batch AS b WHERE topic = ? AND at <= ? AND {_UNUSED}"
        self.store.write(lambda conn: conn.execute(sql, (topic, before)))

    def _gathered(self) -> Future[None]:
        if self._gathering is None:
            self._gathering = self.store.submit(self._write)
        return self._gathering

    def _write(self, conn: sqlite3.Connection) -> None:
        with self._lock:
            pendings = [pair for pair in self._pendings.values() if not pair[1].is_over]
            failures, self._failures, self._pendings = self._failures, {}, {}
            self._gathering = None
            gone = [pair for pair in pendings if not pair[1].left and not pair[0].retains_acked]
            unused = [pending.batch for _, pending in gone if self._is_last(pending)]
        for batch in unused:
            self._batches.drop(batch)
        kept = [pair for pair in pendings if not pair[1].is_over and not pair[0].is_deleted]
        conn.executemany(_SAVE, [(to.name, pending.batch.id, bytes(pending.done)) for to, pending in kept])
        pairs = [(to.name, pending.batch.id) for to, pending in gone]
        conn.executemany("DELETE FROM pubsub_pending WHERE subscription = ? AND batch = ?", pairs)
        conn.executemany("DELETE FROM pubsub_batch WHERE id = ?", [(batch.id,) for batch in unused])
        self._write_failures(conn, failures)

    def _write_failures(self, conn: sqlite3.Connection, failures: dict[tuple[str, int], int]) -> None:
        rows = [(*key, failed) for key, failed in failures.items() if failed]
        conn.executemany("INSERT OR REPLACE INTO pubsub_attempt (subscription, message, failed) VALUES (?, ?, ?)", rows)
        over = [key for key, failed in failures.items() if not failed]
        conn.executemany("DELETE FROM pubsub_attempt WHERE subscription = ? AND message = ?", over)

    def _is_last(self, pending: Pending) -> bool:
        """One subscription fewer needs its batch: whether it was the last, and the topic does not keep it."""
        batch = pending.batch
        batch.refs -= 1
        pending.is_over = True
        return batch.refs <= 0 and batch.topic not in self.kept_topics

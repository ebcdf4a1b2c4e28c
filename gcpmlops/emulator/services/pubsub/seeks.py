"""Seeking: a subscription's backlog made anew, as of a time or of a snapshot."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from gcpmlops.emulator.services.pubsub.lanes import Pending
from gcpmlops.emulator.services.pubsub.queues import done_flags

if TYPE_CHECKING:
    from gcpmlops.emulator.services.pubsub.batches import Batch
    from gcpmlops.emulator.services.pubsub.broker import Broker
    from gcpmlops.emulator.services.pubsub.queues import Queue

_BATCHES = "SELECT id, topic, at, count, length(body) AS size FROM pubsub_batch"
_INSERT = "INSERT OR REPLACE INTO pubsub_pending (subscription, batch, done) VALUES (?, ?, ?)"


class Seeks:
    """Rewrites the rows of a subscription, then its queue."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def to_time(self, queue: Queue, at: float) -> None:
        """What was published before counts as acknowledged; the rest is delivered again, where it is retained.

        Args:
            queue: the subscription.
            at: seconds since 1970.
        """
        self._flush(queue)
        kept = {batch.id: (batch, done) for batch, done in self._broker.journal.backlog(queue.name) if batch.at >= at}
        if queue.retains_acked:
            kept = {number: (batch, self._fresh(queue, batch)) for number, (batch, _) in kept.items()}
        for batch in self._retained(queue, at):
            kept[batch.id] = (batch, self._fresh(queue, batch))
        self._replace(queue, kept)

    def to_snapshot(self, queue: Queue, name: str) -> None:
        """The snapshot's backlog, and all that was published to the topic since."""
        self._flush(queue)
        last, rows = self._broker.context.store.read(lambda conn: _snapshot(conn, name))
        batches = self._broker.batches
        kept = {row["id"]: (batches.of(row), bytes(row["done"])) for row in rows}
        sql = f"{_BATCHES} WHERE topic = ? AND id > ?"
        values = (queue.resource.topic, last)
        for row in self._broker.context.store.read(lambda conn: conn.execute(sql, values).fetchall()):
            batch = batches.of(row)
            kept[batch.id] = (batch, self._fresh(queue, batch))
        self._replace(queue, kept)

    def _flush(self, queue: Queue) -> None:
        self._broker.journal.note(queue, []).result()

    def _fresh(self, queue: Queue, batch: Batch) -> bytes:
        """Nothing done yet, but for what the filter keeps out."""
        if queue.matches is None:
            return bytes(batch.count)
        return done_flags(queue.matches, self._broker.batches.messages(batch))

    def _retained(self, queue: Queue, at: float) -> list[Batch]:
        """The topic's own retained batches."""
        seconds = self._broker.retention.of_topic(queue.resource.topic)
        if not seconds:
            return []
        since = max(at, queue.now() - seconds)
        sql, values = f"{_BATCHES} WHERE topic = ? AND at >= ?", (queue.resource.topic, since)
        rows = self._broker.context.store.read(lambda conn: conn.execute(sql, values).fetchall())
        return [self._broker.batches.of(row) for row in rows]

    def _replace(self, queue: Queue, kept: dict[int, tuple[Batch, bytes]]) -> None:
        queue.replace([])  # from here on old acknowledgements count for nothing
        rows = [(queue.name, number, done) for number, (_, done) in sorted(kept.items())]

        def run(conn: sqlite3.Connection) -> None:
            newest = max(kept, default=0)
            conn.execute("DELETE FROM pubsub_attempt WHERE subscription = ?", (queue.name,))
            before = "DELETE FROM pubsub_pending WHERE subscription = ? AND batch <= ?"
            conn.execute(before, (queue.name, max(newest, self._last(conn))))
            conn.executemany(_INSERT, rows)

        self._broker.context.store.write(run)
        pendings = [Pending.of(batch, done) for _, (batch, done) in sorted(kept.items())]
        queue.replace([pending for pending in pendings if pending.left])
        self._broker.retention.dropped(queue.resource.topic)

    def _last(self, conn: sqlite3.Connection) -> int:
        row = conn.execute("SELECT MAX(id) FROM pubsub_batch").fetchone()
        return int(row[0] or 0)


def _snapshot(conn: sqlite3.Connection, name: str) -> tuple[int, list[sqlite3.Row]]:
    last = conn.execute("SELECT last_batch FROM pubsub_snapshot WHERE name = ?", (name,)).fetchone()["last_batch"]
    sql = (
        "SELECT id, topic, at, count, length(body) AS size, done "
        "FROM pubsub_snapshot_pending JOIN pubsub_batch ON batch = id WHERE snapshot = ?"
    )
    return last, conn.execute(sql, (name,)).fetchall()

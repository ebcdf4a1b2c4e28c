"""Snapshots: a subscription's backlog of one moment, kept for a week at most."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.pubsub_v1 import types

from gcpmlops.emulator.services.pubsub import names

if TYPE_CHECKING:
    from gcpmlops.emulator.services.pubsub.broker import Broker
    from gcpmlops.emulator.services.pubsub.queues import Queue

_LIFE = timedelta(days=7)
_LEAST = timedelta(hours=1)


class Snapshots:
    """The stored `Snapshot`s, and what each holds."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.stored = broker.context.store.collection(types.Snapshot)

    def of_topic(self, topic: str) -> list[str]:
        """The names of a topic's snapshots."""
        return [snapshot.name for snapshot in self.stored.list() if snapshot.topic == topic]

    def get(self, name: str) -> Any:
        """Raises: NotFound."""
        found = self.stored.find(name)
        if found is None:
            raise names.not_found(name)
        return found

    def create(self, name: str, queue: Queue, labels: Any) -> Any:
        """Holds what the subscription has not acknowledged now, and all that comes.

        Raises: AlreadyExists; FailedPrecondition where its oldest message is too old.
        """
        snapshot = types.Snapshot(name=name, topic=queue.resource.topic, labels=dict(labels))
        snapshot.expire_time = self._expire_time(queue)
        self._broker.journal.kept_topics.add(snapshot.topic)
        self._broker.journal.note(queue, []).result()
        self.stored.insert(name, snapshot)
        self._broker.context.store.write(lambda conn: _hold(conn, name, snapshot.topic, queue.name))
        self._watch(snapshot)
        return snapshot

    def update(self, name: str, change: Callable[[Any], None]) -> Any:
        """Raises: NotFound; whatever `change` raises."""
        snapshot = self.stored.update(name, change)
        self._watch(snapshot)
        return snapshot

    def delete(self, name: str) -> None:
        """Raises: NotFound."""
        topic = self.get(name).topic
        self.stored.delete(name)
        self._broker.context.store.write(lambda conn: _release(conn, name))
        self._broker.retention.topic_kept(topic)
        self._broker.retention.dropped(topic)

    def restore(self) -> None:
        """After a restart."""
        for snapshot in self.stored.list():
            self._broker.journal.kept_topics.add(snapshot.topic)
            self._watch(snapshot)

    def _expire_time(self, queue: Queue) -> Any:
        now = self._broker.context.clock.now()
        oldest = next(iter(queue.backlog.pendings.values()), None)
        age = timedelta(seconds=0 if oldest is None else max(0.0, queue.now() - oldest.batch.at))
        if _LIFE - age < _LEAST:
            raise exceptions.FailedPrecondition(
                f"{queue.name}: its oldest message is {age.days} days old: the snapshot would expire within the hour."
            )
        return now + _LIFE - age

    def _watch(self, snapshot: Any) -> None:
        self._broker.context.agenda.at(snapshot.expire_time, lambda: self._expire(snapshot.name), name=snapshot.name)

    def _expire(self, name: str) -> None:
        snapshot = self.stored.find(name)
        if snapshot is not None and snapshot.expire_time <= self._broker.context.clock.now():
            self.delete(name)


def _hold(conn: sqlite3.Connection, name: str, topic: str, subscription: str) -> None:
    row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'pubsub_batch'").fetchone()
    conn.execute("INSERT OR REPLACE INTO pubsub_snapshot VALUES (?, ?, ?)", (name, topic, 0 if row is None else row[0]))
    copied = "INSERT INTO pubsub_snapshot_pending SELECT ?, batch, done FROM pubsub_pending WHERE subscription = ?"
    conn.execute(copied, (name, subscription))


def _release(conn: sqlite3.Connection, name: str) -> None:
    conn.execute("DELETE FROM pubsub_snapshot WHERE name = ?", (name,))
    conn.execute("DELETE FROM pubsub_snapshot_pending WHERE snapshot = ?", (name,))

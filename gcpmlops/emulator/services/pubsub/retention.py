"""How long messages outlive their delivery: topics and subscriptions that retain them, and what snapshots hold."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.agenda import Appointment
from gcpmlops.emulator.services.pubsub.names import DELETED_TOPIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcpmlops.emulator.services.pubsub.batches import Batch
    from gcpmlops.emulator.services.pubsub.broker import Broker
    from gcpmlops.emulator.services.pubsub.queues import Queue

_OF_TOPICS = "SELECT MIN(at) FROM pubsub_batch WHERE topic = ?"
_OF_SUBSCRIPTIONS = "SELECT MIN(at) FROM pubsub_batch JOIN pubsub_pending ON batch = id WHERE subscription = ?"
_PASSED = "DELETE FROM pubsub_pending WHERE subscription = ? AND batch IN (SELECT id FROM pubsub_batch WHERE at <= ?)"
_ACKNOWLEDGED = "DELETE FROM pubsub_pending WHERE subscription = ? AND instr(done, x'00') = 0"


class Retention:
    """Deletes retained messages when their time has passed: one appointment, at the next such moment."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._topics: dict[str, float] = {}  # seconds, by topic
        self._lock = threading.Lock()
        self._appointment: Appointment | None = None

    def of_topic(self, topic: str) -> float:
        """Seconds for which a topic retains its messages; 0: it doesn't."""
        return self._topics.get(topic, 0.0)

    def topic_changed(self, topic: Any) -> None:
        """A topic was made, changed or read from the store."""
        message = types.Topic.pb(topic)
        if message.HasField("message_retention_duration"):
            self._topics[topic.name] = message.message_retention_duration.ToTimedelta().total_seconds()
        else:
            self._topics.pop(topic.name, None)
        self.topic_kept(topic.name)
        self.watch()

    def topic_kept(self, topic: str) -> None:
        """Sees whether a topic's messages outlive their delivery; deletes those that do no longer."""
        journal = self._broker.journal
        if topic in self._topics or self._broker.snapshots.of_topic(topic):
            journal.kept_topics.add(topic)
        elif topic in journal.kept_topics:
            journal.kept_topics.discard(topic)
            journal.collect(topic, float("inf"))

    def topic_deleted(self, topic: str) -> None:
        """What its subscriptions have yet to deliver stays, under no topic's name."""
        self._topics.pop(topic, None)
        self.topic_kept(topic)
        journal = self._broker.journal
        sql = "UPDATE pubsub_batch SET topic = ? WHERE topic = ?"
        journal.store.write(lambda conn: conn.execute(sql, (DELETED_TOPIC, topic)))
        journal.collect(DELETED_TOPIC, float("inf"))

    def released(self, queue: Queue) -> None:
        """A subscription no longer retains what it acknowledged."""
        self._broker.journal.store.write(lambda conn: conn.execute(_ACKNOWLEDGED, (queue.name,)))
        self.dropped(queue.resource.topic)

    def dropped(self, topic: str) -> None:
        """Somebody no longer needs a topic's messages: those that nobody needs go."""
        self._broker.journal.collect(topic, self._broker.context.clock.now().timestamp() - self.of_topic(topic))

    def published(self, batch: Batch, deliveries: Sequence[tuple[Any, Any]]) -> None:
        """Messages came: those to retain go some day."""
        if self._appointment is None and (
            batch.topic in self._topics or any(queue.retains_acked for queue, _ in deliveries)
        ):
            self.watch()

    def watch(self) -> None:
        """Sees to it that what is retained now goes in time."""
        moment = self._broker.context.store.read(self._next)
        with self._lock:
            if self._appointment is not None:
                self._appointment.cancel()
            self._appointment = None
            if moment is not None:
                when = datetime.fromtimestamp(moment, UTC)
                self._appointment = self._broker.context.agenda.at(when, self._clean, name="pubsub retention")

    def _next(self, conn: sqlite3.Connection) -> float | None:
        moments = []
        for topic, seconds in list(self._topics.items()):
            if (oldest := conn.execute(_OF_TOPICS, (topic,)).fetchone()[0]) is not None:
                moments.append(oldest + seconds)
        for queue in self._broker.queues():
            if queue.retains_acked:
                oldest = conn.execute(_OF_SUBSCRIPTIONS, (queue.name,)).fetchone()[0]
                if oldest is not None:
                    moments.append(oldest + queue.retention)
        now = self._broker.context.clock.now().timestamp()
        return max(min(moments), now + 1) if moments else None

    def _clean(self) -> None:
        journal, now = self._broker.journal, self._broker.context.clock.now().timestamp()
        for queue in self._broker.queues():
            if queue.retains_acked:
                values = (queue.name, now - queue.retention)
                journal.store.write(lambda conn, values=values: conn.execute(_PASSED, values))
                journal.collect(queue.resource.topic, now - self.of_topic(queue.resource.topic))
        for topic, seconds in list(self._topics.items()):
            journal.collect(topic, now - seconds)
        self.watch()

"""Topics and the queues of their subscriptions: what all three services work on."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.outbound import Outbound
from gcpmlops.emulator.services.pubsub import names
from gcpmlops.emulator.services.pubsub.batches import Batch, Batches, Request
from gcpmlops.emulator.services.pubsub.expiration import Expiration
from gcpmlops.emulator.services.pubsub.journal import Journal
from gcpmlops.emulator.services.pubsub.lanes import Lease
from gcpmlops.emulator.services.pubsub.push import Pusher
from gcpmlops.emulator.services.pubsub.queues import Queue, new_pending
from gcpmlops.emulator.services.pubsub.retention import Retention
from gcpmlops.emulator.services.pubsub.seeks import Seeks
from gcpmlops.emulator.services.pubsub.snapshots import Snapshots
from gcpmlops.emulator.services.pubsub.validation import DELETED_SCHEMA, Validation

_DEAD = "CloudPubSubDeadLetterSource"


class Broker:
    """Made once; takes up where the last process stopped.

    Args:
        outbound: makes the calls of push subscriptions.
        write_log: gets to know of endpoints that fail.

    Attributes:
        topics: the stored `Topic`s.
        subscriptions: the stored `Subscription`s.
        on_delete: told of every subscription that is deleted.
        on_publish: called after messages were handed to subscriptions.
    """

    def __init__(self, context: Context, outbound: Outbound, write_log: WriteLog) -> None:
        self.context = context
        self.batches = Batches(context.store)
        self.journal = Journal(context.store, self.batches)
        self.topics = context.store.collection(types.Topic)
        self.subscriptions = context.store.collection(types.Subscription)
        self.on_delete: Callable[[str], object] = lambda _: None
        self.on_publish: Callable[[], object] = lambda: None
        self.lock = threading.RLock()  # of the maps below
        self._queues: dict[str, Queue] = {}
        self._of_topic: dict[str, list[Queue]] = {}
        self._numbers = itertools.count(self.journal.last_batch() + 1)
        self._pusher = Pusher(context, outbound, write_log)
        self.retention = Retention(self)
        self.snapshots = Snapshots(self)
        self.seeks = Seeks(self)
        self.validation = Validation(context.store)
        self.expiration = Expiration(self)
        self._restore()
        context.agenda.on_back.append(self._clock_set_back)

    def queue(self, name: str) -> Queue:
        """A subscription at work. Raises: NotFound."""
        found = self._queues.get(name)
        if found is None:
            raise names.not_found(name)
        return found

    def queues_of(self, topic: str) -> Sequence[Queue]:
        """The attached subscriptions of a topic. Raises: NotFound for a topic that isn't there."""
        found = self._of_topic.get(topic)
        if found is None:
            raise names.not_found(topic)
        return found

    def queues(self) -> list[Queue]:
        """All subscriptions."""
        with self.lock:
            return list(self._queues.values())

    def publish(self, topic: str, messages: Any) -> list[str]:
        """Stores messages and hands them to the topic's subscriptions; returns their ids.

        Args:
            topic: its name.
            messages: `PubsubMessage`s in a list that this takes over; their ids and times are set.

        Raises: NotFound.
        """
        queues = list(self.queues_of(topic))
        now = self.context.clock.now()
        batch, body = self._batch(topic, messages, now)
        deliveries = [(queue, pending) for queue in queues if (pending := new_pending(queue, batch, messages))]
        if deliveries or topic in self.journal.kept_topics:
            batch.refs = len(deliveries)
            self.batches.keep(batch, messages)
            self.journal.publish(batch, body, list(deliveries))
            for queue, pending in deliveries:
                queue.add(pending)
            self.retention.published(batch, deliveries)
            self.on_publish()
        return [message.message_id for message in messages]

    def attach(self, resource: Any) -> Queue:
        """Puts a stored subscription to work."""
        context = self.context
        queue = Queue(
            resource, clock=context.clock, agenda=context.agenda, journal=self.journal, batches=self.batches,
            dead_letter=self._dead_letter,
        )  # fmt: skip
        with self.lock:
            self._queues[queue.name] = queue
            if resource.topic in self._of_topic and not resource.detached:
                self._of_topic[resource.topic] = [*self._of_topic[resource.topic], queue]
        return queue

    def open_topic(self, name: str) -> None:
        """From now on messages can be published to it."""
        with self.lock:
            self._of_topic.setdefault(name, [])

    def topic_changed(self, topic: Any) -> None:
        """A topic has these settings now."""
        self.validation.topic_changed(topic)
        self.retention.topic_changed(topic)

    def schema_deleted(self, name: str) -> None:
        """Topics that had it say so, and refuse messages."""
        for topic in self.validation.schema_deleted(name):
            self.topic_changed(self.topics.update(topic, _without_schema))

    def close_topic(self, name: str) -> list[Queue]:
        """No more messages; returns the subscriptions that it had."""
        with self.lock:
            return list(self._of_topic.pop(name, []))

    def detach(self, queue: Queue) -> None:
        """A subscription gets no more messages of its topic."""
        with self.lock:
            for topic, queues in self._of_topic.items():
                if queue in queues:
                    self._of_topic[topic] = [other for other in queues if other is not queue]

    def delete(self, queue: Queue) -> None:
        """Deletes a subscription with what it has yet to deliver. Raises: NotFound."""

        def run(conn: sqlite3.Connection) -> None:
            self.subscriptions.delete(queue.name)
            self.journal.forget(conn, queue.name)
            queue.is_deleted = True

        self.context.store.write(run)
        self.on_delete(queue.name)
        self.expiration.forget(queue)
        self.detach(queue)
        with self.lock:
            if self._queues.get(queue.name) is queue:
                del self._queues[queue.name]
        queue.close()
        self.retention.dropped(queue.resource.topic)

    def serve(self, queue: Queue) -> None:
        """Pushes where the subscription has an endpoint; stops that where it has none (any more)."""
        self._pusher.serve(queue)

    def resave(self, queue: Queue, change: Callable[[Any], object]) -> Any:
        """Changes a subscription's resource, and has its queue go by it; returns it."""
        resource = self.subscriptions.update(queue.name, lambda stored: change(stored) and None)
        queue.change(resource)
        return resource

    def close(self) -> None:
        """Stops pushing, and all that wait."""
        for queue in self.queues():
            queue.close()

    def _restore(self) -> None:
        for topic in self.topics.list():
            self.open_topic(topic.name)
            self.topic_changed(topic)
        self.snapshots.restore()
        for resource in self.subscriptions.list():
            queue = self.attach(resource)
            queue.restore()
            self.expiration.watch(queue)
        self.retention.watch()
        for queue in self.queues():  # once dead letters have all topics and queues
            self.serve(queue)

    def _clock_set_back(self) -> None:
        for queue in self.queues():
            queue.clock_set_back()
            self.expiration.watch(queue)
        self.retention.watch()

    def _batch(self, topic: str, messages: Any, now: Any) -> tuple[Batch, bytes]:
        with self.lock:
            number = next(self._numbers)
        first = messages[0].publish_time
        first.FromDatetime(now)
        for index, message in enumerate(messages):
            message.message_id = str(names.message_number(number, index))
            if index:
                message.publish_time.CopyFrom(first)
        body = Request(messages=messages).SerializeToString()
        return Batch(number, topic, now.timestamp(), len(messages), len(body)), body

    def _dead_letter(self, queue: Queue, lease: Lease, failed: int) -> None:
        policy, message = queue.resource.dead_letter_policy, lease.message
        if policy.dead_letter_topic not in self._of_topic:
            raise exceptions.NotFound(f"its dead-letter topic {policy.dead_letter_topic} does not exist.")
        request = Request()
        copy = request.messages.add()
        copy.CopyFrom(message)
        _, project, _, subscription = queue.name.split("/")
        copy.attributes[f"{_DEAD}Subscription"] = subscription
        copy.attributes[f"{_DEAD}SubscriptionProject"] = project
        copy.attributes[f"{_DEAD}DeliveryCount"] = str(failed)
        copy.attributes[f"{_DEAD}TopicPublishTime"] = message.publish_time.ToJsonString()
        self.publish(policy.dead_letter_topic, request.messages)


def _without_schema(topic: Any) -> None:
    topic.schema_settings.schema = DELETED_SCHEMA

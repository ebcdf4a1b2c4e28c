"""Pub/Sub's services in this process, on a clock that stands until it is moved; `restart` makes them anew."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from google.longrunning import operations_pb2
from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.outbound import Answer, UnreachableError
from gcpmlops.emulator.services.pubsub.broker import Broker
from gcpmlops.emulator.services.pubsub.publisher import Publisher
from gcpmlops.emulator.services.pubsub.resources import policies
from gcpmlops.emulator.services.pubsub.schemas import Schemas
from gcpmlops.emulator.services.pubsub.subscriber import Subscriber
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

START = datetime(2013, 1, 1, tzinfo=UTC)
TOPIC, SUB = "projects/p/topics/news", "projects/p/subscriptions/reader"


class Endpoint:
    """Stands for the world: notes what is sent, and answers what the test says."""

    def __init__(self):
        self.calls = []
        self.answer = lambda body: 200
        self.lock = threading.Lock()
        self.now, self.most = 0, 0

    def send(self, method, url, *, headers=None, body=b"", timeout):
        with self.lock:
            self.calls.append((url, dict(headers), body, timeout))
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            status = self.answer(body)
        finally:
            with self.lock:
                self.now -= 1
        if isinstance(status, str):
            raise UnreachableError(status)
        return Answer(status, {}, b"")

    def oidc(self, email, audience):
        return {"Authorization": f"Bearer {email} for {audience}"}


class PubSub:
    def __init__(self, folder):
        self.folder = folder
        self.endpoint = Endpoint()
        self.clock = TravelClock(frozen=START)
        self.logged = []
        self.start()

    def start(self):
        self.store = Store(self.folder / "state.db", now=self.clock.now)
        self.pool = ThreadPoolExecutor(8)
        self.agenda = Agenda(self.clock, self.pool)
        operations = Operations(self.store.collection(operations_pb2.Operation), self.clock, self.pool)
        settings = Settings(data_dir=self.folder, project="p")
        self.context = Context(self.store, self.clock, operations, Locks(), settings, self.agenda)
        self.broker = Broker(self.context, self.endpoint, lambda *entry: self.logged.append(entry))
        self.policies = policies(self.context, self.broker)
        self.publisher = Publisher(self.context, self.broker, self.policies)
        self.subscriber = Subscriber(self.context, self.broker, self.policies)
        self.schemas = Schemas(self.context, self.broker)

    def stop(self):
        self.broker.close()
        self.agenda.close()
        self.pool.shutdown()
        self.store.close()

    def restart(self):
        self.stop()
        self.start()

    def travel(self, **by):
        """Moves the clock; all that is due on the way has been done afterwards."""
        self.agenda.travel(timedelta(**by), patience=20)

    def settle(self):
        """What was set off is over."""
        self.travel(seconds=0)

    def topic(self, name=TOPIC, **fields):
        return self.publisher.create_topic(types.Topic(name=name, **fields))

    def subscribe(self, name=SUB, topic=TOPIC, **fields):
        return self.subscriber.create_subscription(types.Subscription(name=name, topic=topic, **fields))

    def publish(self, *data, topic=TOPIC, key="", **attributes):
        messages = [types.PubsubMessage(data=text.encode(), attributes=attributes, ordering_key=key) for text in data]
        return self.publisher.publish(types.PublishRequest(topic=topic, messages=messages)).message_ids

    def pull(self, count=100, name=SUB):
        request = types.PullRequest(subscription=name, max_messages=count, return_immediately=True)
        return self.subscriber.pull(request).received_messages

    def texts(self, count=100, name=SUB):
        return [received.message.data.decode() for received in self.pull(count, name)]

    def ack(self, received, name=SUB):
        ids = [one.ack_id for one in received]
        self.subscriber.acknowledge(types.AcknowledgeRequest(subscription=name, ack_ids=ids))

    def deadline(self, received, seconds, name=SUB):
        request = types.ModifyAckDeadlineRequest(
            subscription=name, ack_ids=[one.ack_id for one in received], ack_deadline_seconds=seconds
        )
        self.subscriber.modify_ack_deadline(request)

    def seek(self, name=SUB, **target):
        self.subscriber.seek(types.SeekRequest(subscription=name, **target))

    def stored(self, table):
        self.store.write(lambda _: None)  # after all that was submitted before
        return self.store.read(lambda conn: conn.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


@pytest.fixture
def pubsub(tmp_path):
    made = PubSub(tmp_path)
    yield made
    made.stop()

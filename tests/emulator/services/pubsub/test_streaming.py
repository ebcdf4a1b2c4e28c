"""StreamingPull as the service's generator: room, confirmations, its end."""

import queue
import threading

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import types

from .conftest import SUB


class Client:
    """The other end of a stream: sends requests, and takes responses as they come."""

    def __init__(self, pubsub, **first):
        self.requests, self.responses = queue.SimpleQueue(), queue.SimpleQueue()
        self.send(subscription=SUB, **{"stream_ack_deadline_seconds": 10, **first})
        self.thread = threading.Thread(target=self.run, args=(pubsub,))
        self.thread.start()

    def run(self, pubsub):
        try:
            for response in pubsub.subscriber.streaming_pull(iter(self.requests.get, None)):
                self.responses.put(response)
            self.responses.put("end")
        except exceptions.GoogleAPICallError as error:
            self.responses.put(error)

    def send(self, **fields):
        self.requests.put(types.StreamingPullRequest(fields))

    def next(self):
        return self.responses.get(timeout=10)

    def close(self):
        self.requests.put(None)
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def stream(pubsub):
    """Opens streams, and closes them."""
    opened = []

    def open_(**first):
        opened.append(Client(pubsub, **first))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def data(response):
    return [one.message.data.decode() for one in response.received_messages]


def test_messages_come_as_they_are_published_and_the_end_is_the_clients(pubsub, stream):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.publish("a")
    client = stream()
    first = client.next()
    assert data(first) == ["a"]
    client.send()  # a heartbeat
    client.send(ack_ids=[first.received_messages[0].ack_id])
    pubsub.publish("b", "c")
    assert data(client.next()) == ["b", "c"]
    client.requests.put(None)
    assert client.next() == "end"
    pubsub.travel(seconds=10)
    assert pubsub.texts() == ["b", "c"]


def test_no_more_is_sent_than_there_is_room_for(pubsub, stream):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.publish(*"abcdef")
    client = stream(max_outstanding_messages=2)
    first = client.next()
    assert data(first) == ["a", "b"]
    client.send(ack_ids=[first.received_messages[0].ack_id])
    assert data(client.next()) == ["c"]
    client.send(modify_deadline_ack_ids=[first.received_messages[1].ack_id], modify_deadline_seconds=[0])
    assert data(client.next()) == ["d"]
    small = stream(max_outstanding_bytes=1)  # one message may be larger than all the room
    assert data(small.next()) == ["e"]
    assert client.responses.empty()


def test_exactly_once_confirms_what_was_in_time(pubsub, stream):
    pubsub.topic()
    pubsub.subscribe(enable_exactly_once_delivery=True)
    pubsub.publish("a", "b")
    client = stream()
    first = client.next()
    assert first.subscription_properties.exactly_once_delivery_enabled
    one, two = (received.ack_id for received in first.received_messages)
    client.send(modify_deadline_ack_ids=[one, two], modify_deadline_seconds=[60, 60])
    assert list(client.next().modify_ack_deadline_confirmation.ack_ids) == [one, two]
    client.send(ack_ids=[one])
    assert list(client.next().acknowledge_confirmation.ack_ids) == [one]
    pubsub.travel(seconds=60)
    assert data(client.next()) == ["b"]
    client.send(ack_ids=[two])
    assert list(client.next().acknowledge_confirmation.invalid_ack_ids) == [two]


def test_messages_of_a_key_stay_with_one_stream_while_they_are_out(pubsub, stream):
    pubsub.topic()
    pubsub.subscribe(enable_message_ordering=True)
    one = stream(max_outstanding_messages=1)
    pubsub.publish("a1", "a2", key="a")
    first = one.next()
    assert data(first) == ["a1"]
    two = stream()
    pubsub.publish("b1", key="b")
    assert data(two.next()) == ["b1"]
    one.send(ack_ids=[first.received_messages[0].ack_id])
    assert data(_first_of(one, two)) == ["a2"]


def _first_of(*clients):
    done = queue.SimpleQueue()
    for client in clients:
        threading.Thread(target=lambda client=client: done.put(client.responses.get()), daemon=True).start()
    return done.get(timeout=10)


def test_a_stream_ends_with_its_subscription(pubsub, stream):
    pubsub.topic()
    pubsub.subscribe()
    client = stream()
    pubsub.publish("a")
    assert data(client.next()) == ["a"]
    config = types.ModifyPushConfigRequest(subscription=SUB, push_config={"push_endpoint": "http://127.0.0.1:9"})
    pubsub.subscriber.modify_push_config(config)
    assert isinstance(client.next(), exceptions.FailedPrecondition)
    pubsub.subscriber.modify_push_config(types.ModifyPushConfigRequest(subscription=SUB))
    again = stream()
    pubsub.subscriber.delete_subscription(types.DeleteSubscriptionRequest(subscription=SUB))
    assert isinstance(again.next(), exceptions.NotFound)


def test_requests_that_cannot_be_end_the_stream_with_the_reason(pubsub, stream):
    pubsub.topic()
    pubsub.subscribe()
    assert "10 to 600" in stream(stream_ack_deadline_seconds=5).next().message
    client = stream()
    client.send(ack_ids=["nonsense"])
    assert "nonsense" in client.next().message

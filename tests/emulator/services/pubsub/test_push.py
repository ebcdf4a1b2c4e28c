"""Push subscriptions: what is sent, what counts as success, and when it is sent again, on a clock that is moved."""

import base64
import json
import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from google.pubsub_v1 import types

from .conftest import SUB, TOPIC

URL = "http://127.0.0.1:9/hook"
DEAD, MORGUE = "projects/p/topics/dead", "projects/p/subscriptions/morgue"


@pytest.fixture
def pushed(pubsub):
    """Subscribes by push."""

    def subscribe(config=None, **fields):
        pubsub.topic()
        return pubsub.subscribe(push_config={"push_endpoint": URL, **(config or {})}, **fields)

    return subscribe


def texts(pubsub):
    return [base64.b64decode(json.loads(body)["message"]["data"]).decode() for _, _, body, _ in pubsub.endpoint.calls]


def test_a_message_is_posted_in_its_wrapping_with_a_token(pubsub, pushed):
    pushed({"oidc_token": {"service_account_email": "me@p.iam.gserviceaccount.com", "audience": "them"}})
    (number,) = pubsub.publish("hello", color="red", key="k")
    pubsub.settle()
    ((url, headers, body, timeout),) = pubsub.endpoint.calls
    assert (url, timeout) == (URL, 10)
    assert headers["Authorization"] == "Bearer me@p.iam.gserviceaccount.com for them"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "message": {
            "data": "aGVsbG8=",
            "attributes": {"color": "red"},
            "messageId": number,
            "message_id": number,
            "publishTime": "2013-01-01T00:00:00Z",
            "publish_time": "2013-01-01T00:00:00Z",
            "orderingKey": "k",
        },
        "subscription": SUB,
    }
    assert pubsub.stored("pubsub_batch") == 0


def test_without_wrapping_the_data_is_the_body(pubsub, pushed):
    pushed({"no_wrapper": {"write_metadata": True}})
    (number,) = pubsub.publish("hello", **{"x-color": "red", "no header": "x", "folded": "a\nb"})
    pubsub.settle()
    ((_, headers, body, _),) = pubsub.endpoint.calls
    assert body == b"hello"
    told = {key: value for key, value in headers.items() if key.startswith("x-")}
    assert told == {
        "x-goog-pubsub-subscription-name": SUB,
        "x-goog-pubsub-message-id": number,
        "x-goog-pubsub-publish-time": "2013-01-01T00:00:00Z",
        "x-color": "red",
    }
    assert "folded" not in headers


@pytest.mark.parametrize(("status", "sent"), [(102, 1), (200, 1), (201, 1), (202, 1), (204, 1), (203, 2), (500, 2)])
def test_which_answers_acknowledge(pubsub, pushed, status, sent):
    pushed()
    pubsub.endpoint.answer = lambda _: status if len(pubsub.endpoint.calls) == 1 else 200
    pubsub.publish("a")
    pubsub.travel(seconds=1)
    assert len(pubsub.endpoint.calls) == sent


def test_an_endpoint_that_fails_is_asked_ever_more_rarely_and_the_failures_are_logged(pubsub, pushed):
    pushed()
    times = []

    def refuse(_):
        times.append(pubsub.clock.now())
        return "Connection refused"

    pubsub.endpoint.answer = refuse
    pubsub.publish("a")
    pubsub.travel(minutes=10)
    gaps = [(later - before).total_seconds() for before, later in pairwise(times)]
    assert gaps[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.001)
    assert gaps == sorted(gaps)
    assert 50 < gaps[-1] <= 60.001
    assert [entry[2] for entry in pubsub.logged] == ["WARNING"] * 5  # failures 1, 2, 4, 8 and 16
    assert "Connection refused" in pubsub.logged[0][3]
    pubsub.endpoint.answer = lambda _: 200
    pubsub.travel(minutes=1)
    assert pubsub.stored("pubsub_batch") == 0


def test_a_dead_endpoint_is_not_asked_for_every_message(pubsub, pushed):
    pubsub.endpoint.answer = lambda _: 503
    pushed()
    pubsub.publish(*map(str, range(500)))
    pubsub.travel(seconds=30)
    assert len(pubsub.endpoint.calls) < 30
    pubsub.endpoint.answer = lambda _: 200
    pubsub.travel(minutes=2)
    assert len(set(texts(pubsub))) == 500
    assert pubsub.stored("pubsub_batch") == 0


def test_calls_at_a_time_begin_few_and_stay_bounded(pubsub, pushed):
    pushed()
    pubsub.publish(*map(str, range(300)))
    pubsub.settle()
    assert sorted(map(int, texts(pubsub))) == list(range(300))
    assert pubsub.endpoint.most <= 32
    first = threading.Barrier(4)  # the window is 3: a fourth call never comes while three hang

    def hang(_):
        with pytest.raises(threading.BrokenBarrierError):
            first.wait(0.2)
        return 200

    pubsub.restart()
    pubsub.endpoint.most = 0
    pubsub.endpoint.answer = hang
    pubsub.publish(*map(str, range(3)))
    pubsub.settle()
    assert pubsub.endpoint.most <= 3


def test_messages_of_a_key_are_pushed_one_by_one_in_order(pubsub, pushed):
    pushed(enable_message_ordering=True)
    seen = {}

    def answer(body):
        message = json.loads(body)["message"]
        number = int(base64.b64decode(message["data"]))
        seen.setdefault(message["orderingKey"], []).append(number)
        return 500 if number == 3 and seen[message["orderingKey"]].count(3) < 3 else 200

    pubsub.endpoint.answer = answer
    for key in ("a", "b"):
        pubsub.publish(*map(str, range(6)), key=key)
    pubsub.travel(seconds=10)
    assert seen == {key: [0, 1, 2, 3, 3, 3, 4, 5] for key in ("a", "b")}


def test_a_poison_message_is_dead_lettered_after_exactly_the_declared_attempts(pubsub, pushed):
    pubsub.topic(DEAD)
    policy = {"dead_letter_topic": DEAD, "max_delivery_attempts": 7}
    backoff = {"minimum_backoff": timedelta(seconds=10), "maximum_backoff": timedelta(seconds=600)}
    pushed(dead_letter_policy=policy, retry_policy=backoff)
    pubsub.subscribe(MORGUE, topic=DEAD)
    attempts = Counter()

    def answer(body):
        sent = json.loads(body)
        data = base64.b64decode(sent["message"]["data"])
        attempts[data] += 1
        assert sent["deliveryAttempt"] == attempts[data]
        return 500 if data == b"poison" else 200

    pubsub.endpoint.answer = answer
    pubsub.publish("good", "poison", "fine")
    pubsub.travel(seconds=100)
    pubsub.restart()
    pubsub.travel(days=1)
    assert attempts == {b"good": 1, b"fine": 1, b"poison": 7}
    (dead,) = pubsub.pull(name=MORGUE)
    assert dead.message.data == b"poison"
    assert dead.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "7"


def test_a_tenth_of_the_calls_fails_and_every_message_arrives(pubsub, pushed):
    pushed()
    handled, calls = Counter(), Counter()

    def answer(body):
        calls["all"] += 1
        if calls["all"] % 10 == 0:
            return 500
        handled[json.loads(body)["message"]["messageId"]] += 1
        return 200

    pubsub.endpoint.answer = answer
    ids = [number for _ in range(10) for number in pubsub.publish(*["x"] * 100)]
    pubsub.travel(minutes=5)
    assert handled == dict.fromkeys(ids, 1)
    assert pubsub.stored("pubsub_batch") == 0


def test_what_was_not_answered_is_pushed_again_after_a_restart(pubsub, pushed):
    pushed()
    gate = threading.Event()
    entered = threading.Semaphore(0)

    def hang(_):
        entered.release()
        gate.wait(10)
        return "the emulator ended meanwhile"

    pubsub.endpoint.answer = hang
    pubsub.publish("a", "b")
    assert entered.acquire(timeout=10)
    assert entered.acquire(timeout=10)
    old = pubsub.endpoint
    pubsub.endpoint = type(old)()
    pubsub.stop()
    gate.set()
    pubsub.start()
    pubsub.settle()
    assert sorted(texts(pubsub)) == ["a", "b"]


def test_another_endpoint_does_not_wait_for_what_the_old_one_did(pubsub, pushed):
    pushed()
    pubsub.endpoint.answer = lambda _: 500
    pubsub.publish("a")
    pubsub.travel(minutes=5)
    pubsub.endpoint.answer = lambda _: 200
    other = types.PushConfig(push_endpoint=f"{URL}/other")
    pubsub.subscriber.modify_push_config(types.ModifyPushConfigRequest(subscription=SUB, push_config=other))
    pubsub.publish("b")
    pubsub.settle()
    assert (pubsub.endpoint.calls[-1][0], texts(pubsub)[-1]) == (f"{URL}/other", "b")
    pubsub.travel(minutes=1)
    assert pubsub.stored("pubsub_batch") == 0


def test_a_push_subscription_can_become_one_to_pull_from_and_back(pubsub, pushed):
    pushed()
    pubsub.endpoint.answer = lambda _: 500
    pubsub.publish("a")
    pubsub.settle()
    modify = pubsub.subscriber.modify_push_config
    modify(types.ModifyPushConfigRequest(subscription=SUB, push_config={}))
    pubsub.travel(seconds=1)
    assert pubsub.texts() == ["a"]
    pubsub.endpoint.answer = lambda _: 200
    modify(types.ModifyPushConfigRequest(subscription=SUB, push_config={"push_endpoint": URL}))
    pubsub.travel(seconds=11)
    assert pubsub.stored("pubsub_batch") == 0
    assert pubsub.publisher.get_topic(types.GetTopicRequest(topic=TOPIC)).name == TOPIC

"""Pull subscriptions: delivery, acknowledgement, deadlines, order, dead letters, retention, seeking."""

from datetime import timedelta

import pytest
from google.api_core import exceptions
from google.iam.v1 import iam_policy_pb2
from google.protobuf import field_mask_pb2
from google.pubsub_v1 import types

from .conftest import START, SUB, TOPIC

OTHER = "projects/p/subscriptions/other"
DEAD = "projects/p/topics/dead"


def test_each_subscription_gets_each_message_until_it_is_acknowledged(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.subscribe(OTHER)
    ids = pubsub.publish("a", "b", "c")
    received = pubsub.pull()
    assert [(one.message.message_id, one.message.data) for one in received] == list(
        zip(ids, [b"a", b"b", b"c"], strict=True)
    )
    assert pubsub.pull() == []  # they are out
    pubsub.ack(received[:2])
    pubsub.travel(seconds=11)
    assert pubsub.texts() == ["c"]
    assert pubsub.texts(name=OTHER) == ["a", "b", "c"]


def test_a_deadline_follows_the_clock_and_can_be_moved(pubsub):
    pubsub.topic()
    pubsub.subscribe(ack_deadline_seconds=20)
    pubsub.publish("a", "b")
    first, second = pubsub.pull()
    pubsub.deadline([first], 60)
    pubsub.travel(seconds=21)
    assert pubsub.texts() == ["b"]
    pubsub.deadline([first], 0)
    assert pubsub.texts() == ["a"]
    pubsub.ack([second])  # late, and good enough where deliveries are not exactly once
    pubsub.travel(hours=1)
    assert pubsub.texts() == ["a"]


def test_after_a_restart_what_was_not_acknowledged_is_delivered_again(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.subscribe(OTHER, filter='attributes.color = "red"')
    pubsub.publish("a", "b", "c", color="red")
    pubsub.publish("d", color="blue")
    pubsub.ack(pubsub.pull(2))
    pubsub.restart()
    assert pubsub.texts() == ["c", "d"]
    assert pubsub.texts(name=OTHER) == ["a", "b", "c"]
    assert pubsub.publish("e")[0] not in pubsub.texts()


def test_nothing_is_kept_of_what_nobody_needs(pubsub):
    pubsub.topic()
    pubsub.publish("to nobody")
    pubsub.subscribe()
    pubsub.subscribe(OTHER)
    pubsub.publish("a", "b")
    pubsub.ack(pubsub.pull())
    assert pubsub.stored("pubsub_batch") == 1
    pubsub.ack(pubsub.pull(name=OTHER), name=OTHER)
    assert (pubsub.stored("pubsub_batch"), pubsub.stored("pubsub_pending")) == (0, 0)
    pubsub.publish("c")
    pubsub.restart()
    for name in (SUB, OTHER):
        pubsub.subscriber.delete_subscription(types.DeleteSubscriptionRequest(subscription=name))
    assert (pubsub.stored("pubsub_batch"), pubsub.stored("pubsub_pending")) == (0, 0)


def test_a_request_that_is_published_twice_is_two_messages(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    request = types.PublishRequest(topic=TOPIC, messages=[types.PubsubMessage(data=b"a")])
    ids = [pubsub.publisher.publish(request).message_ids[0] for _ in range(2)]
    assert [one.message.message_id for one in pubsub.pull()] == ids
    assert request.messages[0].message_id == ""


def test_a_backlog_that_is_larger_than_its_memory_comes_from_the_store(pubsub, monkeypatch):
    monkeypatch.setattr("gcpmlops.emulator.services.pubsub.batches._BYTES", 1000)
    pubsub.topic()
    pubsub.subscribe()
    sent = [f"{batch}-{number}" for batch in range(20) for number in range(10)]
    for first in range(0, 200, 10):
        pubsub.publish(*sent[first : first + 10])
    assert sum(batch.loaded is not None for batch in pubsub.broker.batches._known.values()) < 10
    assert pubsub.texts(200) == sent


def test_a_retry_policy_holds_a_message_back_by_how_often_it_failed(pubsub):
    pubsub.topic()
    pubsub.subscribe(retry_policy={"minimum_backoff": timedelta(seconds=10), "maximum_backoff": timedelta(seconds=30)})
    pubsub.publish("a")
    for wait in (10, 20, 30, 30):
        pubsub.deadline(pubsub.pull(), 0)
        pubsub.travel(seconds=wait - 1)
        assert pubsub.pull() == []
        pubsub.travel(seconds=1)
    assert pubsub.texts() == ["a"]


def test_a_message_of_a_key_waits_for_those_before_it(pubsub):
    pubsub.topic()
    pubsub.subscribe(enable_message_ordering=True)
    for text in ("a1", "a2", "a3"):
        pubsub.publish(text, key="a")
    pubsub.publish("b1", key="b")
    received = pubsub.pull()
    assert [one.message.data.decode() for one in received] == ["a1", "a2", "a3", "b1"]
    pubsub.ack(received[:1])
    pubsub.deadline(received[1:2], 0)  # a3 went out after it: both come again, in order
    assert pubsub.texts() == ["a2", "a3"]
    pubsub.restart()
    assert pubsub.texts() == ["a2", "a3", "b1"]


def test_a_message_that_fails_too_often_goes_to_the_dead_letters(pubsub):
    pubsub.topic()
    pubsub.topic(DEAD)
    pubsub.subscribe(dead_letter_policy={"dead_letter_topic": DEAD, "max_delivery_attempts": 5})
    pubsub.subscribe(OTHER, topic=DEAD)
    pubsub.publish("poison", color="red")
    attempts = []
    for again in range(5):
        (received,) = pubsub.pull()
        attempts.append(received.delivery_attempt)
        if again == 2:
            pubsub.restart()  # what failed is remembered
            (received,) = pubsub.pull()
        if again % 2:
            pubsub.deadline([received], 0)
        else:
            pubsub.travel(seconds=10)
    assert attempts == [1, 2, 3, 4, 5]
    assert pubsub.pull() == []
    (dead,) = pubsub.pull(name=OTHER)
    assert dead.message.data == b"poison"
    assert dict(dead.message.attributes) == {
        "color": "red",
        "CloudPubSubDeadLetterSourceSubscription": "reader",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceTopicPublishTime": "2013-01-01T00:00:00Z",
    }
    assert pubsub.stored("pubsub_attempt") == 0


def test_without_its_dead_letter_topic_a_message_stays(pubsub):
    pubsub.topic()
    pubsub.topic(DEAD)
    pubsub.subscribe(dead_letter_policy={"dead_letter_topic": DEAD})
    pubsub.publisher.delete_topic(types.DeleteTopicRequest(topic=DEAD))
    pubsub.publish("a")
    for _ in range(7):
        pubsub.deadline(pubsub.pull(), 0)
    assert pubsub.texts() == ["a"]


def test_a_message_is_gone_when_its_retention_is_over(pubsub):
    pubsub.topic()
    pubsub.subscribe(message_retention_duration=timedelta(hours=1))
    pubsub.publish("a")
    pubsub.travel(minutes=30)
    pubsub.publish("b")
    pubsub.travel(minutes=30)
    assert pubsub.texts() == ["b"]
    pubsub.travel(minutes=30)
    assert pubsub.pull() == []
    assert pubsub.stored("pubsub_batch") == 0


def test_seeking_back_needs_messages_that_are_retained(pubsub):
    pubsub.topic(message_retention_duration=timedelta(hours=2))
    pubsub.publish("before")
    pubsub.subscribe()
    pubsub.travel(hours=1)
    pubsub.publish("a", "b")
    pubsub.ack(pubsub.pull(1))
    pubsub.seek(time=START)
    received = pubsub.pull()
    assert [one.message.data for one in received] == [b"before", b"a", b"b"]
    pubsub.ack(received)
    pubsub.travel(hours=1, minutes=1)
    pubsub.seek(time=START)
    assert pubsub.texts() == ["a", "b"]
    pubsub.seek(time=pubsub.clock.now())
    assert pubsub.pull() == []
    pubsub.travel(hours=2)
    assert pubsub.stored("pubsub_batch") == 0


def test_acknowledged_messages_come_back_where_the_subscription_retains_them(pubsub):
    pubsub.topic()
    pubsub.subscribe(retain_acked_messages=True, message_retention_duration=timedelta(hours=2))
    pubsub.subscribe(OTHER)
    pubsub.publish("a", "b")
    for name in (SUB, OTHER):
        pubsub.ack(pubsub.pull(name=name), name=name)
    pubsub.restart()
    assert pubsub.pull() == []
    for name in (SUB, OTHER):
        pubsub.seek(name=name, time=START)
    assert pubsub.pull(name=OTHER) == []
    received = pubsub.pull()
    assert [one.message.data for one in received] == [b"a", b"b"]
    pubsub.ack(received)
    pubsub.travel(hours=3)
    assert pubsub.stored("pubsub_batch") == 0


def test_what_is_no_longer_to_be_retained_goes(pubsub):
    pubsub.topic()
    pubsub.subscribe(retain_acked_messages=True)
    pubsub.publish("a")
    pubsub.publish("b", "c")
    pubsub.ack(pubsub.pull(2))
    assert pubsub.stored("pubsub_batch") == 2
    request = types.UpdateSubscriptionRequest(
        subscription={"name": SUB}, update_mask=field_mask_pb2.FieldMask(paths=["retain_acked_messages"])
    )
    pubsub.subscriber.update_subscription(request)
    assert (pubsub.stored("pubsub_batch"), pubsub.stored("pubsub_pending")) == (1, 1)
    assert pubsub.texts() == ["c"]


def test_a_clock_that_is_set_back_brings_what_waited(pubsub):
    pubsub.topic()
    pubsub.subscribe(retry_policy={"minimum_backoff": timedelta(minutes=10)})
    pubsub.publish("a", "b")
    received = pubsub.pull()
    pubsub.deadline(received[:1], 0)
    pubsub.agenda.set_back(START - timedelta(days=365))
    assert pubsub.texts() == ["a"]  # b's delivery has failed now, and waits
    pubsub.travel(minutes=10)
    assert pubsub.texts() == ["b"]


def test_a_snapshot_holds_its_backlog_and_what_came_later(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.publish("a", "b")
    pubsub.ack(pubsub.pull(1))
    name = "projects/p/snapshots/then"
    made = pubsub.subscriber.create_snapshot(types.CreateSnapshotRequest(name=name, subscription=SUB))
    assert made.expire_time == START + timedelta(days=7)
    pubsub.publish("c")
    pubsub.travel(seconds=10)
    pubsub.ack(pubsub.pull())
    assert pubsub.pull() == []
    pubsub.restart()
    pubsub.subscribe(OTHER)
    for other in (SUB, OTHER):
        pubsub.seek(name=other, snapshot=name)
        assert pubsub.texts(name=other) == ["b", "c"]
    pubsub.travel(days=8)  # it expires, and what only it held goes
    with pytest.raises(exceptions.NotFound):
        pubsub.subscriber.get_snapshot(types.GetSnapshotRequest(snapshot=name))
    assert pubsub.stored("pubsub_batch") == 0


def test_exactly_once_refuses_what_comes_too_late(pubsub):
    pubsub.topic()
    pubsub.subscribe(enable_exactly_once_delivery=True)
    pubsub.publish("a")
    late = pubsub.pull()
    pubsub.travel(seconds=10)
    again = pubsub.pull()
    with pytest.raises(exceptions.FailedPrecondition) as error:
        pubsub.ack(late)
    assert dict(error.value.details[0].metadata) == {late[0].ack_id: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    pubsub.ack(again)
    pubsub.travel(seconds=10)
    assert pubsub.pull() == []


def test_a_subscription_that_nobody_uses_expires(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.subscribe(OTHER, expiration_policy={})
    pubsub.travel(days=30)
    assert pubsub.pull() == []  # used
    pubsub.travel(days=30)
    assert [one.name for one in pubsub.broker.queues()] == [SUB, OTHER]
    pubsub.travel(days=2)
    assert [one.name for one in pubsub.broker.queues()] == [OTHER]


def test_a_subscription_outlives_its_topic(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.publish("a")
    pubsub.publisher.delete_topic(types.DeleteTopicRequest(topic=TOPIC))
    pubsub.topic()  # another one of the same name
    pubsub.publish("of the other")
    pubsub.restart()
    assert pubsub.broker.queue(SUB).resource.topic == "_deleted-topic_"
    assert pubsub.texts() == ["a"]


def test_a_detached_subscription_has_nothing_and_gets_nothing(pubsub):
    pubsub.topic()
    pubsub.subscribe()
    pubsub.publish("a")
    pubsub.publisher.detach_subscription(types.DetachSubscriptionRequest(subscription=SUB))
    pubsub.publish("b")
    with pytest.raises(exceptions.FailedPrecondition, match="detached"):
        pubsub.pull()
    assert pubsub.stored("pubsub_pending") == 0
    listed = pubsub.publisher.list_topic_subscriptions(types.ListTopicSubscriptionsRequest(topic=TOPIC))
    assert list(listed.subscriptions) == []


def test_only_named_fields_change(pubsub):
    pubsub.topic()
    pubsub.subscribe(labels={"a": "b"})
    request = types.UpdateSubscriptionRequest(
        subscription={"name": SUB, "ack_deadline_seconds": 600, "labels": {"c": "d"}},
        update_mask=field_mask_pb2.FieldMask(paths=["ack_deadline_seconds"]),
    )
    changed = pubsub.subscriber.update_subscription(request)
    assert (changed.ack_deadline_seconds, dict(changed.labels)) == (600, {"a": "b"})
    pubsub.restart()
    assert pubsub.broker.queue(SUB).resource == changed
    request.update_mask = field_mask_pb2.FieldMask(paths=["filter"])
    with pytest.raises(exceptions.InvalidArgument, match="filter"):
        pubsub.subscriber.update_subscription(request)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ack_deadline_seconds": 5}, "ack_deadline_seconds"),
        ({"message_retention_duration": timedelta(minutes=1)}, "message_retention_duration"),
        ({"expiration_policy": {"ttl": timedelta(hours=1)}}, "expiration_policy.ttl"),
        ({"dead_letter_policy": {"dead_letter_topic": DEAD, "max_delivery_attempts": 3}}, "max_delivery_attempts"),
        ({"retry_policy": {"minimum_backoff": timedelta(hours=1)}}, "minimum_backoff"),
        ({"filter": "colour is red"}, "Invalid filter"),
        ({"push_config": {"push_endpoint": "ftp://x"}}, "ftp://x"),
        ({"labels": {"A": "b"}}, "labels.A"),
        ({"name": "projects/p/subscriptions/x"}, "3 to 255"),
        ({"topic": "projects/p/topics/none"}, "none"),
        ({"bigquery_config": {"table": "p.d.t"}}, "bigquery_config is not built"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused_by_field(pubsub, fields, named):
    pubsub.topic()
    with pytest.raises(exceptions.GoogleAPICallError, match=named):
        pubsub.subscribe(**{"name": SUB, **fields})
    assert pubsub.broker.queues() == []


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([], "1 to 1000"),
        ([{}], "Message 0 is empty"),
        ([{"data": b"x"}] * 1001, "1 to 1000"),
        ([{"attributes": {"": "x"}}], "key ''"),
        ([{"attributes": {"google": "x"}}], "google"),
        ([{"attributes": {"a": "x" * 1025}}], r"attributes\.a"),
        ([{"data": b"x" * 10_000_001}], "payload size"),
    ],
)
def test_messages_that_cannot_be_are_refused(pubsub, messages, named):
    pubsub.topic()
    with pytest.raises(exceptions.InvalidArgument, match=named):
        pubsub.publisher.publish(types.PublishRequest(topic=TOPIC, messages=messages))


def test_what_is_not_there_is_not_found(pubsub):
    with pytest.raises(exceptions.NotFound, match="resource=news"):
        pubsub.publish("x")
    with pytest.raises(exceptions.NotFound, match="resource=reader"):
        pubsub.pull()
    pubsub.topic()
    with pytest.raises(exceptions.AlreadyExists, match="resource=news"):
        pubsub.topic()


def test_policies_go_with_their_resource_and_know_the_project_by_its_number_too(pubsub):
    pubsub.topic()
    number = TOPIC.replace("projects/p/", f"projects/{pubsub.context.settings.project_number}/")
    policy = {"bindings": [{"role": "roles/pubsub.publisher", "members": ["user:me@example.com"]}]}
    made = pubsub.policies.set_iam_policy(iam_policy_pb2.SetIamPolicyRequest(resource=number, policy=policy))
    assert pubsub.policies.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=TOPIC)) == made
    ask = iam_policy_pb2.TestIamPermissionsRequest(resource=TOPIC, permissions=["pubsub.topics.get"])
    assert pubsub.policies.test_iam_permissions(ask).permissions == ["pubsub.topics.get"]
    for bad in ({"role": "publisher", "members": []}, {"role": "roles/x", "members": ["me"]}):
        request = iam_policy_pb2.SetIamPolicyRequest(resource=TOPIC, policy={"bindings": [bad]})
        with pytest.raises(exceptions.InvalidArgument):
            pubsub.policies.set_iam_policy(request)
    pubsub.publisher.delete_topic(types.DeleteTopicRequest(topic=TOPIC))
    assert pubsub.policies.test_iam_permissions(ask).permissions == []
    pubsub.topic()
    assert not pubsub.policies.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=TOPIC)).bindings


def test_lists_come_in_pages(pubsub):
    pubsub.topic()
    pubsub.topic(DEAD, message_retention_duration=timedelta(hours=1))
    pubsub.subscribe()
    pubsub.subscribe(OTHER, topic=DEAD)
    call, project = pubsub.subscriber.list_subscriptions, "projects/p"
    first = call(types.ListSubscriptionsRequest(project=project, page_size=1))
    second = call(types.ListSubscriptionsRequest(project=project, page_size=1, page_token=first.next_page_token))
    assert [one.name for one in (*first.subscriptions, *second.subscriptions)] == [SUB, OTHER]
    assert second.subscriptions[0].topic_message_retention_duration == timedelta(hours=1)
    assert not second.next_page_token
    topics = pubsub.publisher.list_topics(types.ListTopicsRequest(project=project)).topics
    assert [one.name for one in topics] == [TOPIC, DEAD]
    attached = pubsub.publisher.list_topic_subscriptions(types.ListTopicSubscriptionsRequest(topic=TOPIC))
    assert list(attached.subscriptions) == [SUB]
    name = "projects/p/snapshots/then"
    pubsub.subscriber.create_snapshot(types.CreateSnapshotRequest(name=name, subscription=SUB))
    snapshots = pubsub.subscriber.list_snapshots(types.ListSnapshotsRequest(project=project)).snapshots
    assert [one.name for one in snapshots] == [name]
    of_topic = pubsub.publisher.list_topic_snapshots(types.ListTopicSnapshotsRequest(topic=TOPIC))
    assert list(of_topic.snapshots) == [name]

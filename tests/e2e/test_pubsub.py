"""Cloud Pub/Sub through Google's own clients, gcloud and REST, by their default endpoints."""

from __future__ import annotations

import json
import runpy
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import pubsub_v1, storage
from google.cloud.pubsub_v1.subscriber import exceptions as subscriber_exceptions
from google.pubsub_v1.services.schema_service import SchemaServiceClient

from gcpmlops.emulator.server import Running

from .conftest import SCRIPTS, Shell

pytestmark = pytest.mark.xdist_group("e2e-pubsub")


class PubSub:
    """The official clients, and names that are free."""

    def __init__(self, project: str, unique: Callable[[str], str]) -> None:
        self.project = project
        self.unique = unique
        options = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
        self.publisher = pubsub_v1.PublisherClient(publisher_options=options)
        self.subscriber = pubsub_v1.SubscriberClient()

    def topic(self, **fields: Any) -> str:
        name = self.publisher.topic_path(self.project, self.unique("topic"))
        return str(self.publisher.create_topic(request={"name": name, **fields}).name)

    def subscription(self, topic: str, **fields: Any) -> str:
        name = self.subscriber.subscription_path(self.project, self.unique("sub"))
        return str(self.subscriber.create_subscription(request={"name": name, "topic": topic, **fields}).name)

    def close(self) -> None:
        self.publisher.stop()
        self.publisher.transport.close()
        self.subscriber.close()


@pytest.fixture
def pubsub(emulator: Running, google_environment: dict[str, str], unique: Callable[[str], str]) -> Iterator[PubSub]:
    made = PubSub(emulator.project, unique)
    yield made
    made.close()


class Inbox:
    """Callbacks of `subscribe`."""

    def __init__(self, handle: Callable[[Any], None] = lambda message: message.ack()) -> None:
        self.messages: list[Any] = []
        self.handle = handle
        self.changed = threading.Condition()

    def __call__(self, message: Any) -> None:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()
        self.handle(message)

    def wait_for(self, count: int) -> list[Any]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.messages) >= count, 30), self.messages
            return list(self.messages)


def test_publish_and_subscribe_with_callbacks(pubsub: PubSub) -> None:
    topic = pubsub.topic(labels={"team": "ml"})
    subscription = pubsub.subscription(topic, filter='attributes.kind = "news"')
    futures = [pubsub.publisher.publish(topic, b"%d" % n, kind="news" if n % 2 else "noise") for n in range(20)]
    inbox = Inbox()
    pulling = pubsub.subscriber.subscribe(subscription, callback=inbox)
    received = inbox.wait_for(10)
    pulling.cancel()
    pulling.result()
    assert sorted(int(message.data) for message in received) == list(range(1, 20, 2))
    assert {message.message_id for message in received} < {future.result() for future in futures}
    assert received[0].publish_time is not None


def test_messages_of_a_key_come_in_order_and_a_nack_brings_them_again(pubsub: PubSub) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_message_ordering=True)
    refused: list[bytes] = []

    def handle(message: Any) -> None:
        if message.data == b"a3" and not refused:
            refused.append(message.data)
            message.nack()
        else:
            message.ack()

    inbox = Inbox(handle)
    for number in range(6):
        pubsub.publisher.publish(topic, b"a%d" % number, ordering_key="a").result()
    pulling = pubsub.subscriber.subscribe(subscription, callback=inbox)
    with inbox.changed:
        assert inbox.changed.wait_for(lambda: _again(inbox) == [b"a3", b"a4", b"a5"], 30), inbox.messages
    pulling.cancel()
    pulling.result()
    assert [message.data for message in inbox.messages[:4]] == [b"a0", b"a1", b"a2", b"a3"]


def _again(inbox: Inbox) -> list[bytes]:
    """What came from the second a3 on: the client may have handed out what it held before it."""
    received = [message.data for message in inbox.messages]
    return received[received.index(b"a3", 4) :] if received.count(b"a3") > 1 else []


def test_exactly_once_acknowledgements_are_answered(pubsub: PubSub) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_exactly_once_delivery=True)
    answers: list[Any] = []
    inbox = Inbox(lambda message: answers.append(message.ack_with_response()))
    pulling = pubsub.subscriber.subscribe(subscription, callback=inbox)
    for number in range(3):
        pubsub.publisher.publish(topic, b"%d" % number).result()
    inbox.wait_for(3)
    assert [answer.result(timeout=20) for answer in answers] == [subscriber_exceptions.AcknowledgeStatus.SUCCESS] * 3
    pulling.cancel()
    pulling.result()
    with pytest.raises(exceptions.FailedPrecondition):
        pubsub.subscriber.acknowledge(subscription=subscription, ack_ids=[inbox.messages[0].ack_id])


def test_many_open_streams_keep_no_call_waiting(pubsub: PubSub) -> None:
    topic = pubsub.topic()
    inboxes = []
    with ExitStack() as stack:
        for _ in range(80):  # more than the threads that answer calls
            inboxes.append(Inbox())
            pulling = pubsub.subscriber.subscribe(
                pubsub.subscription(topic),
                callback=inboxes[-1],
                scheduler=stack.enter_context(_one_thread()),
                await_callbacks_on_shutdown=True,
            )
            stack.callback(pulling.result)
            stack.callback(pulling.cancel)
        pubsub.publisher.publish(topic, b"to all").result(timeout=20)
        for inbox in inboxes:
            inbox.wait_for(1)


class _one_thread:  # noqa: N801 - used like a function
    """A subscriber's scheduler with few threads: eighty of them are open."""

    def __enter__(self) -> Any:
        from concurrent.futures import ThreadPoolExecutor

        from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler

        return ThreadScheduler(ThreadPoolExecutor(1))

    def __exit__(self, *_: object) -> None:
        return None


def test_policies_and_schemas(pubsub: PubSub) -> None:
    topic = pubsub.topic()
    binding = {"role": "roles/pubsub.publisher", "members": ["user:me@example.com"]}
    before = pubsub.publisher.get_iam_policy(request={"resource": topic})
    made = pubsub.publisher.set_iam_policy(
        request={"resource": topic, "policy": {"bindings": [binding], "etag": before.etag}}
    )
    assert pubsub.publisher.get_iam_policy(request={"resource": topic}) == made
    with pytest.raises(exceptions.Aborted):
        pubsub.publisher.set_iam_policy(request={"resource": topic, "policy": {"etag": before.etag}})
    asked = {"resource": topic, "permissions": ["pubsub.topics.publish"]}
    assert list(pubsub.publisher.test_iam_permissions(request=asked).permissions) == ["pubsub.topics.publish"]
    with pytest.raises(exceptions.NotFound):
        pubsub.subscriber.get_iam_policy(request={"resource": f"projects/{pubsub.project}/subscriptions/none"})
    with SchemaServiceClient() as schemas:
        schema = {"type_": "AVRO", "definition": '{"type": "record", "name": "A", "fields": []}'}
        parent = f"projects/{pubsub.project}"
        name = schemas.create_schema(parent=parent, schema=schema, schema_id=pubsub.unique("schema")).name
        assert name in [one.name for one in schemas.list_schemas(parent=parent)]
        schemas.validate_schema(parent=parent, schema=schema)
        first = schemas.get_schema(name=name).revision_id
        second = schemas.commit_schema(name=name, schema=schema).revision_id
        third = schemas.rollback_schema(name=name, revision_id=first).revision_id
        assert [one.revision_id for one in schemas.list_schema_revisions(name=name)] == [third, second, first]
        schemas.delete_schema_revision(request={"name": name, "revision_id": first})
        with pytest.raises(exceptions.InvalidArgument):
            schemas.validate_message(request={"parent": parent, "name": name, "message": b"[]", "encoding": "JSON"})
        schemas.delete_schema(name=name)


def test_administration(pubsub: PubSub) -> None:
    """The calls that no other test here makes, each once, as a client sends them."""
    project, publisher, subscriber = f"projects/{pubsub.project}", pubsub.publisher, pubsub.subscriber
    topic = pubsub.topic(message_retention_duration=timedelta(hours=1))
    subscription = pubsub.subscription(topic)
    changed = publisher.update_topic(
        request={"topic": {"name": topic, "labels": {"a": "b"}}, "update_mask": {"paths": ["labels"]}}
    )
    assert publisher.get_topic(topic=topic) == changed
    assert topic in [one.name for one in publisher.list_topics(project=project)]
    assert list(publisher.list_topic_subscriptions(topic=topic)) == [subscription]
    given = {"name": subscription, "ack_deadline_seconds": 30}
    updated = subscriber.update_subscription(
        request={"subscription": given, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    )
    assert subscriber.get_subscription(subscription=subscription) == updated
    assert subscription in [one.name for one in subscriber.list_subscriptions(project=project)]
    publisher.publish(topic, b"x").result()
    (received,) = subscriber.pull(subscription=subscription, max_messages=5).received_messages
    subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[received.ack_id], ack_deadline_seconds=60)
    name = subscriber.snapshot_path(pubsub.project, pubsub.unique("snap"))
    snapshot = subscriber.create_snapshot(request={"name": name, "subscription": subscription})
    subscriber.update_snapshot(
        request={"snapshot": {"name": name, "labels": {"c": "d"}}, "update_mask": {"paths": ["labels"]}}
    )
    assert subscriber.get_snapshot(snapshot=name).labels == {"c": "d"}
    assert name in [one.name for one in subscriber.list_snapshots(project=project)]
    assert list(publisher.list_topic_snapshots(topic=topic)) == [name]
    subscriber.acknowledge(subscription=subscription, ack_ids=[received.ack_id])
    subscriber.seek(request={"subscription": subscription, "snapshot": snapshot.name})
    (again,) = subscriber.pull(subscription=subscription, max_messages=5).received_messages
    assert again.message == received.message
    subscriber.delete_snapshot(snapshot=name)
    push = {"push_endpoint": "http://127.0.0.1:9/"}
    subscriber.modify_push_config(subscription=subscription, push_config=push)
    with pytest.raises(exceptions.FailedPrecondition):
        subscriber.pull(subscription=subscription, max_messages=1)
    publisher.detach_subscription(request={"subscription": subscription})
    subscriber.delete_subscription(subscription=subscription)
    publisher.delete_topic(topic=topic)
    with pytest.raises(exceptions.NotFound):
        publisher.get_topic(topic=topic)


def test_storage_tells_of_its_objects(pubsub: PubSub, bucket: str) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    home = storage.Client().bucket(bucket)
    made = home.notification(
        topic.rpartition("/")[2],
        topic_project=pubsub.project,
        custom_attributes={"team": "ml"},
        blob_name_prefix="data/",
        payload_format="JSON_API_V1",
    )
    made.create()
    assert [one.notification_id for one in home.list_notifications()] == [made.notification_id]
    home.blob("other/x").upload_from_string("not told")
    blob = home.blob("data/a.csv")
    blob.upload_from_string("1")
    first = blob.generation
    blob.metadata = {"k": "v"}
    blob.patch()
    blob.upload_from_string("22")
    home.copy_blob(blob, home, "data/b.csv")
    home.blob("data/c.csv").compose([blob, blob])
    blob.delete()
    inbox = Inbox()
    pulling = pubsub.subscriber.subscribe(subscription, callback=inbox)
    told = sorted(inbox.wait_for(7), key=lambda message: int(message.message_id))
    pulling.cancel()
    pulling.result()
    assert [(message.attributes["eventType"], message.attributes["objectId"]) for message in told] == [
        ("OBJECT_FINALIZE", "data/a.csv"),
        ("OBJECT_METADATA_UPDATE", "data/a.csv"),
        ("OBJECT_DELETE", "data/a.csv"),
        ("OBJECT_FINALIZE", "data/a.csv"),
        ("OBJECT_FINALIZE", "data/b.csv"),
        ("OBJECT_FINALIZE", "data/c.csv"),
        ("OBJECT_DELETE", "data/a.csv"),
    ]
    assert told[2].attributes["overwrittenByGeneration"] == told[3].attributes["objectGeneration"]
    assert told[3].attributes["overwroteGeneration"] == str(first)
    assert {message.attributes["team"] for message in told} == {"ml"}
    assert told[0].attributes["notificationConfig"] == (
        f"projects/_/buckets/{bucket}/notificationConfigs/{made.notification_id}"
    )
    assert json.loads(told[5].data)["componentCount"] == 2
    made.delete()
    assert list(home.list_notifications()) == []


@pytest.mark.gcloud
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_rest_and_gcloud_do_the_same(pubsub: PubSub, shell: Shell, emulator: Running) -> None:
    topic, subscription = pubsub.unique("topic"), pubsub.unique("sub")
    token = {"Authorization": f"Bearer {(Path(emulator.data_dir) / 'token').read_text()}"}
    base = f"{emulator.endpoint}/pubsub.googleapis.com/v1/projects/{emulator.project}"
    assert requests.put(f"{base}/topics/{topic}", json={}, headers=token, timeout=20).json()["state"] == "ACTIVE"
    shell.tool("gcloud", "pubsub", "subscriptions", "create", subscription, f"--topic={topic}", "--ack-deadline=60")
    body = {"messages": [{"data": "aGVsbG8=", "attributes": {"a": "b"}}]}
    answer = requests.post(f"{base}/topics/{topic}:publish", json=body, headers=token, timeout=20)
    (number,) = answer.json()["messageIds"]
    pulled = shell.tool("gcloud", "pubsub", "subscriptions", "pull", subscription, "--auto-ack", "--format=json").stdout
    (received,) = json.loads(pulled)
    assert (received["message"]["messageId"], received["message"]["data"]) == (number, "aGVsbG8=")
    shell.tool("gcloud", "pubsub", "topics", "publish", topic, "--message=again", "--attribute=k=v")
    body = {"maxMessages": 10, "returnImmediately": True}
    answer = requests.post(f"{base}/subscriptions/{subscription}:pull", json=body, headers=token, timeout=20)
    assert [one["message"]["data"] for one in answer.json()["receivedMessages"]] == ["YWdhaW4="]
    answer = requests.get(f"{base}/topics/{topic}:getIamPolicy", headers=token, timeout=20)
    assert answer.json().keys() == {"etag"}


def test_every_message_is_handled_though_calls_fail_and_the_emulator_is_killed(tmp_path: Path) -> None:
    """Fewer than were measured: `python tests/e2e/scripts/at_least_once.py FOLDER 10000`."""
    counted = runpy.run_path(str(SCRIPTS / "at_least_once.py"))["main"](tmp_path / "data", 600)
    assert counted["handled"] == 600
    assert counted["before the kill"] < 600
    assert counted["calls"] >= 660

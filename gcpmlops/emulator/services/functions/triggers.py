"""Events for functions, as Eventarc arranges them: a push subscription to the service's URL.

A function on a topic gets a subscription of that topic. One on a bucket gets a topic of its own, to which the events of
Cloud Storage are published, and a subscription of that one: so they are durable, and repeated until they are handled.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.functions_v2 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.services.functions import events, naming

log = logging.getLogger(__name__)

_STORAGE = "google.cloud.storage.object.v1."
# Eventarc's names by those of Cloud Storage.
STORAGE_EVENTS = {
    "OBJECT_FINALIZE": f"{_STORAGE}finalized",
    "OBJECT_DELETE": f"{_STORAGE}deleted",
    "OBJECT_ARCHIVE": f"{_STORAGE}archived",
    "OBJECT_METADATA_UPDATE": f"{_STORAGE}metadataUpdated",
}
_OLD_NAMES = {
    "google.pubsub.topic.publish": events.PUBLISHED,
    "google.storage.object.finalize": f"{_STORAGE}finalized",
    "google.storage.object.delete": f"{_STORAGE}deleted",
    "google.storage.object.archive": f"{_STORAGE}archived",
    "google.storage.object.metadataUpdate": f"{_STORAGE}metadataUpdated",
}
_ACK_SECONDS = 600
_RETENTION_SECONDS = 24 * 3600  # Eventarc gives up after a day


class Triggers:
    """Makes and removes what delivers events to functions.

    Args:
        publisher: Pub/Sub's Publisher service.
        subscriber: its Subscriber service.
        email: the account that delivers where a trigger names none.
    """

    def __init__(self, publisher: Callable[[], Any], subscriber: Callable[[], Any], email: str) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._email = email
        self._buckets: dict[str, list[tuple[str, str]]] = {}  # event types and topics by bucket

    def completed(self, function: types.Function) -> None:
        """Checks the trigger, and names what it will be made of.

        Raises: InvalidArgument, MethodNotImplemented.
        """
        trigger = function.event_trigger
        trigger.event_type = _OLD_NAMES.get(trigger.event_type, trigger.event_type)
        trigger.trigger_region = trigger.trigger_region or names.location_of(function.name)
        trigger.service_account_email = trigger.service_account_email or self._email
        if not trigger.trigger:
            number = secrets.randbelow(900_000) + 100_000
            location = f"projects/{names.project_of(function.name)}/locations/{trigger.trigger_region}"
            service = naming.service_of(function.name).rpartition("/")[2]
            trigger.trigger = f"{location}/triggers/{service}-{number}"
        if trigger.event_type == events.PUBLISHED:
            if trigger.pubsub_topic:
                validate_topic(trigger.pubsub_topic)
            else:
                trigger.pubsub_topic = self._own_topic(trigger)
        elif trigger.event_type in STORAGE_EVENTS.values():
            _bucket(trigger)
            trigger.pubsub_topic = self._own_topic(trigger)
        else:
            raise exceptions.MethodNotImplemented(
                f"event_trigger.event_type {trigger.event_type!r} is not built in this emulator; built are: "
                f"{', '.join((events.PUBLISHED, *STORAGE_EVENTS.values()))}."
            )

    def make(self, function: types.Function) -> None:
        """The topic, where it is the trigger's own, and the subscription.

        Raises: what Pub/Sub refuses them with.
        """
        from google.protobuf import duration_pb2
        from google.pubsub_v1 import types as pubsub

        trigger = function.event_trigger
        own = trigger.pubsub_topic == self._own_topic(trigger)
        if own:
            try:
                self._publisher().create_topic(pubsub.Topic(name=trigger.pubsub_topic, labels=_LABELS))
            except exceptions.AlreadyExists:
                log.info("topic %s is there", trigger.pubsub_topic)
        service = naming.service_of(function.name)
        is_binding = trigger.event_type != events.PUBLISHED
        query = events.event_query() if is_binding else events.topic_query(trigger.pubsub_topic)
        subscription = pubsub.Subscription(
            name=self.subscription(function),
            topic=trigger.pubsub_topic,
            labels=_LABELS,
            ack_deadline_seconds=_ACK_SECONDS,
            message_retention_duration=duration_pb2.Duration(seconds=_RETENTION_SECONDS),
            expiration_policy=pubsub.ExpirationPolicy(),  # never, however long no event comes
            retry_policy=pubsub.RetryPolicy(
                minimum_backoff=duration_pb2.Duration(seconds=10), maximum_backoff=duration_pb2.Duration(seconds=600)
            ),
            push_config=pubsub.PushConfig(
                push_endpoint=naming.service_url(service) + "/" + query,
                oidc_token=pubsub.PushConfig.OidcToken(
                    service_account_email=trigger.service_account_email, audience=naming.service_url(service)
                ),
            ),
        )
        try:
            self._subscriber().create_subscription(subscription)
        except exceptions.AlreadyExists:
            log.info("subscription %s is there", subscription.name)
        self.listen(function)

    def listen(self, function: types.Function) -> None:
        """From now on events of the trigger's bucket are published."""
        trigger = function.event_trigger
        if trigger.event_type in STORAGE_EVENTS.values():
            entry = (trigger.event_type, trigger.pubsub_topic)
            entries = self._buckets.setdefault(_bucket(trigger), [])
            if entry not in entries:
                entries.append(entry)

    def remove(self, function: types.Function) -> None:
        """What ``make`` made; nothing where it is gone."""
        from google.pubsub_v1 import types as pubsub

        trigger = function.event_trigger
        if not trigger.trigger:
            return
        for entries in self._buckets.values():
            entries[:] = [entry for entry in entries if entry[1] != trigger.pubsub_topic]
        try:
            name = self.subscription(function)
            self._subscriber().delete_subscription(pubsub.DeleteSubscriptionRequest(subscription=name))
            if trigger.pubsub_topic == self._own_topic(trigger):
                self._publisher().delete_topic(pubsub.DeleteTopicRequest(topic=trigger.pubsub_topic))
        except exceptions.NotFound as error:
            log.info("trigger %s: %s", trigger.trigger, error)

    def subscription(self, function: types.Function) -> str:
        """The name of the function's subscription."""
        trigger = function.event_trigger
        return f"projects/{names.project_of(function.name)}/subscriptions/{_prefix(trigger)}-sub-{_tail(trigger)}"

    def on_object(self, event: Any) -> None:
        """An event of Cloud Storage, to the topics of the triggers on its bucket."""
        wanted = STORAGE_EVENTS.get(event.type, "")
        for kind, topic in list(self._buckets.get(event.bucket, ())):
            if kind == wanted:
                self._publish(kind, topic, event)

    def _publish(self, kind: str, topic: str, event: Any) -> None:
        import orjson
        from google.pubsub_v1 import types as pubsub

        resource = event.resource
        attributes = {
            "ce-id": f"{resource.get('generation', '')}{resource.get('metageneration', '')}{secrets.randbelow(10**6)}",
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{event.bucket}",
            "ce-specversion": "1.0",
            "ce-type": kind,
            "ce-subject": f"objects/{resource.get('name', '')}",
            "ce-time": str(resource.get("updated", "")),
            "ce-bucket": event.bucket,
            "content-type": "application/json",
        }
        message = pubsub.PubsubMessage(data=orjson.dumps(resource), attributes=attributes)
        self._publisher().publish(pubsub.PublishRequest(topic=topic, messages=[message]))

    def _own_topic(self, trigger: types.EventTrigger) -> str:
        return f"projects/{names.project_of(trigger.trigger)}/topics/{_prefix(trigger)}"


_LABELS = {"goog-eventarc": ""}


def validate_topic(topic: str) -> None:
    """Raises InvalidArgument."""
    names.parse("projects/{project}/topics/{topic}", topic)


def _prefix(trigger: types.EventTrigger) -> str:
    return f"eventarc-{trigger.trigger_region}-{trigger.trigger.rpartition('/')[2]}"


def _tail(trigger: types.EventTrigger) -> str:
    return trigger.trigger.rpartition("-")[2]


def _bucket(trigger: types.EventTrigger) -> str:
    for found in trigger.event_filters:
        if found.attribute == "bucket" and found.value:
            return str(found.value)
    raise validate.invalid("event_trigger.event_filters", "an event of Cloud Storage needs a filter on `bucket`.")

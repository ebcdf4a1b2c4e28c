"""google.pubsub.v1.Publisher."""

from __future__ import annotations

import math

from google.api_core import exceptions
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from gcpmlops.emulator.kernel import masks
from gcpmlops.emulator.kernel.paging import page
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.pubsub import checks, names
from gcpmlops.emulator.services.pubsub.batches import Request
from gcpmlops.emulator.services.pubsub.broker import Broker


class Publisher(Service):
    """Topics, and publishing to them."""

    proto = "google.pubsub.v1.Publisher"

    def __init__(self, context: Context, broker: Broker, policies: Policies) -> None:
        super().__init__(context)
        self._broker = broker
        self._topics = broker.topics
        self._policies = policies

    def create_topic(self, request: types.Topic) -> types.Topic:
        message = types.Topic.pb(request)
        checks.topic(message)
        self._broker.validation.check_settings(message)
        message.state = types.Topic.State.ACTIVE
        try:
            self._topics.insert(request.name, request)
        except exceptions.AlreadyExists:
            raise exceptions.AlreadyExists(
                f"Resource already exists in the project (resource={request.name.rpartition('/')[2]})."
            ) from None
        self._broker.open_topic(request.name)
        self._broker.topic_changed(request)
        return request

    def get_topic(self, request: types.GetTopicRequest) -> types.Topic:
        return self._found(request.topic)

    def update_topic(self, request: types.UpdateTopicRequest) -> types.Topic:
        def change(topic: types.Topic) -> None:
            masks.apply(request.update_mask, topic, request.topic, immutable=("name", "kms_key_name", "state"))
            checks.topic(types.Topic.pb(topic))
            if "schema_settings" in str(request.update_mask.paths):
                self._broker.validation.check_settings(types.Topic.pb(topic))

        if not request.update_mask.paths:
            raise exceptions.InvalidArgument("update_mask: required, and must name at least one field.")
        self._found(request.topic.name)
        topic: types.Topic = self._topics.update(request.topic.name, change)
        self._broker.topic_changed(topic)
        return topic

    def list_topics(self, request: types.ListTopicsRequest) -> types.ListTopicsResponse:
        topics, token = page(self._topics.below(request.project), request)
        return types.ListTopicsResponse(topics=topics, next_page_token=token)

    def list_topic_subscriptions(
        self, request: types.ListTopicSubscriptionsRequest
    ) -> types.ListTopicSubscriptionsResponse:
        attached = [queue.name for queue in self._broker.queues_of(request.topic)]
        some, token = page(attached, request)
        return types.ListTopicSubscriptionsResponse(subscriptions=some, next_page_token=token)

    def list_topic_snapshots(self, request: types.ListTopicSnapshotsRequest) -> types.ListTopicSnapshotsResponse:
        self._found(request.topic)
        some, token = page(self._broker.snapshots.of_topic(request.topic), request)
        return types.ListTopicSnapshotsResponse(snapshots=some, next_page_token=token)

    def delete_topic(self, request: types.DeleteTopicRequest) -> empty_pb2.Empty:
        """Its subscriptions stay, with what they have yet to deliver."""
        self._found(request.topic)
        self._topics.delete(request.topic)
        for queue in self._broker.close_topic(request.topic):
            self._broker.resave(queue, lambda resource: setattr(resource, "topic", names.DELETED_TOPIC))
        self._broker.retention.topic_deleted(request.topic)
        self._broker.validation.topic_deleted(request.topic)
        self._policies.forget(request.topic)
        return empty_pb2.Empty()

    def detach_subscription(self, request: types.DetachSubscriptionRequest) -> types.DetachSubscriptionResponse:
        """It gets nothing more, and what it had is gone."""
        queue = self._broker.queue(request.subscription)
        self._broker.resave(queue, lambda resource: setattr(resource, "detached", True))
        self._broker.detach(queue)
        self._broker.seeks.to_time(queue, math.inf)
        self._broker.serve(queue)
        return types.DetachSubscriptionResponse()

    def publish(self, request: types.PublishRequest) -> types.PublishResponse:
        """Durable, and with every subscription, when this returns."""
        message = Request()
        message.CopyFrom(types.PublishRequest.pb(request))  # the broker keeps the messages, and writes into them
        self._broker.queues_of(message.topic)
        checks.messages(message)
        self._broker.validation.check(message.topic, message.messages)
        response = types.PublishResponse.pb()()
        response.message_ids.extend(self._broker.publish(message.topic, message.messages))
        answer: types.PublishResponse = response
        return answer

    def _found(self, name: str) -> types.Topic:
        topic: types.Topic | None = self._topics.find(name)
        if topic is None:
            raise names.not_found(name)
        return topic

"""google.pubsub.v1.Subscriber."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

from google.api_core import exceptions
from google.protobuf import empty_pb2
from google.pubsub_v1 import types
from google.rpc import error_details_pb2

from gcpmlops.emulator.kernel import masks, validate
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.paging import page
from gcpmlops.emulator.kernel.project_names import ProjectNames
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.pubsub import checks, names
from gcpmlops.emulator.services.pubsub.backlog import Want
from gcpmlops.emulator.services.pubsub.broker import Broker
from gcpmlops.emulator.services.pubsub.queues import DEFAULT_ATTEMPTS, Queue
from gcpmlops.emulator.services.pubsub.streaming import Stream

_DAY = 86_400
_MAX_ACKS = 524_288  # bytes of ids in a request
_WAIT_S = 10.0  # a pull waits for messages at most
_MAX_PULL = 1000
_FIXED = ("name", "topic", "filter", "enable_message_ordering", "detached", "state", "topic_message_retention_duration")


class Subscriber(Service):
    """Subscriptions, snapshots, and getting messages by pull."""

    proto = "google.pubsub.v1.Subscriber"

    def __init__(self, context: Context, broker: Broker, policies: Policies) -> None:
        super().__init__(context)
        self._broker = broker
        self._policies = policies
        self._names = ProjectNames(str(self.settings.project_number), self.settings.project)

    def create_subscription(self, request: types.Subscription) -> types.Subscription:
        message = types.Subscription.pb(request)
        _complete(message)
        checks.subscription(message)
        with self.locks(request.name):
            self._broker.queues_of(request.topic)
            try:
                self._broker.subscriptions.insert(request.name, request)
            except exceptions.AlreadyExists:
                raise exceptions.AlreadyExists(
                    f"Resource already exists in the project (resource={request.name.rpartition('/')[2]})."
                ) from None
            queue = self._broker.attach(request)
            self._broker.expiration.watch(queue)
            self._broker.serve(queue)
        return self._shown(request)

    def get_subscription(self, request: types.GetSubscriptionRequest) -> types.Subscription:
        return self._shown(self._broker.queue(request.subscription).resource)

    def update_subscription(self, request: types.UpdateSubscriptionRequest) -> types.Subscription:
        given, mask = request.subscription, request.update_mask
        if not mask.paths:
            raise exceptions.InvalidArgument("update_mask: required, and must name at least one field.")

        def change(resource: types.Subscription) -> None:
            masks.apply(mask, resource, given, immutable=_FIXED)
            _complete(types.Subscription.pb(resource))
            checks.subscription(types.Subscription.pb(resource))

        return self._changed(self._broker.queue(given.name), change)

    def modify_push_config(self, request: types.ModifyPushConfigRequest) -> empty_pb2.Empty:
        """An empty configuration makes it a pull subscription."""
        config = types.ModifyPushConfigRequest.pb(request).push_config
        checks.push_config(config)

        def change(resource: types.Subscription) -> None:
            types.Subscription.pb(resource).push_config.CopyFrom(config)

        self._changed(self._broker.queue(request.subscription), change)
        return empty_pb2.Empty()

    def list_subscriptions(self, request: types.ListSubscriptionsRequest) -> types.ListSubscriptionsResponse:
        some, token = page(self._broker.subscriptions.below(request.project), request)
        return types.ListSubscriptionsResponse(subscriptions=[self._shown(one) for one in some], next_page_token=token)

    def delete_subscription(self, request: types.DeleteSubscriptionRequest) -> empty_pb2.Empty:
        self._broker.delete(self._broker.queue(request.subscription))
        return empty_pb2.Empty()

    def pull(self, request: types.PullRequest) -> types.PullResponse:
        """Waits a while for a first message, unless it is to return at once."""
        queue = self._pulled(request.subscription)
        if request.max_messages <= 0:
            raise validate.invalid("max_messages", f"{request.max_messages}: must be positive.")
        call, count = current_call(), min(request.max_messages, _MAX_PULL)
        left = call.remaining()
        patience = 0.0 if request.return_immediately else max(0.0, min(_WAIT_S, math.inf if left is None else left - 1))

        def want() -> Want:
            return Want(count, 10 << 20, deadline=queue.now() + queue.resource.ack_deadline_seconds)

        leases = queue.wait_for(want, until=monotonic() + patience, goes_on=lambda: queue.is_pulled)
        response = types.PullResponse.pb()()
        for lease in leases:
            ack_id = str(names.AckId(lease.number, lease.token))
            response.received_messages.add(ack_id=ack_id, message=lease.message, delivery_attempt=queue.attempt(lease))
        answer: types.PullResponse = response
        return answer

    def streaming_pull(self, requests: Iterable[types.StreamingPullRequest]) -> Iterator[types.StreamingPullResponse]:
        waiting = iter(requests)
        first = next(waiting, None)
        if first is None:
            return iter(())
        request: Any = types.StreamingPullRequest.pb(self._names.by_id(first))
        stream = Stream(self._pulled(request.subscription), request)
        stream.handle(request)
        return stream.responses(types.StreamingPullRequest.pb(one) for one in waiting)

    def acknowledge(self, request: types.AcknowledgeRequest) -> empty_pb2.Empty:
        """Durable when this returns.

        Raises: FailedPrecondition, by id, for what is too late where deliveries are exactly once.
        """
        queue = self._pulled(request.subscription)
        late, stored = queue.acknowledge(_acks(request.ack_ids))
        if stored is not None:
            stored.result()
        _refuse(queue, late)
        return empty_pb2.Empty()

    def modify_ack_deadline(self, request: types.ModifyAckDeadlineRequest) -> empty_pb2.Empty:
        """0 seconds: the messages are delivered again."""
        queue = self._pulled(request.subscription)
        if not 0 <= request.ack_deadline_seconds <= 600:
            raise validate.invalid("ack_deadline_seconds", f"{request.ack_deadline_seconds}: 0 to 600 are allowed.")
        _refuse(queue, queue.extend(_acks(request.ack_ids), request.ack_deadline_seconds))
        return empty_pb2.Empty()

    def seek(self, request: types.SeekRequest) -> types.SeekResponse:
        queue, message = self._broker.queue(request.subscription), types.SeekRequest.pb(request)
        target = message.WhichOneof("target")
        if target is None:
            raise exceptions.InvalidArgument("target: a time or a snapshot is needed.")
        if target == "time":
            self._broker.seeks.to_time(queue, message.time.ToNanoseconds() / 1e9)
            return types.SeekResponse()
        snapshot = self._broker.snapshots.get(request.snapshot)
        if snapshot.topic != queue.resource.topic:
            raise exceptions.FailedPrecondition(
                f"The snapshot is of topic {snapshot.topic}, the subscription of {queue.resource.topic}."
            )
        self._broker.seeks.to_snapshot(queue, request.snapshot)
        return types.SeekResponse()

    def create_snapshot(self, request: types.CreateSnapshotRequest) -> types.Snapshot:
        names.check("snapshots", request.name)
        validate.labels(request.labels)
        snapshot: types.Snapshot = self._broker.snapshots.create(
            request.name, self._broker.queue(request.subscription), request.labels
        )
        return snapshot

    def get_snapshot(self, request: types.GetSnapshotRequest) -> types.Snapshot:
        snapshot: types.Snapshot = self._broker.snapshots.get(request.snapshot)
        return snapshot

    def update_snapshot(self, request: types.UpdateSnapshotRequest) -> types.Snapshot:
        """Labels, and an earlier expiry."""
        if not request.update_mask.paths:
            raise exceptions.InvalidArgument("update_mask: required, and must name at least one field.")
        self._broker.snapshots.get(request.snapshot.name)

        def change(snapshot: types.Snapshot) -> None:
            masks.apply(request.update_mask, snapshot, request.snapshot, immutable=("name", "topic"))
            validate.labels(snapshot.labels)

        updated: types.Snapshot = self._broker.snapshots.update(request.snapshot.name, change)
        return updated

    def list_snapshots(self, request: types.ListSnapshotsRequest) -> types.ListSnapshotsResponse:
        some, token = page(self._broker.snapshots.stored.below(request.project), request)
        return types.ListSnapshotsResponse(snapshots=some, next_page_token=token)

    def delete_snapshot(self, request: types.DeleteSnapshotRequest) -> empty_pb2.Empty:
        self._broker.snapshots.delete(request.snapshot)
        self._policies.forget(request.snapshot)
        return empty_pb2.Empty()

    def _pulled(self, name: str) -> Queue:
        queue = self._broker.queue(name)
        queue.check_pulled()
        return queue

    def _changed(self, queue: Queue, change: Any) -> types.Subscription:
        with self.locks(queue.name):
            retained = queue.retains_acked
            resource = self._broker.resave(queue, change)
            if retained and not queue.retains_acked:
                self._broker.retention.released(queue)
            self._broker.expiration.watch(queue)
            self._broker.serve(queue)
        return self._shown(resource)

    def _shown(self, resource: types.Subscription) -> types.Subscription:
        """With what its topic says."""
        seconds = self._broker.retention.of_topic(resource.topic)
        if not seconds:
            return resource
        shown = types.Subscription.pb()()
        shown.CopyFrom(types.Subscription.pb(resource))
        shown.topic_message_retention_duration.FromSeconds(int(seconds))
        answer: types.Subscription = types.Subscription.wrap(shown)
        return answer


def _complete(message: Any) -> None:
    """Google's defaults."""
    message.ack_deadline_seconds = message.ack_deadline_seconds or 10
    if not message.HasField("message_retention_duration"):
        message.message_retention_duration.FromSeconds(7 * _DAY)
    if not message.HasField("expiration_policy"):
        message.expiration_policy.ttl.FromSeconds(31 * _DAY)
    if message.dead_letter_policy.dead_letter_topic and not message.dead_letter_policy.max_delivery_attempts:
        message.dead_letter_policy.max_delivery_attempts = DEFAULT_ATTEMPTS
    if not message.HasField("push_config"):
        message.push_config.SetInParent()
    if message.HasField("retry_policy"):
        _complete_retries(message.retry_policy)
    message.state = types.Subscription.State.ACTIVE


def _complete_retries(policy: Any) -> None:
    if not policy.HasField("minimum_backoff"):
        policy.minimum_backoff.FromSeconds(10)
    if not policy.HasField("maximum_backoff"):
        policy.maximum_backoff.FromSeconds(600)


def _acks(ids: Any) -> list[names.AckId]:
    if not ids:
        raise validate.invalid("ack_ids", "at least one is needed.")
    if sum(map(len, ids)) > _MAX_ACKS:
        raise validate.invalid("ack_ids", f"more than {_MAX_ACKS} bytes.")
    return [names.parse_ack_id(text) for text in ids]


def _refuse(queue: Queue, late: list[names.AckId]) -> None:
    if late and queue.is_exact:
        failed = {str(ack): "PERMANENT_FAILURE_INVALID_ACK_ID" for ack in late}
        info = error_details_pb2.ErrorInfo(
            reason="EXACTLY_ONCE_ACKID_FAILURE", domain="pubsub.googleapis.com", metadata=failed
        )
        raise exceptions.FailedPrecondition(f"{len(late)} acknowledgement ids are invalid or too late.", details=[info])

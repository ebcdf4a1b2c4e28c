"""What brings alerts to a retraining: policy -> Pub/Sub channel -> topic -> push subscription -> function."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcpmlops.exceptions import NotFound, PermissionDenied, translated

if TYPE_CHECKING:
    from gcpmlops.clients import Clients
    from gcpmlops.monitoring import Monitoring

_log = logging.getLogger("gcpmlops.retraining")
_PUBLISHER = "roles/pubsub.publisher"
_AGENT = "serviceAccount:service-{}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
ALERT = "alert"
"""The trigger that a push names: the incident says which policy's."""


@dataclass(frozen=True)
class Alerts:
    """Args: `caller` is the service account whose token a push carries; `bucket` is one of the project's."""

    clients: Clients
    monitoring: Monitoring
    caller: str
    bucket: str

    def listen(self, name: str, url: str, policies: Sequence[str]) -> None:
        """Those of these policies are brought from now on, of no others. Raises NotFound."""
        from gcpmlops.monitoring import PubSub

        publisher, subscriber = self.clients.publisher, self.clients.subscriber
        subscription, topic_name = self._names(name)
        self._create(publisher.create_topic, {"name": topic_name})
        push: dict[str, Any] = {
            "push_endpoint": f"{url}?retraining={name}&trigger={ALERT}",
            "oidc_token": {"service_account_email": self.caller, "audience": url},
        }
        wanted: dict[str, Any] = {
            "name": subscription,
            "topic": topic_name,
            "push_config": push,
            "ack_deadline_seconds": 600,
            "expiration_policy": {},  # never: a month without an alert is a good one
        }
        if not self._create(subscriber.create_subscription, wanted):
            change = {"subscription": wanted, "update_mask": {"paths": ["push_config", "expiration_policy"]}}
            with translated(subscription):
                subscriber.update_subscription(request=change, **self.clients.idempotent)
        channel = self.monitoring.ensure_channel(f"retraining {name}", PubSub(topic=topic_name)).name
        self._let_publish(topic_name)
        these = {self.policy(each).name for each in policies}
        for policy in self._policies():
            told = channel in policy.notification_channels
            if told != (policy.name in these):
                others = [each for each in policy.notification_channels if each != channel]
                self._tell(policy, others if told else [*others, channel])

    def stop(self, name: str) -> None:
        """None is brought any more."""
        subscription, topic_name = self._names(name)
        for channel in self.monitoring.list_channels(f'display_name="retraining {name}"'):
            if channel.proto.labels.get("topic") == topic_name:
                self.monitoring.delete_channel(channel.name, force=True)
        subscriber, publisher = self.clients.subscriber, self.clients.publisher
        for delete, field, resource in (
            (subscriber.delete_subscription, "subscription", subscription),
            (publisher.delete_topic, "topic", topic_name),
        ):
            try:
                with translated(resource):
                    delete(request={field: resource}, **self.clients.once)
            except NotFound:
                continue  # only a retraining that listens to alerts has them

    def _let_publish(self, topic_name: str) -> None:
        """Cloud Monitoring publishes as an agent of its own, which exists since the project's first channel."""
        from google.iam.v1 import policy_pb2

        with translated(f"bucket {self.bucket}"):
            number = self.clients.storage.get_bucket(self.bucket, **self.clients.idempotent).project_number
        agent, publisher = _AGENT.format(number), self.clients.publisher
        try:
            with translated(topic_name):
                policy = publisher.get_iam_policy(request={"resource": topic_name}, **self.clients.idempotent)
                if any(agent in each.members for each in policy.bindings if each.role == _PUBLISHER):
                    return
                policy.bindings.append(policy_pb2.Binding(role=_PUBLISHER, members=[agent]))
                publisher.set_iam_policy(request={"resource": topic_name, "policy": policy}, **self.clients.once)
        except PermissionDenied as error:  # somebody else may have to, or it has the role by the project
            _log.warning("alerts may not come: %s is to have %s on %s: %s", agent, _PUBLISHER, topic_name, error)

    def _names(self, name: str) -> tuple[str, str]:
        """Full names of the subscription and the topic."""
        project, both = self.clients.config.require("project"), f"retraining-{name}-alerts"
        return f"projects/{project}/subscriptions/{both}", f"projects/{project}/topics/{both}"

    def _policies(self) -> list[Any]:
        request = {"name": f"projects/{self.clients.config.require('project')}"}
        with translated("alert policies"):
            return list(self.clients.alert_policies.list_alert_policies(request=request, **self.clients.idempotent))

    def policy(self, name: str) -> Any:
        """By its display name. Raises NotFound."""
        found = next((each for each in self._policies() if each.display_name == name), None)
        if found is None:
            raise NotFound(
                f"there is no alert policy {name!r}",
                resource=name,
                next_step="See them with `gcpmlops monitoring list-alerts`; client.monitoring.ensure_alert makes one.",
            )
        return found

    def _tell(self, policy: Any, channels: Sequence[str]) -> None:
        policy.notification_channels[:] = channels
        change: Any = {"alert_policy": policy, "update_mask": {"paths": ["notification_channels"]}}
        with translated(policy.display_name):
            self.clients.alert_policies.update_alert_policy(request=change, **self.clients.once)

    def _create(self, create: Any, request: dict[str, Any]) -> bool:
        """Whether it was not there."""
        from google.api_core.exceptions import AlreadyExists

        with translated(request["name"]):
            try:
                create(request=request, **self.clients.once)
            except AlreadyExists:
                return False
        return True

"""google.devtools.cloudbuild.v1.CloudBuild: triggers, run by hand, by webhook and by Pub/Sub."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, paging
from gcpmlops.emulator.kernel import names as resource_names
from gcpmlops.emulator.kernel.access import ACT_AS
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.cloud_build import names, starting, trigger_checks
from gcpmlops.emulator.services.cloud_build.bindings import decoded
from gcpmlops.emulator.services.cloud_build.builds import Builds

log = logging.getLogger(__name__)

_FIXED = ("id", "create_time", "resource_name")
_OK: Any = types.WebhookConfig.State.OK  # the same in PubsubConfig
_HOST = "https://cloudbuild.googleapis.com"


class TriggerService(Service):
    """Triggers.

    Args:
        context: the store and the clock.
        builds: runs what they start.
        secret: the payload of a secret version.
        subscriber: Pub/Sub's service, made when a trigger needs it.
    """

    proto = "google.devtools.cloudbuild.v1.CloudBuild"

    def __init__(
        self, context: Context, builds: Builds, secret: Callable[[str], bytes], subscriber: Callable[[], Any]
    ) -> None:
        super().__init__(context)
        self._builds = builds
        self._secret = secret
        self._subscriber = subscriber
        self._rows: Any = context.store.collection(types.BuildTrigger)

    def create_build_trigger(self, request: types.CreateBuildTriggerRequest) -> types.BuildTrigger:
        parent = names.parent(request)
        trigger = types.BuildTrigger(request.trigger)
        trigger.id, trigger.create_time = str(uuid.uuid4()), self.clock.now()
        trigger.name = trigger.name or f"trigger-{trigger.id[:8]}"
        trigger.resource_name = f"{parent}/triggers/{trigger.id}"
        trigger_checks.check(trigger)
        with self.locks(_all_of(trigger)):
            self._check_name(trigger)
            self._require_accounts(trigger)
            if "pubsub_config" in trigger:
                self._subscribe(trigger)
            if "webhook_config" in trigger:
                trigger.webhook_config.state = _OK
            created: types.BuildTrigger = self._rows.insert(trigger.resource_name, trigger, parent=parent)
        return created

    def get_build_trigger(self, request: types.GetBuildTriggerRequest) -> types.BuildTrigger:
        return self._found(names.trigger(request, request.trigger_id))

    def list_build_triggers(self, request: types.ListBuildTriggersRequest) -> types.ListBuildTriggersResponse:
        """In the order of their making; of the location `-` those of every one."""
        parent = names.parent(request)
        below = parent.removesuffix("-") if parent.endswith("/-") else f"{parent}/"
        kept = [trigger for trigger in self._rows.list() if trigger.resource_name.startswith(below)]
        found, token = paging.page(kept, request)
        return types.ListBuildTriggersResponse(triggers=found, next_page_token=token)

    def update_build_trigger(self, request: types.UpdateBuildTriggerRequest) -> types.BuildTrigger:
        """What a mask names; without one the whole trigger is replaced. Another topic is subscribed to anew."""
        given = request.trigger
        own = request.trigger_id or given.resource_name.rpartition("/")[2] or given.id
        project = request.project_id or resource_names.project_of(given.resource_name)
        location = resource_names.location_of(given.resource_name) or names.GLOBAL
        before = self._found(f"projects/{project}/locations/{location}/triggers/{own}")
        with self.locks(_all_of(before)):
            before = self._rows.get(before.resource_name)
            trigger = _changed(before, given, request.update_mask)
            trigger_checks.check(trigger)
            self._check_name(trigger)
            self._require_accounts(trigger)
            moved = trigger.pubsub_config.topic != before.pubsub_config.topic
            if moved and trigger.pubsub_config.topic:
                self._subscribe(trigger, again=True)
            updated: types.BuildTrigger = self._rows.update(before.resource_name, lambda _: trigger)
            if moved and before.pubsub_config.subscription:
                self._unsubscribe(before.pubsub_config.subscription)
        return updated

    def delete_build_trigger(self, request: types.DeleteBuildTriggerRequest) -> empty_pb2.Empty:
        trigger = self._found(names.trigger(request, request.trigger_id))
        self._rows.delete(trigger.resource_name)
        if trigger.pubsub_config.subscription:
            self._unsubscribe(trigger.pubsub_config.subscription)
        return empty_pb2.Empty()

    def run_build_trigger(self, request: types.RunBuildTriggerRequest) -> operations_pb2.Operation:
        """By hand: of a branch, tag or commit, with substitutions of the caller's."""
        trigger = self._found(names.trigger(request, request.trigger_id))
        return self._start(trigger, request.source)

    def receive_trigger_webhook(
        self, request: types.ReceiveTriggerWebhookRequest
    ) -> types.ReceiveTriggerWebhookResponse:
        """Whoever knows the trigger's secret may call it.

        Raises: PermissionDenied for another secret; InvalidArgument for a body that is no JSON.
        """
        trigger = self._found(names.trigger(request, request.trigger))
        if not hmac.compare_digest(request.secret.encode(), self._expected(trigger)):
            raise exceptions.PermissionDenied(f"trigger {trigger.name}: the secret is not the trigger's")
        try:
            body = json.loads(request.body.data or b"{}")
        except ValueError as error:
            raise exceptions.InvalidArgument(f"trigger {trigger.name}: the body is no JSON: {error}") from None
        if "pubsub_config" not in trigger:
            self._start(trigger, types.RepoSource(), body)
            return types.ReceiveTriggerWebhookResponse()
        try:
            self._start(trigger, types.RepoSource(), decoded(body))
        except exceptions.GoogleAPICallError as error:  # to send the message again would not help
            log.warning("a message for the build trigger %s started no build: %s", trigger.name, error.message)
        return types.ReceiveTriggerWebhookResponse()

    def _check_name(self, trigger: types.BuildTrigger) -> None:
        """Raises: AlreadyExists for the name of another trigger of the location."""
        parent = trigger.resource_name.partition("/triggers/")[0]
        if any(other.name == trigger.name and other.id != trigger.id for other in self._rows.list(parent)):
            raise exceptions.AlreadyExists(f"trigger {trigger.name} already exists in {parent}")

    def _require_accounts(self, trigger: types.BuildTrigger) -> None:
        """Whoever makes or changes a trigger may act as what it builds as. Raises: PermissionDenied."""
        for account in {trigger.service_account, trigger.build.service_account} - {""}:
            self.access.require(ACT_AS, account)

    def _start(
        self, trigger: types.BuildTrigger, source: types.RepoSource, body: Any = None
    ) -> operations_pb2.Operation:
        parent = trigger.resource_name.partition("/triggers/")[0]
        return starting.start(self._builds, parent, trigger, source, body)

    def _found(self, name: str) -> types.BuildTrigger:
        """By its id or its name. Raises: NotFound."""
        trigger: types.BuildTrigger | None = self._rows.find(name)
        if trigger is None:
            parent, _, own = name.partition("/triggers/")
            trigger = next((other for other in self._rows.list(parent) if other.name == own), None)
        if trigger is None:
            raise self._rows.not_found(name)
        return trigger

    def _expected(self, trigger: types.BuildTrigger) -> bytes:
        """What a caller has to know."""
        if "webhook_config" in trigger:
            return self._secret(trigger.webhook_config.secret)
        if "pubsub_config" in trigger:
            from google.pubsub_v1 import types as pubsub

            wanted = pubsub.GetSubscriptionRequest(subscription=trigger.pubsub_config.subscription)
            url: str = self._subscriber().get_subscription(wanted).push_config.push_endpoint
            return parse_qs(urlsplit(url).query)["secret"][0].encode()
        raise exceptions.FailedPrecondition(f"trigger {trigger.name} is started by no message")

    def _subscribe(self, trigger: types.BuildTrigger, *, again: bool = False) -> None:
        """A push subscription of the topic that calls the trigger, with a secret of its own.

        `again`: beside an earlier one, which has its name.
        """
        from google.pubsub_v1 import types as pubsub

        project = resource_names.project_of(trigger.resource_name)
        config = trigger.pubsub_config
        other = f"-{secrets.token_hex(3)}" if again else ""
        config.subscription = f"projects/{project}/subscriptions/gcb-{trigger.name}{other}"
        config.state = _OK
        url = f"{_HOST}/v1/{trigger.resource_name}:webhook?secret={secrets.token_urlsafe(24)}"
        self._subscriber().create_subscription(
            pubsub.Subscription(
                name=config.subscription,
                topic=config.topic,
                ack_deadline_seconds=600,
                expiration_policy=pubsub.ExpirationPolicy(),  # never
                push_config=pubsub.PushConfig(push_endpoint=url),
            )
        )

    def _unsubscribe(self, subscription: str) -> None:
        from google.pubsub_v1 import types as pubsub

        try:
            self._subscriber().delete_subscription(pubsub.DeleteSubscriptionRequest(subscription=subscription))
        except exceptions.NotFound:
            log.info("subscription %s is gone already", subscription)


def _all_of(trigger: types.BuildTrigger) -> str:
    """The lock of a location's triggers, whose names differ."""
    return f"{trigger.resource_name.partition('/triggers/')[0]}/triggers"


def _changed(trigger: types.BuildTrigger, given: types.BuildTrigger, mask: Any) -> types.BuildTrigger:
    """A trigger with what a mask names; without one all of it is the other's but what only the service says."""
    if mask.paths:
        changed = types.BuildTrigger(trigger)
        masks.apply(mask, changed, given, immutable=_FIXED)
    else:
        changed = types.BuildTrigger(given)
        for field in _FIXED:
            setattr(changed, field, getattr(trigger, field))
        changed.name = changed.name or trigger.name
    if "pubsub_config" in trigger and changed.pubsub_config.topic == trigger.pubsub_config.topic:
        changed.pubsub_config = trigger.pubsub_config
    return changed

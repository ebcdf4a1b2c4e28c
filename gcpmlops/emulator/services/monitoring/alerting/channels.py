"""google.monitoring.v3.NotificationChannelService."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring.alerting import channel_types
from gcpmlops.emulator.services.monitoring.alerting.channel_codes import Codes
from gcpmlops.emulator.services.monitoring.alerting.records import mutation

PROJECT = "projects/{project}"
CHANNEL = PROJECT + "/notificationChannels/{channel}"
_SHOWN = 4  # last characters of a secret that are told
_KEPT = ("name", "creation_record", "mutation_records", "verification_status")


class NotificationChannels(Service):
    """Where notifications go.

    Args:
        context: the store, and the clock.
        codes: verify channels.
        is_used: the policies that notify a channel.
        removed: takes a channel out of the policies that notify it.
    """

    proto = "google.monitoring.v3.NotificationChannelService"

    def __init__(
        self,
        context: Context,
        codes: Codes,
        is_used: Callable[[str], list[str]],
        removed: Callable[[str], None],
    ) -> None:
        super().__init__(context)
        self._rows: Any = context.store.collection(types.NotificationChannel)
        self._codes = codes
        self._is_used = is_used
        self._removed = removed

    def list_notification_channel_descriptors(
        self, request: types.ListNotificationChannelDescriptorsRequest
    ) -> types.ListNotificationChannelDescriptorsResponse:
        """What kinds there are."""
        found = channel_types.descriptors(names.parse(PROJECT, request.name)["project"])
        page, token = paging.page(found, request)
        return types.ListNotificationChannelDescriptorsResponse(channel_descriptors=page, next_page_token=token)

    def get_notification_channel_descriptor(
        self, request: types.GetNotificationChannelDescriptorRequest
    ) -> types.NotificationChannelDescriptor:
        """One kind."""
        names.parse(PROJECT + "/notificationChannelDescriptors/{type}", request.name)
        return channel_types.descriptor(request.name)

    def list_notification_channels(
        self, request: types.ListNotificationChannelsRequest
    ) -> types.ListNotificationChannelsResponse:
        """Those of a project, in the order of their creation or as `order_by` says."""
        names.parse(PROJECT, request.name)
        found = [one for one in self._rows.list(request.name) if filters.matches(request.filter, one)]
        page, token = paging.page(filters.order(found, request.order_by), request)
        shown = [_shown(one) for one in page]
        return types.ListNotificationChannelsResponse(
            notification_channels=shown, next_page_token=token, total_size=len(found)
        )

    def get_notification_channel(self, request: types.GetNotificationChannelRequest) -> types.NotificationChannel:
        """One; its secrets are asterisks."""
        return _shown(self.stored(request.name))

    def create_notification_channel(self, request: types.CreateNotificationChannelRequest) -> types.NotificationChannel:
        """A new one, enabled unless it says otherwise."""
        names.parse(PROJECT, request.name)
        channel = types.NotificationChannel(request.notification_channel)
        _check(channel)
        channel.name = f"{request.name}/notificationChannels/{names.new_id()}"
        if not raw(channel).HasField("enabled"):
            channel.enabled = True
        unverified = channel_types.kind_of(channel.type_).is_verified
        channel.verification_status = _status("UNVERIFIED" if unverified else "VERIFICATION_STATUS_UNSPECIFIED")
        channel.creation_record = mutation(self.clock.now())
        channel.mutation_records = [channel.creation_record]
        return _shown(self._rows.insert(channel.name, channel, parent=request.name))

    def update_notification_channel(self, request: types.UpdateNotificationChannelRequest) -> types.NotificationChannel:
        """Replaces the fields of the mask, or all; labels that are shown as asterisks stay as they were."""
        given, record = request.notification_channel, mutation(self.clock.now())

        def change(stored: types.NotificationChannel) -> types.NotificationChannel:
            if request.update_mask.paths:
                changed = types.NotificationChannel(stored)
                masks.apply(request.update_mask, changed, given, immutable=("name", *_KEPT))
            else:
                changed = types.NotificationChannel(given)
                for field in _KEPT:
                    setattr(changed, field, getattr(stored, field))
                if not raw(changed).HasField("enabled"):
                    changed.enabled = True
            for key, value in stored.labels.items():
                if changed.labels.get(key, "") == _shown(stored).labels[key]:
                    changed.labels[key] = value
            _check(changed)
            changed.mutation_records = [*stored.mutation_records, record]
            return changed

        self.stored(given.name)
        return _shown(self._rows.update(given.name, change))

    def delete_notification_channel(self, request: types.DeleteNotificationChannelRequest) -> empty_pb2.Empty:
        """Refused while a policy notifies it, unless by force, which takes it out of the policies."""
        self.stored(request.name)
        if used := self._is_used(request.name):
            if not request.force:
                raise exceptions.FailedPrecondition(
                    f"Notification channel {request.name} is still used by {', '.join(used)}: "
                    "take it out of the policy first, or delete it by force."
                )
            self._removed(request.name)
        self._rows.delete(request.name)
        return empty_pb2.Empty()

    def send_notification_channel_verification_code(
        self, request: types.SendNotificationChannelVerificationCodeRequest
    ) -> empty_pb2.Empty:
        """Sends a code over the channel."""
        self._codes.send(self.stored(request.name))
        return empty_pb2.Empty()

    def get_notification_channel_verification_code(
        self, request: types.GetNotificationChannelVerificationCodeRequest
    ) -> types.GetNotificationChannelVerificationCodeResponse:
        """A code by which a verified channel's copy is verified."""
        code, expires = self._codes.get(self.stored(request.name), request.expire_time)
        return types.GetNotificationChannelVerificationCodeResponse(code=code, expire_time=expires)

    def verify_notification_channel(self, request: types.VerifyNotificationChannelRequest) -> types.NotificationChannel:
        """Raises InvalidArgument for a code that was not sent, or has expired."""
        channel = self.stored(request.name)
        self._codes.check(channel, request.code)

        def change(stored: types.NotificationChannel) -> None:
            stored.verification_status = _status("VERIFIED")

        return _shown(self._rows.update(channel.name, change))

    def stored(self, name: str) -> types.NotificationChannel:
        """With its secrets. Raises InvalidArgument, NotFound."""
        names.parse(CHANNEL, name)
        found: types.NotificationChannel = self._rows.get(name)
        return found


def _status(name: str) -> Any:
    return getattr(types.NotificationChannel.VerificationStatus, name)


def _check(channel: types.NotificationChannel) -> None:
    validate.require(channel, "type_")
    channel_types.kind_of(channel.type_).check(channel.labels)
    validate.labels(channel.user_labels, "notification_channel.user_labels")
    for field, limit in (("display_name", 512), ("description", 1024)):
        if len(getattr(channel, field)) > limit:
            raise validate.invalid(f"notification_channel.{field}", f"longer than {limit} characters.")


def _shown(channel: types.NotificationChannel) -> types.NotificationChannel:
    """Without its secrets."""
    shown = types.NotificationChannel(channel)
    for key, label in channel_types.kind_of(channel.type_).labels.items():
        if label.is_secret and (value := channel.labels.get(key, "")):
            shown.labels[key] = "*" * max(8, len(value) - _SHOWN) + (value[-_SHOWN:] if len(value) > 8 else "")
    return shown

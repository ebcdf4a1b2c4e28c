"""The kinds of notification channels: what their labels are, and what they have to look like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.api import label_pb2, launch_stage_pb2
from google.api_core import exceptions
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel import validate

_URL = re.compile(r"https?://[^\s/]+\S*")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_PHONE = re.compile(r"\+?[\d\s().-]{5,}")


@dataclass(frozen=True)
class Label:
    """A label of a kind of channel.

    Attributes:
        description: for who fills it in.
        form: what it has to match.
        is_secret: it is shown as asterisks.
        is_required: a channel does not work without it.
    """

    description: str
    form: re.Pattern[str] | None = None
    is_secret: bool = False
    is_required: bool = True


@dataclass(frozen=True)
class Kind:
    """A kind of channel."""

    display_name: str
    description: str
    labels: Mapping[str, Label]
    is_verified: bool = False  # it has to be, before it is of use

    def check(self, labels: Mapping[str, str], field: str = "notification_channel.labels") -> None:
        """Raises InvalidArgument naming the label that is not as it should be."""
        for key in labels:
            if key not in self.labels:
                raise validate.invalid(f"{field}.{key}", f"not a label here (these are: {', '.join(self.labels)}).")
        for key, label in self.labels.items():
            value = labels.get(key, "")
            if not value and label.is_required:
                raise validate.invalid(f"{field}.{key}", "required, but missing.")
            if value and label.form and not label.form.fullmatch(value):
                raise validate.invalid(f"{field}.{key}", f"{value!r} is not as it should be: {label.description}")


_WEB = Label("The URL that notifications are posted to, http:// or https://.", _URL)
KINDS: dict[str, Kind] = {
    "email": Kind("Email", "Mail to one address.", {"email_address": Label("An address.", _EMAIL)}),
    "google_chat": Kind("Google Chat", "A space of Google Chat.", {"space": Label("The space, spaces/ID.")}),
    "pagerduty": Kind(
        "PagerDuty", "A PagerDuty service.", {"service_key": Label("The key of the service.", is_secret=True)}
    ),
    "pubsub": Kind(
        "Cloud Pub/Sub", "Messages to a topic.", {"topic": Label("The topic, projects/P/topics/T.", _TOPIC)}
    ),
    "slack": Kind(
        "Slack",
        "A Slack channel.",
        {
            "auth_token": Label("The token of the Slack app.", is_secret=True),
            "channel_name": Label("The channel, with its #."),
            "team": Label("The workspace.", is_required=False),
        },
    ),
    "sms": Kind("SMS", "Text messages.", {"number": Label("A telephone number.", _PHONE)}, is_verified=True),
    "webhook_basicauth": Kind(
        "Webhook with Basic Authentication",
        "POST to a URL, with a user name and a password.",
        {
            "url": _WEB,
            "username": Label("Who calls."),
            "password": Label("The password.", is_secret=True),
        },
    ),
    "webhook_tokenauth": Kind(
        "Webhook with Token Authentication", "POST to a URL, which may hold a token (?auth_token=...).", {"url": _WEB}
    ),
}


def kind_of(name: str) -> Kind:
    """By the type of a channel. Raises InvalidArgument."""
    if name not in KINDS:
        raise validate.invalid("notification_channel.type", f"{name!r} is none of {', '.join(sorted(KINDS))}.")
    return KINDS[name]


def descriptors(project: str) -> list[types.NotificationChannelDescriptor]:
    """All, in the order of their types."""
    return [_descriptor(project, name, KINDS[name]) for name in sorted(KINDS)]


def descriptor(name: str) -> types.NotificationChannelDescriptor:
    """By its resource name. Raises NotFound."""
    head, _, kind = name.rpartition("/")
    if kind not in KINDS:
        raise exceptions.NotFound(f"Notification channel descriptor {name} is not found.")
    return _descriptor(head.split("/")[1], kind, KINDS[kind])


def _descriptor(project: str, name: str, kind: Kind) -> types.NotificationChannelDescriptor:
    labels: list[Any] = [
        label_pb2.LabelDescriptor(key=key, description=label.description) for key, label in kind.labels.items()
    ]
    return types.NotificationChannelDescriptor(
        name=f"projects/{project}/notificationChannelDescriptors/{name}",
        type_=name,
        display_name=kind.display_name,
        description=kind.description,
        labels=labels,
        launch_stage=launch_stage_pb2.LaunchStage.GA,
    )

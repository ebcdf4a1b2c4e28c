"""Notification channels: who is told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gcpmlops import _display_names, _google, _html
from gcpmlops._handle import Named
from gcpmlops._monitoring.descriptors import project_of, quoted
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, translated
from gcpmlops.types import Labels, check_labels

_TOPIC = re.compile(r"projects/[^/]+/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_SECRETS = ("auth_token", "password")
_HINT = "See them with `gcpmlops monitoring list-channels`."


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A POST of Google's JSON to a URL; with a `token` (as ?auth_token=) or with `username` and `password`."""

    kind: ClassVar[str] = "webhook"
    url: str
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    def labels(self, project: str) -> tuple[str, dict[str, str]]:
        """(type, labels). Raises InvalidArgument."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgument(f"{self.url!r} is no URL", field="url", value=self.url, allowed="https://HOST/PATH")
        if self.token and (self.username or self.password):
            raise InvalidArgument("token and password", field="token", allowed="one of the two")
        if bool(self.username) != bool(self.password):
            raise InvalidArgument("half of a login", field="username", allowed="username and password")
        if self.username:
            return "webhook_basicauth", {"url": self.url, "username": self.username, "password": self.password}
        query = [*parse_qsl(parts.query), *([("auth_token", self.token)] if self.token else [])]
        return "webhook_tokenauth", {"url": urlunsplit(parts._replace(query=urlencode(query)))}


@dataclass(frozen=True, kw_only=True)
class PubSub:
    """A message to a Pub/Sub topic: its id, or projects/PROJECT/topics/TOPIC."""

    kind: ClassVar[str] = "pubsub"
    topic: str

    def labels(self, project: str) -> tuple[str, dict[str, str]]:
        """(type, labels). Raises InvalidArgument."""
        full = self.topic if "/" in self.topic else f"projects/{project}/topics/{self.topic}"
        if not _TOPIC.fullmatch(full):
            allowed = "an id, or projects/PROJECT/topics/TOPIC"
            raise InvalidArgument(f"{self.topic!r} is no topic", field="topic", value=self.topic, allowed=allowed)
        return "pubsub", {"topic": full}


@dataclass(frozen=True, kw_only=True)
class Email:
    """A mail to an address."""

    kind: ClassVar[str] = "email"
    address: str

    def labels(self, project: str) -> tuple[str, dict[str, str]]:
        """(type, labels). Raises InvalidArgument."""
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", self.address):
            raise InvalidArgument(
                f"{self.address!r} is no address", field="address", value=self.address, allowed="NAME@HOST"
            )
        return "email", {"email_address": self.address}


Target: TypeAlias = "Webhook | PubSub | Email"
KINDS: dict[str, type[Any]] = {each.kind: each for each in (Webhook, PubSub, Email)}


@dataclass(frozen=True)
class Channel(Named):
    """A notification channel as it was when asked for; `proto` is Google's NotificationChannel."""

    proto: Any = field(repr=False)

    @property
    def type(self) -> str:
        """webhook_tokenauth, webhook_basicauth, pubsub, email, ..."""
        return str(self.proto.type_)

    @property
    def labels(self) -> dict[str, str]:
        """Where it leads; without tokens and passwords."""
        return {key: _shown(key, value) for key, value in self.proto.labels.items()}

    @property
    def enabled(self) -> bool:
        """Whether it is told anything."""
        return bool(self.proto.enabled)

    def __repr__(self) -> str:
        return f"Channel({self.display_name!r}, {self.type})"

    def _repr_html_(self) -> str:
        return _html.card(self.display_name, {"name": self.name, "type": self.type, **self.labels})


class Channels:
    """API: NotificationChannelService."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def ensure(self, name: str, target: Target, *, labels: Labels | None = None, enabled: bool = True) -> Channel:
        """The channel of this display name, made or changed; see `Monitoring.ensure_channel`."""
        if not name.strip():
            raise InvalidArgument("a channel has a name", field="name", value=name, allowed="such as 'on call'")
        kind, where = target.labels(self._clients.config.require("project"))
        wanted = _google.notification.NotificationChannel(
            type_=kind, display_name=name, labels=where, user_labels=check_labels(labels), enabled=enabled
        )
        found = [each for each in self.list(f"display_name={quoted(name)}") if each.display_name == name]
        same = sorted((each for each in found if each.type == kind), key=lambda each: each.name)
        if found and not same:
            raise InvalidArgument(
                f"the channel {name} is of type {found[0].type}, which can't change",
                field="name",
                value=name,
                resource=found[0].name,
                next_step="Take another name, or delete it with `gcpmlops monitoring delete-channel`.",
            )
        return self._updated(same[0], wanted) if same else self._created(wanted)

    def get(self, name: str) -> Channel:
        """By id, display name or full name (GetNotificationChannel). Raises NotFound."""
        with translated(f"channel {name}", next_step=_HINT):
            return Channel(
                self._clients.channels.get_notification_channel(name=self.resolve(name), **self._clients.idempotent)
            )

    def list(self, filter: str | None = None) -> list[Channel]:  # noqa: A002 - the API calls it so
        """The project's channels (ListNotificationChannels)."""
        request: Any = {"name": project_of(self._clients), "filter": filter or ""}
        with translated("notification channels"):
            found = self._clients.channels.list_notification_channels(request=request, **self._clients.idempotent)
            return [Channel(each) for each in found]

    def delete(self, name: str, *, force: bool = False) -> None:
        """Delete it; with `force` from the policies that name it, too (DeleteNotificationChannel). Raises NotFound."""
        full = self.resolve(name)
        with translated(f"channel {name}", next_step=_HINT):
            self._clients.channels.delete_notification_channel(name=full, force=force, **self._clients.idempotent)

    def resolve(self, name: str) -> str:
        """The full name, from an id, a display name or a full name. Raises InvalidArgument where several fit."""
        if name.startswith("projects/"):
            return name
        folder = f"{project_of(self._clients)}/notificationChannels"
        return _display_names.resolve(name, field="channel", find=self.list, folder=folder)

    def resolved(self, channels: Sequence[Channel | str]) -> Sequence[str]:
        """Full names, each once. Raises NotFound for one that isn't there."""
        full = [each.name if isinstance(each, Channel) else self.get(each).name for each in channels]
        return list(dict.fromkeys(full))

    def _created(self, wanted: Any) -> Channel:
        with translated(f"channel {wanted.display_name}"):
            return Channel(
                self._clients.channels.create_notification_channel(
                    name=project_of(self._clients), notification_channel=wanted, **self._clients.once
                )
            )

    def _updated(self, found: Channel, wanted: Any) -> Channel:
        changed = [key for key in ("user_labels", "enabled") if getattr(found.proto, key) != getattr(wanted, key)]
        if "password" in wanted.labels or _plain(found.proto.labels) != _plain(wanted.labels):
            changed.append("labels")  # a password is never shown: it is set anew each time
        if not changed:
            return found
        wanted.name = found.name
        request: Any = {"notification_channel": wanted, "update_mask": {"paths": changed}}
        with translated(f"channel {wanted.display_name}"):
            return Channel(
                self._clients.channels.update_notification_channel(request=request, **self._clients.idempotent)
            )


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != "password"}


def _shown(key: str, value: str) -> str:
    if key == "password":
        return "..."
    if key != "url":
        return value
    parts = urlsplit(value)
    query = [(name, "..." if name in _SECRETS else each) for name, each in parse_qsl(parts.query)]
    return urlunsplit(parts._replace(query=urlencode(query, safe=".")))

"""One attempt to bring a notification to a channel, by its type."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.pubsub_v1 import types as pubsub_types

from gcpmlops.emulator.services.monitoring.alerting.mail import Mail, composed
from gcpmlops.emulator.services.outbound import Outbound, UnreachableError

_AGENT = "Google-Alerts"
_PASSING = {408, 425, 429}  # answers that may be another one in a moment, beside 5xx


class UndeliveredError(Exception):
    """It did not arrive; `is_passing`: another attempt makes sense."""

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        super().__init__(reason)
        self.is_passing = is_passing


class Publisher(Protocol):
    """Pub/Sub's, of which this is needed."""

    def publish(self, request: pubsub_types.PublishRequest) -> object:
        """Raises `google.api_core.exceptions`."""


class Senders:
    """Knows how each type of channel is reached.

    Args:
        outbound: makes HTTP calls.
        publisher: of Pub/Sub, made when it is needed.
        mail: sends mail.
        timeout: real seconds that a webhook may be silent.
    """

    def __init__(
        self, outbound: Outbound, publisher: Callable[[], Publisher], mail: Mail, *, timeout: float = 10.0
    ) -> None:
        self._outbound = outbound
        self._publisher = publisher
        self._mail = mail
        self._timeout = timeout
        self._by_type: dict[str, Callable[[Mapping[str, str], Mapping[str, Any]], None]] = {
            "webhook_tokenauth": self._post,
            "webhook_basicauth": self._post,
            "pubsub": self._to_topic,
            "email": self._by_mail,
        }

    def send(self, channel: types.NotificationChannel, payload: Mapping[str, Any]) -> None:
        """Raises UndeliveredError."""
        send = self._by_type.get(channel.type_)
        if send is None:
            reason = f"UNIMPLEMENTED: delivery over channels of type {channel.type_} is not built in this emulator"
            raise UndeliveredError(reason, is_passing=False)
        send(channel.labels, payload)

    def _post(self, labels: Mapping[str, str], payload: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": _AGENT}
        if "username" in labels:
            pair = f"{labels['username']}:{labels['password']}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        body = json.dumps(payload).encode()
        try:
            answer = self._outbound.send("POST", labels["url"], headers=headers, body=body, timeout=self._timeout)
        except UnreachableError as error:
            raise UndeliveredError(f"no answer: {error}", is_passing=True) from None
        if not 200 <= answer.status < 300:
            passing = answer.status >= 500 or answer.status in _PASSING
            raise UndeliveredError(f"failed with HTTP status {answer.status}", is_passing=passing)

    def _to_topic(self, labels: Mapping[str, str], payload: Mapping[str, Any]) -> None:
        message = pubsub_types.PubsubMessage(data=json.dumps(payload).encode())
        request = pubsub_types.PublishRequest(topic=labels["topic"], messages=[message])
        try:
            self._publisher().publish(request)
        except (exceptions.NotFound, exceptions.InvalidArgument, exceptions.MethodNotImplemented) as error:
            raise UndeliveredError(str(error), is_passing=False) from None
        except exceptions.GoogleAPICallError as error:
            raise UndeliveredError(str(error), is_passing=True) from None

    def _by_mail(self, labels: Mapping[str, str], payload: Mapping[str, Any]) -> None:
        try:
            self._mail.send(labels["email_address"], *composed(payload))
        except OSError as error:
            raise UndeliveredError(f"the mail was not sent: {error}", is_passing=True) from None

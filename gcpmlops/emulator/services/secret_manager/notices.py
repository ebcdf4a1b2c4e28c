"""Pub/Sub messages to a secret's topics about what happens to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from google.api_core import exceptions
from google.cloud.secretmanager_v1 import types
from google.pubsub_v1 import types as pubsub

log = logging.getLogger(__name__)


class Publisher(Protocol):
    """The part of Pub/Sub's publisher that is used here."""

    def publish(self, request: pubsub.PublishRequest) -> pubsub.PublishResponse: ...
    def get_topic(self, request: pubsub.GetTopicRequest) -> pubsub.Topic: ...


class Notices:
    """Tells a secret's topics.

    Args:
        publisher: makes Pub/Sub's publisher when a secret has topics.
        now: the emulator's clock.
    """

    def __init__(self, publisher: Callable[[], Publisher], now: Callable[[], datetime]) -> None:
        self._publisher = publisher
        self._now = now

    def check(self, secret: types.Secret) -> None:
        """Raises: FailedPrecondition for a topic that isn't there."""
        for topic in secret.topics:
            try:
                self._publisher().get_topic(pubsub.GetTopicRequest(topic=topic.name))
            except exceptions.NotFound:
                raise exceptions.FailedPrecondition(
                    f"Topic {topic.name} of {secret.name} is not found: create it first."
                ) from None

    def send(self, event: str, secret: types.Secret, version: types.SecretVersion | None = None, **more: str) -> None:
        """One message to each topic: the secret's or the version's JSON, and attributes that tell what happened.

        Args:
            event: SECRET_CREATE, SECRET_VERSION_ADD, SECRET_ROTATE, ...
            secret: with its topics.
            version: that it is about.
            more: further attributes.
        """
        if not secret.topics:
            return
        subject, kind = (secret, types.Secret) if version is None else (version, types.SecretVersion)
        attributes = {
            "eventType": event,
            "dataFormat": "JSON_API_V1",
            "secretId": secret.name,
            "timestamp": self._now().isoformat(),
            **({"versionId": version.name} if version is not None else {}),
            **more,
        }
        message = pubsub.PubsubMessage(data=kind.to_json(subject).encode(), attributes=attributes)
        for topic in secret.topics:
            try:
                self._publisher().publish(pubsub.PublishRequest(topic=topic.name, messages=[message]))
            except exceptions.GoogleAPICallError as error:  # what was done stays done: the topic was deleted since
                log.warning("topic %s was not told of %s of %s: %s", topic.name, event, secret.name, error)

"""A sink's topic: each entry is a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gcpmlops.emulator.services.logging import log_json

_MOST = 1000  # messages of a request
_BYTES = 8 << 20  # and of their texts


class TopicDestination:
    """Publishes entries.

    Args:
        publisher: Pub/Sub's service, made when first used.
        topic: `projects/P/topics/T`.
    """

    def __init__(self, publisher: Callable[[], Any], topic: str) -> None:
        self._publisher = publisher
        self._topic = topic

    def send(self, entries: Sequence[Any]) -> None:
        """Raises what Pub/Sub does."""
        from google.pubsub_v1 import types

        messages: list[Any] = []
        size = 0
        for entry in entries:
            data = log_json.dump(entry)
            if messages and (len(messages) == _MOST or size + len(data) > _BYTES):
                self._publish(messages)
                messages, size = [], 0
            attributes = {"logging.googleapis.com/timestamp": entry.timestamp.ToJsonString()}
            messages.append(types.PubsubMessage(data=data, attributes=attributes))
            size += len(data)
        if messages:
            self._publish(messages)

    def _publish(self, messages: Sequence[Any]) -> None:
        from google.pubsub_v1 import types

        self._publisher().publish(types.PublishRequest(topic=self._topic, messages=messages))

"""Publishing for other services, without their knowing Pub/Sub's messages."""

from __future__ import annotations

from google.pubsub_v1 import types

from gcpmlops.emulator.services.pubsub.broker import Broker
from gcpmlops.emulator.services.pubsub.publisher import Publisher


class Topics:
    """What Storage's notifications need."""

    def __init__(self, broker: Broker, publisher: Publisher) -> None:
        self._broker = broker
        self._publisher = publisher

    def exists(self, topic: str) -> bool:
        return self._broker.topics.find(topic) is not None

    def publish(self, topic: str, data: bytes, attributes: dict[str, str]) -> None:
        """Raises: NotFound."""
        message = types.PubsubMessage(data=data, attributes=attributes)
        self._publisher.publish(types.PublishRequest(topic=topic, messages=[message]))

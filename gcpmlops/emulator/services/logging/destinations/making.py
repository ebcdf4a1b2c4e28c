"""A sink's destination, made of the services that the emulator has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.cloud.logging_v2 import types

from gcpmlops.emulator.services.logging.delivery import Destination
from gcpmlops.emulator.services.logging.destinations.address import Address
from gcpmlops.emulator.services.logging.destinations.bigquery import DatasetDestination
from gcpmlops.emulator.services.logging.destinations.pubsub import TopicDestination
from gcpmlops.emulator.services.logging.destinations.storage import BucketDestination, Objects

if TYPE_CHECKING:
    from gcpmlops.emulator.services.bigquery.tables import Tables


@dataclass(frozen=True)
class Destinations:
    """Makes them.

    Attributes:
        publisher: Pub/Sub's service, made when first used.
        objects: Cloud Storage.
        tables: BigQuery, made when first used.
        now: the emulator's clock.
    """

    publisher: Callable[[], Any]
    objects: Objects
    tables: Callable[[], Tables]
    now: Callable[[], datetime]

    def __call__(self, where: Address, sink: types.LogSink) -> Destination:
        if where.kind == "pubsub":
            return TopicDestination(self.publisher, where.name)
        if where.kind == "storage":
            return BucketDestination(self.objects, where.name, self.now)
        return DatasetDestination(self.tables, where.name, sink)

"""Pub/Sub, and what publishes by it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services import iam_routes
from gcpmlops.emulator.services.catalog.metrics import Metrics
from gcpmlops.emulator.services.catalog.parts import made_once
from gcpmlops.emulator.state.store import Store

if TYPE_CHECKING:
    from gcpmlops.emulator.services.iam import Policies
    from gcpmlops.emulator.services.pubsub.broker import Broker
    from gcpmlops.emulator.services.pubsub.publisher import Publisher
    from gcpmlops.emulator.services.pubsub.subscriber import Subscriber
    from gcpmlops.emulator.services.pubsub.topics import Topics


class Messages(Metrics):
    """With Pub/Sub."""

    def __init__(
        self, context: Context, store: Store, authenticator: Authenticator, sockets: Path, stack: ExitStack
    ) -> None:
        super().__init__(context, store, authenticator, sockets, stack)
        self.storage.notifications.topics = lambda: self._topics

    def _pubsub(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.pubsub.schemas import Schemas

        return (self._publisher, self._subscriber, Schemas(self._context, self._broker), self._pubsub_policies)

    @made_once
    def _broker(self) -> Broker:
        from gcpmlops.emulator.services.monitoring.backlog_gauges import BacklogGauges, waiting
        from gcpmlops.emulator.services.pubsub.broker import Broker

        made: Broker = self._closed_later(Broker(self._context, self.outbound, self.logs.write))
        gauges = BacklogGauges(self._points, self._context.agenda, lambda: waiting(made.queues()))
        made.on_publish = gauges.wake
        return made

    @made_once
    def _publisher(self) -> Publisher:
        from gcpmlops.emulator.services.pubsub.publisher import Publisher

        return Publisher(self._context, self._broker, self._pubsub_policies)

    @made_once
    def _subscriber(self) -> Subscriber:
        from gcpmlops.emulator.services.pubsub.subscriber import Subscriber

        return Subscriber(self._context, self._broker, self._pubsub_policies)

    @made_once
    def _pubsub_policies(self) -> Policies:
        from gcpmlops.emulator.services.pubsub.resources import policies

        return policies(self._context, self._broker)

    @made_once
    def _topics(self) -> Topics:
        from gcpmlops.emulator.services.pubsub.topics import Topics

        return Topics(self._broker, self._publisher)

    def _pubsub_routes(self) -> tuple[JsonRoute, ...]:
        kinds = ("topics", "subscriptions", "snapshots", "schemas")
        return iam_routes.routes(
            lambda: self._pubsub_policies, *(f"/v1/{{resource=projects/*/{kind}/*}}" for kind in kinds)
        )

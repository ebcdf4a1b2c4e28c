"""Subscriptions that nobody uses for long are deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.agenda import Appointment

if TYPE_CHECKING:
    from gcpmlops.emulator.services.pubsub.broker import Broker
    from gcpmlops.emulator.services.pubsub.queues import Queue


class Expiration:
    """One appointment a subscription, at the earliest moment at which it may be out of use long enough."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._appointments: dict[str, Appointment] = {}

    def watch(self, queue: Queue) -> None:
        """From now on, by the policy that it has now."""
        self.forget(queue)
        ttl = _ttl(queue)
        if ttl:
            when = datetime.fromtimestamp(queue.last_used + ttl, UTC)
            self._appointments[queue.name] = self._broker.context.agenda.at(
                when, lambda: self._look(queue), name=queue.name
            )

    def forget(self, queue: Queue) -> None:
        """No longer."""
        before = self._appointments.pop(queue.name, None)
        if before is not None:
            before.cancel()

    def _look(self, queue: Queue) -> None:
        if queue.is_deleted:
            return
        if queue.streams:
            queue.last_used = queue.now()
        if queue.last_used + _ttl(queue) > queue.now():
            self.watch(queue)
        else:
            self._broker.delete(queue)


def _ttl(queue: Queue) -> float:
    """Seconds; 0: it never expires."""
    policy = types.Subscription.pb(queue.resource).expiration_policy
    return float(policy.ttl.ToTimedelta().total_seconds())

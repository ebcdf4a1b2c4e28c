"""What waits in Pub/Sub's subscriptions: looked at a minute after something came, and each minute while it waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.services.monitoring.descriptors import PUBSUB
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros

if TYPE_CHECKING:
    from gcpmlops.emulator.services.pubsub.queues import Queue

Waiting = tuple[str, int, float | None]  # subscription, messages, when the oldest came in seconds since 1970

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_QUIET = timedelta(hours=25)  # as long as policies look back
_SECOND = 1_000_000


class BacklogGauges:
    """Stores how many messages of each subscription are not acknowledged, and how old the oldest is.

    Args:
        points: where they are stored.
        agenda: tells the time, and when to look again.
        waiting: of every subscription.
    """

    def __init__(self, points: Points, agenda: Agenda, waiting: Callable[[], Iterable[Waiting]]) -> None:
        self._points = points
        self._agenda = agenda
        self._waiting = waiting
        self._lock = threading.Lock()
        self._is_due = False
        self._seen: list[Waiting] = []
        self._at = self._fresh = agenda.clock.now()  # when what is stored was so, and until when that will do
        self._some: datetime | None = None  # when something waited
        points.before_read.append(self.look)
        agenda.on_back.append(self._again)  # the appointment may be far away now

    def wake(self) -> None:
        """Something may wait from now on."""
        self._wake(_MINUTE)

    def look(self) -> None:
        """Stores how it is: what has changed, and each minute what waits; not again for who queries because of it."""
        with self._lock:
            now, seen = self._agenda.clock.now(), list(self._waiting())
            pause = self._pause(now, seen)
            is_known = pause is None or (seen == self._seen and self._at <= now < self._fresh)
            self._seen = seen
            if not is_known and pause is not None:
                self._at, self._fresh = now, now + pause
        if pause is not None:
            self._wake(pause)
        if not is_known:
            self._points.add([row for each in seen for row in _rows(each, micros(now))])

    def _pause(self, now: datetime, seen: list[Waiting]) -> timedelta | None:
        """Until the next look: a minute while something waits, longer and longer once nothing does; None: no more.

        Policies learn from a zero that what they watched is over; without a point they could not.
        """
        if any(count for _, count, _ in seen):
            self._some = now
        if self._some is None or not now - self._some < _QUIET:
            return None
        return min(max(_MINUTE, now - self._some), _HOUR)

    def _wake(self, after: timedelta) -> None:
        if not self._is_due:
            self._is_due = True
            self._agenda.after(after, self._again, name="what waits in subscriptions")

    def _again(self) -> None:
        self._is_due = False
        self.look()


def waiting(queues: Iterable[Queue]) -> Iterator[Waiting]:
    """Of subscriptions at work."""
    for queue in queues:
        with queue.changed:
            oldest = next((pending for pending in queue.backlog.pendings.values() if pending.left), None)
            yield queue.name, queue.backlog.size, None if oldest is None else oldest.batch.at


def _rows(found: Waiting, now: int) -> Iterable[tuple[Series, Point]]:
    subscription, count, oldest = found
    project = names.project_of(subscription)
    resource = labels({"project_id": project, "subscription_id": subscription.rpartition("/")[2]})
    age = 0 if oldest is None else max(0, now // _SECOND - int(oldest))
    for name, value in (("num_undelivered_messages", count), ("oldest_unacked_message_age", age)):
        series = Series(project, f"{PUBSUB}subscription/{name}", (), "pubsub_subscription", resource, "GAUGE", "INT64")
        yield series, Point(now, now, value)

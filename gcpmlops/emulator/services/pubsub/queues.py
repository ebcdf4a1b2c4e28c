"""One subscription at work: its backlog behind a lock, deadlines and back-offs by the clock, dead letters."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.agenda import Agenda, Appointment
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.pubsub import filters
from gcpmlops.emulator.services.pubsub.backlog import Backlog, Want
from gcpmlops.emulator.services.pubsub.batches import Batch, Batches
from gcpmlops.emulator.services.pubsub.journal import Journal
from gcpmlops.emulator.services.pubsub.lanes import Lease, Pending
from gcpmlops.emulator.services.pubsub.names import AckId, place_of

log = logging.getLogger(__name__)

DEFAULT_ATTEMPTS = 5
DeadLetter = Callable[["Queue", Lease, int], None]


class Queue:
    """Delivers one subscription's messages.

    Args:
        resource: the stored `Subscription`.
        dead_letter: publishes a message that failed too often. Raises where it can't.

    Attributes:
        changed: notified when there may be something to take, or nothing ever more.
        on_ready: called, without the lock, when there may be something to take.
        streams: how many subscribers have one open.
        last_used: when a subscriber last asked or answered, in seconds since 1970.
    """

    def __init__(
        self, resource: Any, *, clock: Clock, agenda: Agenda, journal: Journal, batches: Batches,
        dead_letter: DeadLetter,
    ) -> None:  # fmt: skip
        self.name: str = resource.name
        self.resource = resource
        self._clock = clock
        self._agenda = agenda
        self._journal = journal
        self._dead_letter = dead_letter
        self.matches = filters.compiled(resource.filter)
        self.changed = threading.Condition()
        self.backlog = Backlog(batches.messages, is_ordered=resource.enable_message_ordering)
        self.on_ready: Callable[[], None] | None = None
        self.is_deleted = False
        self.streams = 0
        self.last_used = self.now()
        self._appointment: Appointment | None = None

    @property
    def retains_acked(self) -> bool:
        return bool(self.resource.retain_acked_messages)

    @property
    def is_exact(self) -> bool:
        """Whether late acknowledgements are refused."""
        return bool(self.resource.enable_exactly_once_delivery)

    @property
    def max_attempts(self) -> int:
        """After how many failures a message goes to the dead letters; 0: never."""
        policy = types.Subscription.pb(self.resource).dead_letter_policy
        return (policy.max_delivery_attempts or DEFAULT_ATTEMPTS) if policy.dead_letter_topic else 0

    @property
    def is_pulled(self) -> bool:
        """Whether subscribers may pull from it."""
        return not self.resource.detached and not self.resource.push_config.push_endpoint

    def check_pulled(self) -> None:
        """Raises: FailedPrecondition for a subscription that is pushed, or detached."""
        if self.resource.detached:
            raise exceptions.FailedPrecondition(f"Subscription {self.name} is detached from its topic.")
        if self.resource.push_config.push_endpoint:
            raise exceptions.FailedPrecondition(
                f"This method is not supported for this subscription type: {self.name} pushes to an endpoint."
            )

    def now(self) -> float:
        """The clock's time in seconds since 1970."""
        return self._clock.now().timestamp()

    def restore(self) -> None:
        """Takes in what the store has of it: after a restart."""
        with self.changed:
            self.backlog.failures |= self._journal.failures(self.name)
            for batch, done in self._journal.backlog(self.name):
                pending = Pending.of(batch, done)
                if pending.left:
                    batch.refs += 1
                    self.backlog.add(pending)
            self._appoint()

    def add(self, pending: Pending) -> None:
        """Messages that were just published, stored already."""
        with self.changed:
            if pending.batch.id not in self.backlog.pendings:  # else a seek found it in the store already
                self.backlog.add(pending)
            self._appoint()
            self.changed.notify_all()
        self._call_ready()

    def take(self, want: Want) -> list[Lease]:
        """What is there now."""
        with self.changed:
            return self._take(want)

    def wait_for(self, want: Callable[[], Want | None], *, until: float, goes_on: Callable[[], bool]) -> list[Lease]:
        """What is there; waits for it while nothing is.

        Args:
            want: what the subscriber has room for; None: nothing now.
            until: real, monotonic time of the last look.
            goes_on: false: the subscriber has no more interest.
        """
        with self.changed:
            while goes_on() and not self.is_deleted:
                asked = want()
                taken = self._take(asked) if asked is not None else []
                left = until - monotonic()
                if taken or left <= 0:
                    return taken
                self.changed.wait(None if left == math.inf else left)
            return []

    def attempt(self, lease: Lease) -> int:
        """Which delivery of its message it is, from 1 on; 0 where no dead-letter policy has them counted."""
        return self.backlog.failures.get(lease.number, 0) + 1 if self.max_attempts else 0

    def acknowledge(self, acks: Iterable[AckId]) -> tuple[list[AckId], Future[None] | None]:
        """Messages that need no further delivery; returns those that were too late, and when it is durable."""
        late: list[AckId] = []
        touched: dict[int, Pending] = {}
        counted: dict[int, int] = {}
        with self.changed:
            self.last_used = self.now()
            for ack in acks:
                number, index = place_of(ack.message)
                pending = self.backlog.pendings.get(number)
                if pending is None or index >= len(pending.done) or self._is_late(ack, pending, index):
                    late.append(ack)
                    continue
                if ack.message in self.backlog.failures and self.max_attempts:
                    counted[ack.message] = 0
                touched[number] = pending
                self._released(self.backlog.acknowledge(pending, index))
            self.changed.notify_all()
        if counted:
            self._journal.note_failures(self, counted)
        return late, self._journal.note(self, touched.values()) if touched else None

    def extend(self, acks: Iterable[AckId], seconds: int) -> list[AckId]:
        """Moves deadlines to so many seconds from now; 0 has the messages delivered again. Returns who was too late."""
        leases, late = [], []
        with self.changed:
            self.last_used = self.now()
            for ack in acks:
                lease = self.backlog.leased(ack.message)
                if lease is None or lease.token != ack.token:
                    late.append(ack)
                else:
                    leases.append(lease)
            if seconds:
                self.backlog.extend(leases, self.now() + seconds)
                self._appoint()
        if not seconds:
            self.fail(leases)
        return late

    def fail(self, leases: Sequence[Lease]) -> None:
        """Deliveries that came to nothing: again, later, or to the dead letters."""
        dead: list[tuple[Lease, int]] = []
        counted: dict[int, int] = {}
        with self.changed:
            for lease in leases:
                if self.backlog.leased(lease.number) is not lease or lease.is_dead:
                    continue
                failed = self.backlog.failures.get(lease.number, 0) + 1
                if self.max_attempts and failed >= self.max_attempts:
                    lease.deadline, lease.is_dead = math.inf, True
                    dead.append((lease, failed))
                else:
                    counted |= self._again(lease)
            self._appoint()
            self.changed.notify_all()
        if counted:
            self._journal.note_failures(self, counted).result()
        for lease, failed in dead:
            self._bury(lease, failed)
        self._call_ready()

    def change(self, resource: Any) -> None:
        """Goes by another `Subscription` from now on."""
        with self.changed:
            self.resource = resource
            self._appoint()
            self.changed.notify_all()
        self._call_ready()

    def replace(self, pendings: list[Pending]) -> None:
        """Starts anew with another backlog."""
        with self.changed:
            self._drop_pendings()
            for lease in self.backlog.replace(pendings):
                self._released(lease)
            for pending in pendings:
                pending.batch.refs += 1
            self._appoint()
            self.changed.notify_all()
        self._call_ready()

    def clock_set_back(self) -> None:
        """What waited for times that are far off again comes now."""
        with self.changed:
            if self._appointment is not None:
                self._appointment.cancel()
                self._appointment = None
            self.last_used = self.now()
            self.backlog.release(math.inf)
            overdue = self.backlog.overdue(math.inf)
        self.fail(overdue)

    def close(self) -> None:
        """Ends all that wait for it."""
        with self.changed:
            self.is_deleted = True
            if self._appointment is not None:
                self._appointment.cancel()
            self._drop_pendings()
            self.changed.notify_all()

    def _drop_pendings(self) -> None:
        for pending in self.backlog.pendings.values():
            if not pending.is_over:
                pending.is_over = True
                pending.batch.refs -= 1

    def _take(self, want: Want) -> list[Lease]:
        self.last_used = self.now()
        taken = self.backlog.take(want)
        if taken and want.owner is not None:
            want.owner.took(taken)
        self._appoint()
        return taken

    def _is_late(self, ack: AckId, pending: Pending, index: int) -> bool:
        """Whether its delivery has ended, where that matters: deliveries are exactly once, or a key's come in order."""
        lease = self.backlog.leased(ack.message)
        if lease is not None and lease.token == ack.token:
            return False
        return self.is_exact or self.backlog.is_keyed(pending, index)

    def _again(self, lease: Lease) -> dict[int, int]:
        for ended in self.backlog.fail(lease, self._until):
            self._released(ended)
        return {lease.number: self.backlog.failures[lease.number]} if self.max_attempts else {}

    def _until(self, failed: int) -> float:
        """When a message may be delivered again that failed so often; 0: at once."""
        resource = types.Subscription.pb(self.resource)
        push = bool(resource.push_config.push_endpoint)
        if not resource.HasField("retry_policy") and not push:
            return 0
        least, most = _backoffs(resource.retry_policy) if resource.HasField("retry_policy") else (0.1, 60.0)
        return self.now() + min(most, least * 2.0 ** min(failed - 1, 30))

    def _released(self, lease: Lease | None) -> None:
        if lease is not None and lease.owner is not None:
            lease.owner.gave(lease)

    def _bury(self, lease: Lease, failed: int) -> None:
        try:
            self._dead_letter(self, lease, failed)
        except exceptions.GoogleAPICallError as error:
            log.warning("%s: a message can't be dead-lettered: %s", self.name, error.message)
            with self.changed:
                if self.backlog.leased(lease.number) is lease:
                    self._again(lease)
                self._appoint()
            return
        _, stored = self.acknowledge([AckId(lease.number, lease.token)])
        if stored is not None:
            stored.result()

    def _appoint(self) -> None:
        """Sees to it that what comes next is seen to."""
        moment = min(self.backlog.next_moment(), self._oldest_expires())
        before = self._appointment
        if moment == math.inf or self.is_deleted or (before is not None and before.when.timestamp() <= moment):
            return
        if before is not None:
            before.cancel()
        when = datetime.fromtimestamp(math.ceil(moment * 1e6) / 1e6, UTC)
        self._appointment = self._agenda.at(when, self._due, name=self.name)

    def _due(self) -> None:
        with self.changed:
            self._appointment = None
            now = self.now()
            self.backlog.release(now)
            overdue = self.backlog.overdue(now)
            expired = self._expire(now)
        self._journal.note(self, expired)
        self.fail(overdue)

    def _oldest_expires(self) -> float:
        oldest = next(iter(self.backlog.pendings.values()), None)
        return math.inf if oldest is None else oldest.batch.at + self.retention

    @property
    def retention(self) -> float:
        """Seconds for which a message is kept."""
        return float(types.Subscription.pb(self.resource).message_retention_duration.ToTimedelta().total_seconds())

    def _expire(self, now: float) -> list[Pending]:
        expired: list[Pending] = []
        for pending in list(self.backlog.pendings.values()):
            if pending.batch.at + self.retention > now:
                break
            for index in range(len(pending.done)):
                self._released(self.backlog.acknowledge(pending, index))
            expired.append(pending)
        return expired

    def _call_ready(self) -> None:
        if self.on_ready is not None:
            self.on_ready()


def done_flags(matches: Callable[[Any], bool], messages: Collection[Any]) -> bytes:
    """A 1 for each message that a filter keeps out."""
    return bytes(not matches(message.attributes) for message in messages)


def _backoffs(policy: Any) -> tuple[float, float]:
    """Least and most seconds; 10 and 600 by default."""
    least = policy.minimum_backoff.ToTimedelta().total_seconds() if policy.HasField("minimum_backoff") else 10.0
    most = policy.maximum_backoff.ToTimedelta().total_seconds() if policy.HasField("maximum_backoff") else 600.0
    return least, most


def new_pending(queue: Queue, batch: Batch, messages: Collection[Any]) -> Pending | None:
    """What a subscription gets of a batch; None: nothing."""
    if queue.matches is None:
        return Pending.of(batch)
    pending = Pending.of(batch, done_flags(queue.matches, messages))
    return pending if pending.left else None

"""What one subscription has yet to deliver: a plain data structure, without threads, times given from outside."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gcpmlops.emulator.services.pubsub.batches import Batch
from gcpmlops.emulator.services.pubsub.lanes import Item, Lane, Lease, Pending
from gcpmlops.emulator.services.pubsub.names import message_number


@dataclass(frozen=True)
class Want:
    """What a subscriber takes.

    Attributes:
        messages: at most.
        size: bytes at most, but for the first message.
        deadline: of the acknowledgements, in seconds since 1970.
        owner: the stream that asks.
        one_by_one: never two of one ordering key at a time.
    """

    messages: int
    size: float = math.inf
    deadline: float = math.inf
    owner: Any = None
    one_by_one: bool = False


class Backlog:
    """Messages that wait, that are out, and that are held back after a failure.

    Args:
        messages: a batch's `PubsubMessage`s.
        is_ordered: whether ordering keys are kept to.

    Attributes:
        pendings: by batch, oldest first.
        failures: how often each message failed, where it did.
    """

    def __init__(self, messages: Callable[[Batch], Any], *, is_ordered: bool) -> None:
        self._messages = messages
        self._is_ordered = is_ordered
        self._ready: deque[Item | Lane] = deque()
        self._lanes: dict[str, Lane] = {}
        self._leases: dict[int, Lease] = {}
        self._due: list[tuple[float, int, list[int]]] = []  # deadlines, and the messages that had them
        self._held: list[tuple[float, int, Item | Lane]] = []  # what waits for its back-off
        self._tokens = itertools.count(1)
        self.pendings: dict[int, Pending] = {}
        self.failures: dict[int, int] = {}

    @property
    def ready(self) -> int:
        """How many messages, or keys with messages, may be there to take."""
        return len(self._ready)

    @property
    def size(self) -> int:
        """How many messages are not acknowledged."""
        return sum(pending.left for pending in self.pendings.values())

    def is_keyed(self, pending: Pending, index: int) -> bool:
        """Whether a message has to keep to an order."""
        return self._is_ordered and bool(self._messages(pending.batch)[index].ordering_key)

    def leased(self, number: int) -> Lease | None:
        """The delivery that a message is in."""
        return self._leases.get(number)

    def add(self, pending: Pending) -> None:
        """Messages to deliver after those that are there."""
        self.pendings[pending.batch.id] = pending
        items: Iterable[Item] = ((pending, index) for index, done in enumerate(pending.done) if not done)
        if not self._is_ordered:
            self._ready.extend(items)
            return
        messages = self._messages(pending.batch)
        for item in items:
            key = messages[item[1]].ordering_key
            self._queue(item, self._lanes.setdefault(key, Lane(key)) if key else None)

    def take(self, want: Want) -> list[Lease]:
        """What a subscriber gets now: it is out until it is acknowledged, fails, or its deadline passes."""
        taken: list[Lease] = []
        left = want.size
        for item, lane in self._next(want):
            pending, index = item
            message = self._messages(pending.batch)[index]
            size = message.ByteSize()
            if taken and size > left:
                self._put_back(item, lane)
                break
            taken.append(self._lease(item, lane, message, want))
            left -= size
            if len(taken) >= want.messages or left <= 0:
                break
        self._note(want.deadline, [lease.number for lease in taken])
        return taken

    def acknowledge(self, pending: Pending, index: int) -> Lease | None:
        """A message needs no further delivery; returns the delivery that it was in."""
        if pending.done[index]:
            return None
        pending.done[index] = 1
        pending.left -= 1
        number = message_number(pending.batch.id, index)
        self.failures.pop(number, None)
        if not pending.left:
            self.pendings.pop(pending.batch.id, None)
        lease = self._leases.pop(number, None)
        if lease is not None and lease.lane is not None:
            self._left(lease.lane, number)
        return lease

    def extend(self, leases: Collection[Lease], deadline: float) -> None:
        """Gives them until another moment."""
        for lease in leases:
            lease.deadline = deadline
        self._note(deadline, [lease.number for lease in leases])

    def fail(self, lease: Lease, until: Callable[[int], float]) -> list[Lease]:
        """Has a message delivered again, and those of its key that went out after it.

        Args:
            lease: the delivery that failed.
            until: when it may be, by how often it failed: seconds since 1970; 0 is at once.

        Returns: all deliveries that ended by it.
        """
        number = lease.number
        failed = self.failures[number] = self.failures.get(number, 0) + 1
        when = until(failed)
        if lease.lane is not None:
            return self._rewind(lease.lane, number, when)
        del self._leases[number]
        item = (lease.pending, lease.index)
        if when:
            self._hold(item, when)
        else:
            self._ready.append(item)
        return [lease]

    def overdue(self, now: float) -> list[Lease]:
        """Deliveries whose deadline has passed: each has yet to ``fail``."""
        passed: list[Lease] = []
        while self._due and self._due[0][0] <= now:
            deadline, _, numbers = heapq.heappop(self._due)
            leases = (self._leases.get(number) for number in numbers)
            passed += [lease for lease in leases if lease is not None and lease.deadline == deadline]
        return passed

    def release(self, now: float) -> None:
        """Makes ready what was held back until now."""
        while self._held and self._held[0][0] <= now:
            what = heapq.heappop(self._held)[2]
            if isinstance(what, Lane):
                what.is_held = False
                self._offer(what)
            else:
                self._ready.append(what)

    def next_moment(self) -> float:
        """When a deadline or a back-off ends next; infinite without any."""
        if not self._leases:
            self._due.clear()
        return min(self._due[0][0] if self._due else math.inf, self._held[0][0] if self._held else math.inf)

    def replace(self, pendings: Iterable[Pending]) -> list[Lease]:
        """Starts anew with another backlog; returns the deliveries that this ended."""
        ended = list(self._leases.values())
        for parts in (self._ready, self._lanes, self._leases, self._due, self._held, self.pendings, self.failures):
            parts.clear()
        for pending in pendings:
            self.add(pending)
        return ended

    def _next(self, want: Want) -> Iterator[tuple[Item, Lane | None]]:
        """What is ready, in order; lanes that another subscriber is at stay where they are."""
        aside: list[Lane] = []
        try:
            while self._ready:
                first = self._ready.popleft()
                if not isinstance(first, Lane):
                    if not first[0].done[first[1]]:
                        yield first, None
                elif first.is_held:
                    first.is_ready = False  # offered again when its time comes
                elif first.is_free_for(want.owner, want.one_by_one):
                    first.is_ready = False
                    yield from self._of_lane(first, want)
                else:
                    aside.append(first)
        finally:
            self._ready.extendleft(reversed(aside))

    def _of_lane(self, lane: Lane, want: Want) -> Iterator[tuple[Item, Lane]]:
        try:
            while lane.waiting and lane.is_free_for(want.owner, want.one_by_one):
                pending, index = lane.waiting.popleft()
                if not pending.done[index]:
                    lane.owner = want.owner
                    yield (pending, index), lane
        finally:
            if not want.one_by_one or not lane.out:
                self._offer(lane)

    def _put_back(self, item: Item, lane: Lane | None) -> None:
        if lane is None:
            self._ready.appendleft(item)
        else:
            lane.waiting.appendleft(item)
            self._offer(lane)

    def _lease(self, item: Item, lane: Lane | None, message: Any, want: Want) -> Lease:
        pending, index = item
        number = message_number(pending.batch.id, index)
        lease = Lease(
            pending, index, message, number, next(self._tokens), want.deadline, message.ByteSize(), lane, want.owner
        )
        self._leases[number] = lease
        if lane is not None:
            lane.out[number] = None
        return lease

    def _note(self, deadline: float, numbers: list[int]) -> None:
        if numbers and deadline != math.inf:
            heapq.heappush(self._due, (deadline, next(self._tokens), numbers))

    def _hold(self, what: Item | Lane, when: float) -> None:
        heapq.heappush(self._held, (when, next(self._tokens), what))

    def _queue(self, item: Item, lane: Lane | None) -> None:
        if lane is None:
            self._ready.append(item)
        else:
            lane.waiting.append(item)
            self._offer(lane)

    def _offer(self, lane: Lane) -> None:
        if lane.waiting and not lane.is_held and not lane.is_ready:
            lane.is_ready = True
            self._ready.append(lane)
        elif not lane.waiting and not lane.out:
            self._lanes.pop(lane.key, None)

    def _left(self, lane: Lane, number: int) -> None:
        lane.out.pop(number, None)
        self._offer(lane)

    def _rewind(self, lane: Lane, number: int, when: float) -> list[Lease]:
        again = [later for later in lane.out if later >= number]
        ended = []
        for later in reversed(again):
            del lane.out[later]
            lease = self._leases.pop(later)
            lane.waiting.appendleft((lease.pending, lease.index))
            ended.append(lease)
        if when:
            lane.is_held = True
            self._hold(lane, when)
        self._offer(lane)
        return ended

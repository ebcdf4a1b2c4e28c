"""The messages of one ordering key: delivered in order, and again in order from one that failed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from gcpmlops.emulator.services.pubsub.batches import Batch


@dataclass(slots=True)
class Pending:
    """What a subscription has yet to get of a batch; ``done`` has a 1 for each message that needs nothing more.

    ``is_over`` once the store knows that nothing is left.
    """

    batch: Batch
    done: bytearray
    left: int
    is_over: bool = False

    @classmethod
    def of(cls, batch: Batch, done: bytes | None = None) -> Pending:
        flags = bytearray(batch.count) if done is None else bytearray(done)
        return cls(batch, flags, flags.count(0))


Item = tuple[Pending, int]  # a message: of a batch, by its index


@dataclass(slots=True)
class Lease:
    """A message that is with a subscriber.

    Attributes:
        message: the `PubsubMessage`.
        deadline: of its acknowledgement, in seconds since 1970; infinite for a pushed one.
        owner: the stream that holds it; None for a pulled or pushed one.
        is_dead: it failed for the last time, and is on its way to the dead letters.
    """

    pending: Pending
    index: int
    message: Any
    number: int
    token: int
    deadline: float
    size: int
    lane: Lane | None
    owner: Any
    is_dead: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """One ordering key.

    Attributes:
        waiting: what comes next, in order.
        out: the numbers that are with a subscriber, in order.
        owner: who has them: whoever else asks gets none meanwhile.
        is_ready: whether it stands in the backlog's queue.
        is_held: whether it waits for a message's back-off.
    """

    key: str
    waiting: deque[Item] = field(default_factory=deque)
    out: dict[int, None] = field(default_factory=dict)
    owner: Any = None
    is_ready: bool = False
    is_held: bool = False

    def is_free_for(self, owner: Any, one_by_one: bool) -> bool:
        return not self.out or (not one_by_one and self.owner is owner)

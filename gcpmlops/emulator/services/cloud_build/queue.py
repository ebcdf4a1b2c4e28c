"""The turns of builds: so many run at a time, the others wait for a while."""

from __future__ import annotations

import threading
from enum import Enum

from gcpmlops.emulator.runtimes.cancellation import Cancellation


class Turn(Enum):
    """What came of waiting."""

    TAKEN = "taken"  # to be given back
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Turns:
    """`count` of them, first come, first served."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._changed = threading.Condition()
        self._waiting: list[object] = []

    def take(self, cancellation: Cancellation, patience_s: float) -> Turn:
        """Waits for a turn, that long at most."""
        own = object()
        with cancellation.calls(self._notify), self._changed:
            self._waiting.append(own)
            self._changed.wait_for(
                lambda: cancellation.requested or (self._free and self._waiting[0] is own), timeout=patience_s
            )
            is_first = self._waiting[0] is own
            self._waiting.remove(own)
            self._changed.notify_all()
            if cancellation.requested:
                return Turn.CANCELLED
            if not (self._free and is_first):
                return Turn.EXPIRED
            self._free -= 1
            return Turn.TAKEN

    def give_back(self) -> None:
        """The build has ended."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

"""First come, first served: at most so many jobs at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable


class JobQueue:
    """Starts jobs as slots come free. Names are unique; `start` must return soon."""

    def __init__(self, slots: int) -> None:
        self._free = max(1, slots)
        self._waiting: OrderedDict[str, Callable[[], None]] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, name: str, start: Callable[[], None]) -> None:
        """Starts the job now, or when those before it have."""
        with self._lock:
            self._waiting[name] = start
        self._advance()

    def withdraw(self, name: str) -> bool:
        """Takes back a job that has not started; False where it has."""
        with self._lock:
            return self._waiting.pop(name, None) is not None

    def clear(self) -> None:
        """Starts nothing any more."""
        with self._lock:
            self._waiting.clear()
            self._free = -(1 << 30)

    def released(self) -> None:
        """A job has ended: its slot goes to the next."""
        with self._lock:
            self._free += 1
        self._advance()

    def _advance(self) -> None:
        while start := self._next():
            start()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._free <= 0 or not self._waiting:
                return None
            self._free -= 1
            return self._waiting.popitem(last=False)[1]

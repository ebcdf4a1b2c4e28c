"""One lock per resource name, for read-modify-write that spans several store calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Locks:
    """Re-entrant locks by name, kept only while somebody holds or awaits them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.RLock, int]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        lock = self._enter(name)
        try:
            with lock:
                yield
        finally:
            self._leave(name)

    def _enter(self, name: str) -> threading.RLock:
        with self._guard:
            lock, users = self._locks.get(name) or (threading.RLock(), 0)
            self._locks[name] = (lock, users + 1)
            return lock

    def _leave(self, name: str) -> None:
        with self._guard:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)

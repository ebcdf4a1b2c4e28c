"""One wish to stop, told to whatever runs at the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Cancelled(Exception):  # noqa: N818 - a state, not an error
    """The work was cancelled."""


class Cancellation:
    """Passed down through the phases of a job; `request` reaches the phase that runs, and those still to come."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._requested.is_set()

    def request(self) -> None:
        """Asks everything to stop."""
        with self._lock:
            self._requested.set()
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def check(self) -> None:
        """Raises Cancelled once requested."""
        if self.requested:
            raise Cancelled

    def wait(self, seconds: float) -> bool:
        """Waits for the request, that long at most."""
        return self._requested.wait(seconds)

    @contextmanager
    def calls(self, listener: Callable[[], None]) -> Iterator[None]:
        """Within the block a request calls `listener`, at once where it was made before."""
        with self._lock:
            self._listeners.append(listener)
            already = self.requested
        if already:
            listener()
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

"""The injected clock. Tokens and certificates do not use it: their validity is real time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where every service reads the time."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """Stands still until it is advanced."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        with self._lock:
            self._now += by
            return self._now


class TravelClock:
    """Runs like real time, ``offset`` away from it, or stands still; it can be set, and tells who listens.

    Attributes:
        listeners: called after every change that is not the mere passing of time, by the thread that made it.
    """

    def __init__(self, *, offset: timedelta = timedelta(0), frozen: datetime | None = None) -> None:
        self._state = (offset, frozen)  # replaced whole: readers need no lock
        self.listeners: list[Callable[[], None]] = []

    @property
    def offset(self) -> timedelta:
        """How far it is ahead of real time while it runs."""
        return self._state[0]

    @property
    def frozen(self) -> datetime | None:
        """Where it stands still; None: it runs."""
        return self._state[1]

    def now(self) -> datetime:
        offset, frozen = self._state
        return datetime.now(UTC) + offset if frozen is None else frozen

    def set(self, moment: datetime) -> None:
        """Makes it ``moment``; a clock that runs goes on from there, one that stands still stands there."""
        frozen = None if self._state[1] is None else moment
        self._change(moment - datetime.now(UTC), frozen)

    def freeze(self) -> None:
        """Stops it where it is."""
        now = self.now()
        self._change(now - datetime.now(UTC), now)

    def run(self) -> None:
        """Lets it go on from where it stands."""
        if self.frozen is not None:
            self._change(self.frozen - datetime.now(UTC), None)

    def seconds_until(self, moment: datetime) -> float | None:
        """Real seconds until it is ``moment``; None while it stands still before it."""
        left = (moment - self.now()).total_seconds()
        return None if self.frozen is not None and left > 0 else max(0.0, left)

    def _change(self, offset: timedelta, frozen: datetime | None) -> None:
        self._state = (offset, frozen)
        for listener in list(self.listeners):
            listener()

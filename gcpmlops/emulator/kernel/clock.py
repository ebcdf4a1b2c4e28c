"""The injected clock. Tokens and certificates do not use it: their validity is real time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class ClockState:
    """What a clock shows: real time and `offset`, or `stands_at`.

    Attributes:
        offset: how far it is ahead of real time while it runs.
        stands_at: where it stands still; None: it runs.
        is_held: it stands only because somebody moves it step by step, and will run again.
    """

    offset: timedelta = timedelta(0)
    stands_at: datetime | None = None
    is_held: bool = False

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset if self.stands_at is None else self.stands_at


class TravelClock:
    """Runs like real time, ``offset`` away from it, or stands still; it can be set, and tells who listens.

    Attributes:
        listeners: called after every change that is not the mere passing of time, by the thread that made it.
    """

    def __init__(self, *, offset: timedelta = timedelta(0), frozen: datetime | None = None) -> None:
        self._state = ClockState(offset, None if frozen is None else frozen.astimezone(UTC))
        self._lock = threading.Lock()  # for changes; readers take the state whole
        self.listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> ClockState:
        """All that there is to know about it, of one moment."""
        return self._state

    @property
    def offset(self) -> timedelta:
        """How far it is ahead of real time while it runs."""
        return self._state.offset

    @property
    def frozen(self) -> datetime | None:
        """Where it stands still; None: it runs."""
        return self._state.stands_at

    def now(self) -> datetime:
        return self._state.now()

    def set(self, moment: datetime) -> None:
        """Makes it ``moment``; a clock that runs goes on from there, one that stands still stands there."""
        moment = moment.astimezone(UTC)

        def change(state: ClockState) -> ClockState:
            stands_at = None if state.stands_at is None else moment
            return replace(state, offset=moment - datetime.now(UTC), stands_at=stands_at)

        self._change(change)

    def freeze(self) -> None:
        """Stops it where it is, until ``run``."""
        self._change(lambda state: _stopped(state, is_held=False))

    def run(self) -> None:
        """Lets it go on from where it stands."""
        self._change(_running)

    def hold(self) -> None:
        """Stops it for who moves it; a clock that stands already stays as it is."""
        self._change(lambda state: state if state.stands_at is not None else _stopped(state, is_held=True))

    def release(self) -> None:
        """The other half of ``hold``: what ran before runs on."""
        self._change(lambda state: _running(state) if state.is_held else state)

    def seconds_until(self, moment: datetime) -> float | None:
        """Real seconds until it is ``moment``; None while it stands still before it."""
        state = self._state
        left = (moment - state.now()).total_seconds()
        return None if state.stands_at is not None and left > 0 else max(0.0, left)

    def _change(self, change: Callable[[ClockState], ClockState]) -> None:
        with self._lock:
            self._state = change(self._state)
        for listener in list(self.listeners):
            listener()


def _stopped(state: ClockState, *, is_held: bool) -> ClockState:
    now = state.now()
    return ClockState(now - datetime.now(UTC), now, is_held)


def _running(state: ClockState) -> ClockState:
    if state.stands_at is None:
        return state
    return ClockState(state.stands_at - datetime.now(UTC))

"""When a time series meets a condition: what a look at it changes, and when the next one is due (microseconds)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

Missing = Literal["NO_OP", "INACTIVE", "ACTIVE"]

MINUTE = 60_000_000
DAY = 1440 * MINUTE


@dataclass(frozen=True)
class State:
    """What is known of a time series.

    Attributes:
        last: the end of its newest point.
        since: it violates since then, without a break; None: it does not.
        met: for so long that the condition is met.
        spent: an incident was closed for want of data: only new data count again.
    """

    last: int
    since: int | None = None
    met: bool = False
    spent: bool = False


class Rule(Protocol):
    """What makes a time series meet a condition."""

    @property
    def patience(self) -> int:
        """How much longer than `auto_close` an incident stays open without data."""

    def look(self, state: State | None, value: float | None, last: int, now: int) -> State:
        """The state after a look: `value` is None where there is none now, `last` is the newest point's end."""

    def due(self, state: State, now: int) -> int | None:
        """When the state changes although no point comes; None: it doesn't."""

    def is_over(self, state: State) -> bool:
        """Whether the series can be forgotten."""


@dataclass(frozen=True)
class Threshold:
    """A value beyond a threshold for as long as `duration`.

    Attributes:
        violates: tells it of an aligned value.
        duration: 0: one value is enough.
        period: of the alignment; a series that has no value for one period more lacks data.
        missing: what is thought of a series that lacks data.
    """

    violates: Callable[[float], bool]
    duration: int
    period: int
    missing: Missing = "NO_OP"

    @property
    def patience(self) -> int:
        return DAY if self.missing == "ACTIVE" else 0

    def look(self, state: State | None, value: float | None, last: int, now: int) -> State:
        state = replace(state, last=max(last, state.last)) if state else State(last)
        if value is not None:
            return self._violating(replace(state, spent=False), now) if self.violates(value) else State(state.last)
        if state.spent or now < self._missing_from(state):
            return state
        if self.missing == "ACTIVE":
            return self._violating(state, now, since=state.last)
        return state if self.missing == "NO_OP" and state.met else State(state.last)

    def due(self, state: State, now: int) -> int | None:
        missing, met_at = self._missing_from(state), (state.since or 0) + self.duration
        times = [missing]
        if state.since is not None and not state.met:
            times.append(met_at)
        if self.missing == "ACTIVE" and not state.met and not state.spent:
            times.append(max(missing, state.last + self.duration))
        return earliest(times, now)

    def is_over(self, state: State) -> bool:
        return not state.met and state.since is None and self.missing != "ACTIVE"

    def _violating(self, state: State, now: int, since: int | None = None) -> State:
        since = (now if since is None else since) if state.since is None else state.since
        return replace(state, since=since, met=state.met or now - since >= self.duration)

    def _missing_from(self, state: State) -> int:
        return state.last + 2 * self.period


@dataclass(frozen=True)
class Absence:
    """No point for as long as `duration`, of a series that had some."""

    duration: int

    @property
    def patience(self) -> int:
        return 0

    def look(self, state: State | None, value: float | None, last: int, now: int) -> State:
        if state is None or last > state.last:
            state = State(last)
        return replace(state, met=not state.spent and now - state.last >= self.duration)

    def due(self, state: State, now: int) -> int | None:
        return None if state.spent else earliest([state.last + self.duration], now)

    def is_over(self, state: State) -> bool:
        return False


def earliest(times: Iterable[int | None], now: int) -> int | None:
    """The first of the moments that are still to come."""
    return min((time for time in times if time is not None and time > now), default=None)

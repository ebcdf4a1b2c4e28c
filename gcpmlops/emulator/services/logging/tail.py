"""A tail of the log: what arrives and passes a filter, held for a while to come out in the order of its timestamps."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from google.cloud.logging_v2 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.logging import query
from gcpmlops.emulator.services.logging.entries import Entries

_POLL_S = 1.0  # between looks at whether a tailing client is still there
_LONGEST_S = 60.0


class Tail:
    """Entries that arrive after it is made.

    Args:
        entries: the log.
        parents: `projects/P`, several.
        text: the filter.
        window_s: how long each entry is held back, so that late ones with earlier timestamps come before it.
    """

    def __init__(self, entries: Entries, parents: Sequence[str], text: str, window_s: float) -> None:
        self._entries = entries
        self._parents = parents
        self._matches = query.compiled(text)  # one that doesn't parse is refused at once
        self._window_s = window_s
        self._seen = entries.last()
        self._held: list[tuple[Any, int, float, types.LogEntry]] = []  # by timestamp, then arrival; due when
        self._order = count()

    def batches(self, goes_on: Callable[[], bool]) -> Iterator[list[types.LogEntry]]:
        """Entries as they become due, while `goes_on`."""
        while goes_on():
            more = self._fetch()
            if due := self._due():
                yield due
            elif not more:
                self._entries.wait(self._seen, self._pause())

    def _fetch(self) -> bool:
        """Takes what has arrived; whether there was anything."""
        rows = self._entries.since(self._parents, self._seen)
        due = time.monotonic() + self._window_s
        for row in rows:
            entry = types.LogEntry.deserialize(row["body"])
            if self._matches(entry):
                heapq.heappush(self._held, (row["at"], next(self._order), due, entry))
        if rows:
            self._seen = rows[-1]["seq"]
        return bool(rows)

    def _due(self) -> list[types.LogEntry]:
        """All that has been held long enough, and what stands before it in time."""
        now = time.monotonic()
        ripe = [at for at, _, due, _ in self._held if due <= now]
        found = []
        while ripe and self._held and self._held[0][0] <= max(ripe):
            found.append(heapq.heappop(self._held)[3])
        return found

    def _pause(self) -> float:
        first = min((due for _, _, due, _ in self._held), default=None)
        return _POLL_S if first is None else max(0.0, min(_POLL_S, first - time.monotonic()))


def window_s(given: timedelta | None) -> float:
    """The buffer window of a request in seconds; none is 0: nothing comes late here.

    Raises: InvalidArgument.
    """
    seconds = given.total_seconds() if given is not None else 0.0
    if not 0 <= seconds <= _LONGEST_S:
        raise validate.invalid("buffer_window", f"{seconds:g} seconds, 0 to {_LONGEST_S:g} are allowed.")
    return seconds

"""What is counted as it happens, one point of each series for every minute that has some."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Point, Series, Value, micros

K = TypeVar("K")
_MINUTE = timedelta(minutes=1)


class Minutes(Generic[K]):
    """Tallies by key, which become points of DELTA metrics when a minute is over, and when somebody queries.

    Args:
        points: where they are stored.
        agenda: tells the time, and when a minute is over.
        values: the series of a tally, each with its value.
        name: of what is counted: what a clock that is moved waits for.
    """

    def __init__(
        self, points: Points, agenda: Agenda, values: Callable[[K, Any], Iterable[tuple[Series, Value]]], *, name: str
    ) -> None:
        self._points = points
        self._agenda = agenda
        self._values = values
        self._name = name
        self._counting = threading.Lock()
        self._storing = threading.RLock()
        self._tallies: dict[K, Any] = {}
        self._since: datetime | None = None
        self._is_due = False  # there is an appointment
        points.before_read.append(self.flush)
        agenda.on_back.append(self._over)  # the appointment may be far away now

    def change(self, edit: Callable[[dict[K, Any]], None]) -> None:
        """Counts: `edit` gets the minute's tallies."""
        with self._counting:
            edit(self._tallies)
            self._since = self._since or self._agenda.clock.now()
            is_due, self._is_due = self._is_due, True
        if not is_due:
            self._agenda.after(_MINUTE, self._over, name=self._name)

    def flush(self) -> None:
        """Returns when everything that was counted so far is stored."""
        with self._storing:
            with self._counting:
                tallies, since, self._tallies, self._since = self._tallies, self._since, {}, None
            if since is not None:
                end = micros(max(since, min(self._agenda.clock.now(), since + _MINUTE)))
                start = min(micros(since), end - 1)
                found = [each for key, tally in tallies.items() for each in self._values(key, tally)]
                self._points.add([(series, Point(start, end, value)) for series, value in found])

    def _over(self) -> None:
        with self._counting:
            self._is_due = False
        self.flush()

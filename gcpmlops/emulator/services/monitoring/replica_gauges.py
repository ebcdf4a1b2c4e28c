"""How many replicas serve each deployed model: Vertex AI's gauges `replicas` and `target_replicas`."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.monitoring.endpoint_series import DisplayNames, EndpointSeries
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Point, Series, micros

log = logging.getLogger(__name__)

Seen = tuple[str, str, int, int]  # endpoint, deployed model id, healthy replicas, replicas that there are to be

_PERIOD_S = 10.0
_FRESH = timedelta(seconds=60)  # what is as it was is stored only so often


class ReplicaGauges:
    """Looks every ten seconds, and when somebody queries; stores each minute, and what has changed.

    Args:
        points: where they are stored.
        clock: the emulator's.
        display_names: of a deployed model and its endpoint, for the labels. Raises NotFound.
        replicas: of every deployed model.
    """

    def __init__(
        self, points: Points, clock: Clock, display_names: DisplayNames, replicas: Callable[[], Iterable[Seen]]
    ) -> None:
        self._points = points
        self._clock = clock
        self._series = EndpointSeries(display_names)
        self._replicas = replicas
        self._lock = threading.Lock()
        self._stored: tuple[datetime, list[Seen]] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replica-gauges", daemon=True)
        points.before_read.append(self.look)

    def start(self) -> None:
        """From now on; nothing where it goes on already."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()

    def look(self) -> None:
        """Returns when how it is now, if nobody knows yet, is stored."""
        with self._lock:
            now, found = self._clock.now(), list(self._replicas())
            if not self._is_known(now, found):
                self._points.add([row for seen in found for row in self._rows(seen, micros(now))])
                self._stored = now, found

    def close(self) -> None:
        """Ends the thread."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _is_known(self, now: datetime, found: list[Seen]) -> bool:
        at, stored = self._stored or (now, [])
        return found == stored and (not found or at <= now < at + _FRESH)

    def _run(self) -> None:
        while not self._closed.wait(_PERIOD_S):
            try:
                self.look()
            except sqlite3.Error:
                log.exception("replica counts could not be stored")

    def _rows(self, seen: Seen, now: int) -> Iterator[tuple[Series, Point]]:
        endpoint, deployed, healthy, target = seen
        for name, count in (("replicas", healthy), ("target_replicas", target)):
            yield self._series((endpoint, deployed), name, "GAUGE", "INT64"), Point(now, now, count)

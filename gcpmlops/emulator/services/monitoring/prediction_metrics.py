"""What endpoints do, as Vertex AI's metrics `prediction/online/*`: gathered in memory, stored each second."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.monitoring.endpoint_series import DisplayNames, EndpointSeries, Key
from gcpmlops.emulator.services.monitoring.latencies import Latencies
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Point, Series, Value, micros

log = logging.getLogger(__name__)

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)  # as long each second has its point, then each minute


@dataclass
class _Tally:
    """What one deployed model did in a second, or in the part of it until somebody asked."""

    first: datetime
    until: datetime
    last: datetime
    predictions: int = 0
    errors: int = 0
    responses: dict[int, int] = field(default_factory=dict)  # by the status' hundreds
    total: Latencies = field(default_factory=Latencies)
    model: Latencies = field(default_factory=Latencies)
    overhead: Latencies = field(default_factory=Latencies)


class PredictionMetrics:
    """Counts requests to deployed models.

    Each second, and whenever somebody queries, what was gathered becomes one point of each time series, from its first
    request to its last: queries see every request that was answered before them.

    Args:
        points: where they are stored.
        clock: the emulator's.
        display_names: of a deployed model and its endpoint, for the labels. Raises NotFound.
    """

    def __init__(self, points: Points, clock: Clock, display_names: DisplayNames) -> None:
        self._points = points
        self._clock = clock
        self._series = EndpointSeries(display_names)
        self._lock = threading.Lock()
        self._tallies: dict[Key, _Tally] = {}
        self._full: list[tuple[Key, _Tally]] = []
        self._storing = threading.Lock()
        self._thinned: datetime | None = None
        self._some = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        points.before_read.append(self.flush)

    def record(
        self,
        *,
        endpoint: str,
        deployed_model_id: str,
        status: int,
        seconds: float,
        model_seconds: float,
        predictions: int,
    ) -> None:
        """Counts one request, once it is answered.

        Args:
            endpoint: its resource name.
            deployed_model_id: which model answered.
            status: HTTP status that the caller got.
            seconds: from the request's arrival to the answer.
            model_seconds: of these, in the model server; 0 where it was never asked.
            predictions: how many instances it brought; they count where it succeeded.
        """
        now, key = self._clock.now(), (endpoint, deployed_model_id)
        with self._lock:
            tally = self._tallies.get(key)
            if tally is None or not tally.first <= now < tally.until:
                tally = self._begin(key, now)
            tally.last = now
            if status < 400:
                tally.predictions += predictions
            else:
                tally.errors += 1
            hundreds = status // 100
            tally.responses[hundreds] = tally.responses.get(hundreds, 0) + 1
            tally.total.add(seconds * 1000)
            if model_seconds > 0:
                tally.model.add(model_seconds * 1000)
                tally.overhead.add(max(0.0, seconds - model_seconds) * 1000)

    def flush(self) -> None:
        """Returns when everything recorded so far is stored."""
        with self._storing:
            with self._lock:
                tallies = [*self._full, *self._tallies.items()]
                self._full, self._tallies = [], {}
            if tallies:
                self._points.add([row for key, tally in tallies for row in self._rows(key, tally)])

    def close(self) -> None:
        """Stores what is pending and ends the thread."""
        self._closed.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _begin(self, key: Key, now: datetime) -> _Tally:
        if key in self._tallies:
            self._full.append((key, self._tallies[key]))
        tally = self._tallies[key] = _Tally(now, now + _SECOND, now)
        self._some.set()
        if self._thread is None and not self._closed.is_set():
            self._thread = threading.Thread(target=self._run, name="prediction-metrics", daemon=True)
            self._thread.start()
        return tally

    def _run(self) -> None:
        while not self._closed.is_set():
            self._some.wait()
            self._closed.wait(1.0)
            self._some.clear()
            try:
                self.flush()
                self._thin()
            except sqlite3.Error:
                log.exception("prediction metrics of a second could not be stored")

    def _thin(self) -> None:
        now = self._clock.now()
        if self._thinned is None or not self._thinned <= now < self._thinned + _HOUR:
            self._thinned = now
            self._points.thin(micros(now - _HOUR))

    def _rows(self, key: Key, tally: _Tally) -> Iterator[tuple[Series, Point]]:
        start, end = micros(tally.first), micros(tally.last)
        for series, value in self._values(key, tally):
            yield series, Point(min(start, end - 1), end, value)

    def _values(self, key: Key, tally: _Tally) -> Iterator[tuple[Series, Value]]:
        if tally.predictions:
            yield self._series(key, "prediction_count", "DELTA", "INT64"), tally.predictions
        if tally.errors:
            yield self._series(key, "error_count", "DELTA", "INT64"), tally.errors
        for hundreds, count in tally.responses.items():
            yield self._series(key, "response_count", "DELTA", "INT64", response_code=f"{hundreds}xx"), count
        for kind in ("total", "model", "overhead"):
            latencies: Latencies = getattr(tally, kind)
            if latencies.count:
                series = self._series(key, "prediction_latencies", "DELTA", "DISTRIBUTION", latency_type=kind)
                yield series, latencies.distribution()

"""Queries over time series without the API's messages: what charts, policies and `ListTimeSeries` have in common."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gcpmlops.emulator.services.monitoring import messages, selection, steps
from gcpmlops.emulator.services.monitoring.frames import Frame, stored
from gcpmlops.emulator.services.monitoring.lines import Line, of_frames
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Series

_FILTERS = 1024  # of which it is known what they select
_MESSAGES = 10_000  # of series, as filters see them


@dataclass
class _Selected:
    """What a filter selects of a project's series, up to an id: a series never changes."""

    until: int = 0
    chosen: list[tuple[int, Series]] = field(default_factory=list)


class Reading:
    """Selects, aligns and reduces; threads share it.

    Args:
        points: all time series.
    """

    def __init__(self, points: Points) -> None:
        self._points = points
        self._lock = threading.Lock()
        self._selected: dict[tuple[str, str], _Selected] = {}
        self._messages: dict[int, Any] = {}

    def lines(
        self,
        project: str,
        text: str,
        start: int,
        end: int,
        aggregations: Iterable[tuple[str, Any]] = (),
    ) -> list[Line]:
        """Time series with a point that ends in (`start`, `end`], aggregated.

        Args:
            project: whose time series.
            text: a monitoring filter, which names a metric type.
            start: microseconds since 1970.
            end: microseconds since 1970; the last period of an alignment ends there.
            aggregations: `Aggregation` messages that are applied one after the other, each with the name of its field,
                for errors; one that says nothing changes nothing.

        Returns: lines, the points of each newest first; none where nothing matches, or the metric is not known.

        Raises: InvalidArgument, MethodNotImplemented.
        """
        return of_frames(self.frames(project, text, start, end, aggregations))

    def frames(
        self, project: str, text: str, start: int, end: int, aggregations: Iterable[tuple[str, Any]] = ()
    ) -> list[Frame]:
        """As `lines`, in columns: one frame for each kind and value type, in the order of time."""
        wanted = steps.steps(aggregations)
        since = start - steps.before(wanted)
        self._points.gather()
        chosen = self._chosen(project, text)
        found = stored(chosen, lambda keys: self._points.columns(keys, since, end))
        if not wanted:
            return [frame.within(start, end) for frame in found]
        for step in wanted:
            found = [step.run(frame, start, end) for frame in found]
        return found

    def _chosen(self, project: str, text: str) -> list[tuple[int, Series]]:
        """Only new series are asked whether a filter wants them."""
        wanted = selection.parse(text)
        metric = selection.metric_type(wanted)
        with self._lock:
            if len(self._selected) > _FILTERS:
                self._selected.clear()
            known = self._selected.setdefault((project, text), _Selected())
            for key, series in self._points.series(project, metric, known.until):
                known.until = key
                if wanted(self._message(key, series)):
                    known.chosen.append((key, series))
            return list(known.chosen)

    def _message(self, key: int, series: Series) -> Any:
        """New series are shown to every filter."""
        known = self._messages.get(key)
        if known is None:
            if len(self._messages) >= _MESSAGES:
                self._messages.clear()
            known = self._messages[key] = messages.time_series(series)
        return known

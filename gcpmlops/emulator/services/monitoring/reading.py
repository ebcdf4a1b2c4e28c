"""Queries over time series without the API's messages: what charts, policies and `ListTimeSeries` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gcpmlops.emulator.kernel import filters
from gcpmlops.emulator.services.monitoring import lines, messages, selection
from gcpmlops.emulator.services.monitoring.lines import Line
from gcpmlops.emulator.services.monitoring.points import Points


class Reading:
    """Selects, aligns and reduces; threads share it.

    Args:
        points: all time series.
    """

    def __init__(self, points: Points) -> None:
        self._points = points

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
        found: Sequence[Line] = list(self._matching(selection.parse(text), project, start, end))
        for field, aggregation in aggregations:
            found = lines.aggregated(found, aggregation, end, field)
        return list(found)

    def _matching(self, wanted: filters.Filter, project: str, start: int, end: int) -> Iterator[Line]:
        for key, series in self._points.series(project, selection.metric_type(wanted)):
            if wanted(messages.time_series(series)):
                points = self._points.read(key, series.value_type, start, end)
                if points:
                    yield Line(series, points)

"""Time series with their points, one after the other: what is read of few series at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gcpmlops.emulator.services.monitoring import steps
from gcpmlops.emulator.services.monitoring.frames import Frame, of_points
from gcpmlops.emulator.services.monitoring.series import Point, Series


class Line(NamedTuple):
    """A time series and its points, newest first."""

    series: Series
    points: Sequence[Point]


def aggregated(lines: Sequence[Line], aggregation: Any, end: int, field: str) -> list[Line]:
    """Aligned, then reduced, as an `Aggregation` says.

    Args:
        lines: what is aggregated.
        aggregation: the message; one that says nothing changes nothing.
        end: where the last period ends, in microseconds since 1970.
        field: of the request, for errors.

    Raises: InvalidArgument, MethodNotImplemented.
    """
    found = steps.steps([(field, aggregation)])
    if not found:
        return list(lines)
    start = min((line.points[-1].end for line in lines), default=end) - 1
    return of_frames(found[0].run(frame, start, end) for frame in of_points(lines))


def of_frames(found: Iterable[Frame]) -> list[Line]:
    """Each series of columns that has points."""
    return [Line(series, frame.points(part)) for frame in found for series, part in frame.lines()]

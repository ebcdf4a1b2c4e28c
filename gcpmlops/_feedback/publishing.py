"""Quality as points of a custom metric, at the times at which it was known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gcpmlops._feedback.quality import Measured, Quality
from gcpmlops.monitoring import Point

METRIC = "quality"
COVERAGE = "coverage"
Key = tuple[str, str, str]  # version, metric, slice

_KEPT = timedelta(hours=24)  # Google takes no older points
_APART = timedelta(seconds=5)  # and none that are closer


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        written: points.
        too_few: values that are none, as outcomes are too few.
        older: windows that ended so long ago that no point can say so, or that were written before.
    """

    written: int
    too_few: int
    older: int


def points(
    quality: Quality, model: str, *, now: datetime, last: Mapping[Key, datetime]
) -> tuple[list[Point], Published]:
    """What is to be written, and what came of the rest.

    The newest window of each time series is what is known now, and is written at the service's time. An earlier one is
    written at its end, where the service still takes points of that time and has none that is newer.
    """
    found, too_few, older = [], 0, 0
    for key, values in _series(quality).items():
        version, metric, part = key
        labels = {"model": model, "version": version, "metric": metric, "slice": part}
        good = [(row, value) for row, value in values if value is not None]
        too_few += len(values) - len(good)
        latest = last.get(key)
        for number, (row, value) in enumerate(good):
            at = now if number == len(good) - 1 else row.end
            if at is None or at < now - _KEPT or at > now or (latest is not None and at - latest < _APART):
                older += 1
                continue
            latest = at
            found.append(Point(METRIC, value, labels, at=at))
    return found, Published(len(found), too_few, older)


def key_of(labels: Mapping[str, str]) -> Key:
    """Of a time series of the metric."""
    return labels.get("version", ""), labels.get("metric", ""), labels.get("slice", "")


def _series(quality: Quality) -> dict[Key, Sequence[tuple[Measured, float | None]]]:
    """Values of each time series, oldest first."""
    found: dict[Key, list[tuple[Measured, float | None]]] = {}
    for row in quality:
        for metric, value in _values(row, quality.metrics):
            found.setdefault((row.version, metric, row.slice), []).append((row, value))
    return dict(found)


def _values(row: Measured, metrics: Sequence[str]) -> Iterator[tuple[str, float | None]]:
    yield from ((name, row.values.get(name)) for name in metrics)
    yield COVERAGE, row.coverage

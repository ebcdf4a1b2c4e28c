"""The tables of time series and their points."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import resources
from itertools import groupby
from typing import Any

from google.api.distribution_pb2 import Distribution

from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.monitoring.aggregation import ALIGNERS
from gcpmlops.emulator.services.monitoring.series import Labels, Point, Series, Value, ValueType

_COLUMNS = "project, metric_type, metric_labels, resource_type, resource_labels, kind, value_type"
_FIND = f"SELECT id FROM monitoring_series WHERE ({_COLUMNS}) = (?,?,?,?,?,?,?)"
_ADD = f"INSERT INTO monitoring_series ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)"
_AT = "SELECT start_us, end_us, value FROM monitoring_points WHERE series = ? AND end_us = ?"
_BETWEEN = """SELECT start_us, end_us, value FROM monitoring_points
              WHERE series = ? AND end_us > ? AND end_us <= ? ORDER BY end_us DESC"""
_REMOVE = "DELETE FROM monitoring_points WHERE series = ? AND end_us >= ? AND end_us <= ?"
_WRITE = "INSERT OR REPLACE INTO monitoring_points (series, start_us, end_us, value) VALUES (?,?,?,?)"

_MINUTE = 60_000_000  # microseconds


class Points:
    """All time series of the emulator, in SQLite.

    Attributes:
        before_read: called before each query: whoever gathers points stores them then.
        on_add: called after points are stored, by the thread that stored them, with the series that got some.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._ids: dict[Series, int] = {}
        self._thinned: dict[int, int] = {}  # up to when
        self.before_read: list[Callable[[], None]] = []
        self.on_add: list[Callable[[Collection[Series]], None]] = []
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))

    def add(self, points: Sequence[tuple[Series, Point]]) -> None:
        """Stores points, in one transaction. At the time of an earlier one: DELTA adds to it, GAUGE replaces it."""
        found: dict[Series, int] = {}

        def run(conn: sqlite3.Connection) -> None:
            for series, point in points:
                key = self._id(conn, series, found)
                there = conn.execute(_AT, (key, point.end)).fetchone() if series.kind == "DELTA" else None
                whole = _sum([_point(there, series.value_type), point]) if there else point
                conn.execute(_WRITE, (key, whole.start, whole.end, _stored(whole.value)))

        self._store.write(run)
        self._ids.update(found)
        for told in self.on_add:
            told({series for series, _ in points})

    def series(self, project: str, metric: str = "") -> list[tuple[int, Series]]:
        """A project's time series with their ids, of one metric type or of all."""
        for gathered in self.before_read:
            gathered()
        where = "project = ? AND (metric_type = ? OR ? = '')"
        sql = f"SELECT id, {_COLUMNS} FROM monitoring_series WHERE {where} ORDER BY id"
        rows = self._store.read(lambda conn: conn.execute(sql, (project, metric, metric)).fetchall())
        return [(row["id"], _series(row)) for row in rows]

    def read(self, series: int, value_type: ValueType, after: int, until: int) -> list[Point]:
        """The points of a series that end in (`after`, `until`], newest first."""
        rows = self._store.read(lambda conn: conn.execute(_BETWEEN, (series, after, until)).fetchall())
        return [_point(row, value_type) for row in rows]

    def thin(self, until: int) -> None:
        """Makes one point of each minute's of a DELTA metric, up to a moment in microseconds since 1970."""
        until -= until % _MINUTE
        sql = "SELECT id, value_type FROM monitoring_series WHERE kind = 'DELTA'"
        for key, value_type in self._store.read(lambda conn: conn.execute(sql).fetchall()):
            after = self._thinned.get(key, 0)
            self._store.write(lambda conn, k=key, v=value_type, a=after: _thin(conn, k, v, a, until))  # type: ignore[misc]
            self._thinned[key] = until

    def _id(self, conn: sqlite3.Connection, series: Series, found: dict[Series, int]) -> int:
        known: int | None = self._ids.get(series) or found.get(series)
        if known is None:
            row = _row(series)
            there = conn.execute(_FIND, row).fetchone()
            known = found[series] = there[0] if there else conn.execute(_ADD, row).lastrowid or 0
        return known


def _row(series: Series) -> tuple[str, ...]:
    metric, resource = _text(series.metric_labels), _text(series.resource_labels)
    return (series.project, series.metric, metric, series.resource, resource, series.kind, series.value_type)


def _text(labels: Labels) -> str:
    return json.dumps(dict(labels), ensure_ascii=False)


def _series(row: Any) -> Series:
    metric: Mapping[str, str] = json.loads(row["metric_labels"])
    resource: Mapping[str, str] = json.loads(row["resource_labels"])
    return Series(
        project=row["project"],
        metric=row["metric_type"],
        metric_labels=tuple(metric.items()),
        resource=row["resource_type"],
        resource_labels=tuple(resource.items()),
        kind=row["kind"],
        value_type=row["value_type"],
    )


def _stored(value: Value) -> int | float | str | bytes:
    return bytes(value.SerializeToString()) if isinstance(value, Distribution) else value


def _point(row: Any, value_type: ValueType) -> Point:
    start, end, value = row
    if value_type == "DISTRIBUTION":
        value = Distribution.FromString(value)
    return Point(start, end, bool(value) if value_type == "BOOL" else value)


def _sum(points: Sequence[Point]) -> Point:
    """Of a DELTA metric, as one."""
    value = ALIGNERS["ALIGN_SUM"].run([point.value for point in points], 0.0)
    return Point(min(point.start for point in points), max(point.end for point in points), value)


def _thin(conn: sqlite3.Connection, key: int, value_type: ValueType, after: int, until: int) -> None:
    """One time series in one transaction."""
    rows = conn.execute(_BETWEEN, (key, after, until)).fetchall()
    for _, group in groupby(rows, key=lambda row: (row["end_us"] - 1) // _MINUTE):
        points = [_point(row, value_type) for row in group]
        if len(points) > 1:
            whole = _sum(points)
            conn.execute(_REMOVE, (key, points[-1].end, points[0].end))
            conn.execute(_WRITE, (key, whole.start, whole.end, _stored(whole.value)))

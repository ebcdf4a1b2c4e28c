"""The tables of time series and their points."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import resources
from itertools import groupby
from typing import Any

from google.api.distribution_pb2 import Distribution

from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.monitoring import chunks, distributions
from gcpmlops.emulator.services.monitoring.series import Labels, Point, Series, Value, ValueType

_COLUMNS = "project, metric_type, metric_labels, resource_type, resource_labels, kind, value_type"
_FIND = f"SELECT id FROM monitoring_series WHERE ({_COLUMNS}) = (?,?,?,?,?,?,?)"
_ADD = f"INSERT INTO monitoring_series ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)"
_AT = "SELECT start_us, end_us, value FROM monitoring_points WHERE series = ? AND end_us = ?"
_BETWEEN = """SELECT start_us, end_us, value FROM monitoring_points
              WHERE series = ? AND end_us > ? AND end_us <= ? ORDER BY end_us"""
_REMOVE = "DELETE FROM monitoring_points WHERE series = ? AND end_us >= ? AND end_us <= ?"
_WRITE = "INSERT OR REPLACE INTO monitoring_points (series, start_us, end_us, value) VALUES (?,?,?,?)"
_NEWEST = "SELECT start_us, end_us FROM monitoring_points WHERE series = ? ORDER BY end_us DESC LIMIT 1"
_PACKED = "SELECT MAX(last_us) FROM monitoring_chunks WHERE series = ?"
_OF_METRIC = "SELECT id FROM monitoring_series WHERE project = ? AND metric_type = ?"
_FORGET = tuple(f"DELETE FROM monitoring_{table} WHERE series IN ({_OF_METRIC})" for table in ("points", "chunks"))
_ROWS = """SELECT series, end_us, start_us, value FROM monitoring_points
           WHERE series IN (SELECT value FROM json_each(?)) AND end_us > ? AND end_us <= ? ORDER BY series, end_us"""
_CHUNKS = """SELECT series, ends, starts, numbers FROM monitoring_chunks
             WHERE series IN (SELECT value FROM json_each(?)) AND last_us > ? AND first_us <= ?
             ORDER BY series, last_us"""

_MINUTE = 60_000_000  # microseconds
_HOUR = 60 * _MINUTE
_PACKED_AT_ONCE = 50  # series, while others wait to write
_LOOSE = 60_000  # points in rows, as they were written, before they are put into chunks
_COUNT = f"SELECT COUNT(*) FROM (SELECT 1 FROM monitoring_points LIMIT {_LOOSE})"


class Points:
    """All time series of the emulator, in SQLite: new points in rows, older numbers in chunks.

    Attributes:
        before_read: called before each query: whoever gathers points stores them then.
        on_add: called after points are stored, by the thread that stored them, with the series that got some.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._ids: dict[Series, int] = {}
        self._by_id: dict[int, Series] = {}
        self._newest: dict[Series, tuple[int, int]] = {}
        self._packed: dict[int, int] = {}  # end of the last point in a chunk; the writer's thread alone uses it
        self._thinned: dict[int, int] = {}  # up to when
        self._packing = threading.Lock()
        self.before_read: list[Callable[[], None]] = []
        self.on_add: list[Callable[[Collection[Series]], None]] = []
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))
        self._loose: int = store.read(lambda conn: conn.execute(_COUNT).fetchone()[0])

    def add(self, points: Sequence[tuple[Series, Point]]) -> None:
        """Stores points, in one transaction. At the time of an earlier one: DELTA adds to it, GAUGE replaces it."""
        found: dict[Series, int] = {}
        self._store.write(lambda conn: self._insert(conn, points, found))
        self._ids.update(found)
        for series, point in points:
            newest = self._newest.get(series)
            if newest is not None and point.end >= newest[1]:
                self._newest[series] = (point.start, point.end)
        for told in self.on_add:
            told({series for series, _ in points})
        self._loose += len(points)
        if self._loose > _LOOSE:
            self.pack()

    def newest(self, series: Series) -> tuple[int, int] | None:
        """Start and end of the last point of a time series; None: it has none."""
        known = self._newest.get(series)
        if known is None:
            known = self._store.read(lambda conn: self._found_newest(conn, series))
            if known is not None:
                self._newest[series] = known
        return known

    def series(self, project: str, metric: str = "", after: int = 0) -> list[tuple[int, Series]]:
        """A project's time series with their ids, of one metric type or of all, whose ids are above `after`."""
        where = "project = ? AND (metric_type = ? OR ? = '') AND id > ?"
        sql = f"SELECT id, {_COLUMNS} FROM monitoring_series WHERE {where} ORDER BY id"
        rows = self._store.read(lambda conn: conn.execute(sql, (project, metric, metric, after)).fetchall())
        return [(row["id"], self._by_id.get(row["id"]) or self._kept(row)) for row in rows]

    def metrics(self, project: str) -> set[str]:
        """The metric types that there are points of."""
        some = " OR ".join(
            f"EXISTS (SELECT 1 FROM monitoring_{table} WHERE series = id)" for table in ("points", "chunks")
        )
        sql = f"SELECT DISTINCT metric_type FROM monitoring_series WHERE project = ? AND ({some})"
        return {row[0] for row in self._store.read(lambda conn: conn.execute(sql, (project,)).fetchall())}

    def gather(self) -> None:
        """Has stored what is still gathered somewhere."""
        for gathered in self.before_read:
            gathered()

    def columns(self, keys: Sequence[int], after: int, until: int) -> tuple[list[Any], list[Any]]:
        """What there is of the series of some ids: chunks that hold points which end in (`after`, `until`], and rows.

        Returns: chunks (series, ends, starts, numbers), which may hold more, and rows (series, end, start, value);
            both in the order of series and time.
        """
        listed = json.dumps(list(keys))

        def run(conn: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
            conn.execute("BEGIN")  # both see the same moment: points move from rows to chunks
            try:
                return tuple(conn.execute(sql, (listed, after, until)).fetchall() for sql in (_CHUNKS, _ROWS))  # type: ignore[return-value]  # two
            finally:
                conn.execute("COMMIT")

        return self._store.read(run)

    def forget_packed(self) -> None:
        """Chunks have changed otherwise: on the writer's thread."""
        self._packed.clear()

    def remove(self, project: str, metric: str) -> None:
        """Forgets all points of a metric type."""

        def run(conn: sqlite3.Connection) -> None:
            for sql in _FORGET:
                conn.execute(sql, (project, metric))
            self._packed.clear()

        self._store.write(run)
        self._newest.clear()

    def thin(self, until: int) -> None:
        """Makes one point of each minute's of a DELTA metric, up to a moment in microseconds since 1970."""
        until -= until % _MINUTE
        sql = "SELECT id, value_type FROM monitoring_series WHERE kind = 'DELTA'"
        for key, value_type in self._store.read(lambda conn: conn.execute(sql).fetchall()):
            after = self._thinned.get(key, 0)
            self._store.write(lambda conn, k=key, v=value_type, a=after: _thin(conn, k, v, a, until))  # type: ignore[misc]
            self._thinned[key] = until

    def pack(self) -> None:
        """Puts the numbers that are in rows into chunks; of DELTA metrics those that are an hour old, thinned."""
        if not self._packing.acquire(blocking=False):
            return
        try:
            self._loose = 0
            sql = f"""SELECT series, MAX(end_us), kind, value_type FROM monitoring_points
                      JOIN monitoring_series ON id = series WHERE value_type IN {tuple(chunks.NUMBERS)}
                      GROUP BY series"""
            found = self._store.read(lambda conn: conn.execute(sql).fetchall())
            for first in range(0, len(found), _PACKED_AT_ONCE):
                part = found[first : first + _PACKED_AT_ONCE]
                self._store.write(lambda conn, part=part: self._pack(conn, part))  # type: ignore[misc]
        finally:
            self._packing.release()

    def _insert(
        self, conn: sqlite3.Connection, points: Sequence[tuple[Series, Point]], found: dict[Series, int]
    ) -> None:
        rows = []
        for series, point in points:
            key = self._ids.get(series) or self._id(conn, series, found)
            start, end, value = point
            if end <= self._packed_until(conn, key):
                chunks.unpack(conn, key, series.value_type, end, end)
            if series.kind == "DELTA" or series.value_type == "DISTRIBUTION":
                self._write(conn, key, series, point)
            else:
                rows.append((key, start, end, value))
        if rows:
            conn.executemany(_WRITE, rows)

    def _write(self, conn: sqlite3.Connection, key: int, series: Series, point: Point) -> None:
        there = conn.execute(_AT, (key, point.end)).fetchone() if series.kind == "DELTA" else None
        whole = _sum([_point(there, series.value_type), point]) if there else point
        conn.execute(_WRITE, (key, whole.start, whole.end, _stored(whole.value)))

    def _packed_until(self, conn: sqlite3.Connection, key: int) -> int:
        known = self._packed.get(key)
        if known is None:
            known = self._packed[key] = conn.execute(_PACKED, (key,)).fetchone()[0] or 0
        return known

    def _pack(self, conn: sqlite3.Connection, found: Sequence[Any]) -> None:
        for key, newest, kind, value_type in found:
            until = newest
            if kind == "DELTA":
                until = newest - _HOUR - (newest - _HOUR) % _MINUTE
                _thin(conn, key, value_type, 0, until)
            chunks.pack(conn, key, value_type, until)
            self._packed.pop(key, None)

    def _found_newest(self, conn: sqlite3.Connection, series: Series) -> tuple[int, int] | None:
        row = conn.execute(_FIND, _row(series)).fetchone()
        if row is None:
            return None
        there = conn.execute(_NEWEST, (row[0],)).fetchone()
        packed = chunks.newest(conn, row[0])
        return max(((each[0], each[1]) for each in (there, packed) if each), key=lambda pair: pair[1], default=None)

    def _id(self, conn: sqlite3.Connection, series: Series, found: dict[Series, int]) -> int:
        known = found.get(series)
        if known is None:
            row = _row(series)
            there = conn.execute(_FIND, row).fetchone()
            known = found[series] = there[0] if there else conn.execute(_ADD, row).lastrowid or 0
        return known

    def _kept(self, row: Any) -> Series:
        made = self._by_id[row["id"]] = _series(row)
        return made


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
    values: list[Any] = [point.value for point in points]
    value = distributions.total(values) if isinstance(values[0], Distribution) else sum(values)
    return Point(min(point.start for point in points), max(point.end for point in points), value)


def _thin(conn: sqlite3.Connection, key: int, value_type: ValueType, after: int, until: int) -> None:
    """One time series in one transaction."""
    rows = conn.execute(_BETWEEN, (key, after, until)).fetchall()
    for _, group in groupby(rows, key=lambda row: (row["end_us"] - 1) // _MINUTE):
        found = list(group)
        if len(found) > 1:
            replace(conn, key, value_type, found, is_sum=True)


def replace(conn: sqlite3.Connection, key: int, value_type: ValueType, rows: Sequence[Any], *, is_sum: bool) -> None:
    """Several points of a series, (start, end, value) in the order of time, become their sum, or the last of them."""
    conn.execute(_REMOVE, (key, rows[0][1], rows[-1][1]))
    if is_sum:
        whole = _sum([_point(row, value_type) for row in rows])
        conn.execute(_WRITE, (key, whole.start, whole.end, _stored(whole.value)))
    else:
        conn.execute(_WRITE, (key, *rows[-1]))

"""The values of time series, in a table of their own: one row per step."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.tensorboard.names import below

_Point: Any = types.TimeSeriesDataPoint.pb()
_CHUNK = 500  # steps that one SELECT names
_WRITE = "INSERT INTO tensorboard_points (series, step, body) VALUES (?, ?, ?)"
_OVERWRITE = f"{_WRITE} ON CONFLICT (series, step) DO UPDATE SET body = excluded.body"
_GROW = "UPDATE tensorboard_series SET max_step = ?, max_seconds = ?, max_nanos = ?, max_blobs = ? WHERE id = ?"
_ID = "(SELECT id FROM tensorboard_series WHERE name = ?)"


@dataclass(frozen=True)
class Written:
    """Points of one time series, ready to be stored."""

    series: str
    rows: list[tuple[int, bytes]]
    max_step: int
    max_wall: tuple[int, int] | None  # seconds, nanoseconds
    max_blobs: int

    @classmethod
    def of(cls, series: str, points: Sequence[Any]) -> Written:
        """From `TimeSeriesDataPoint` messages (protobuf), at least one."""
        walls = [(p.wall_time.seconds, p.wall_time.nanos) for p in points if p.HasField("wall_time")]
        return cls(
            series,
            [(p.step, p.SerializeToString()) for p in points],
            max(p.step for p in points),
            max(walls, default=None),
            max(len(p.blobs.values) for p in points),
        )

    def maxima(self, row: sqlite3.Row) -> tuple[int, int | None, int | None, int]:
        """Step, wall time in seconds and nanoseconds, and blobs, with what the time series has had so far."""
        step = self.max_step if row["max_step"] is None else max(self.max_step, row["max_step"])
        earlier = None if row["max_seconds"] is None else (row["max_seconds"], row["max_nanos"])
        walls = [wall for wall in (self.max_wall, earlier) if wall is not None]
        seconds, nanos = max(walls, default=(None, None))
        return step, seconds, nanos, max(self.max_blobs, row["max_blobs"])


class Points:
    """Points by the name of their time series."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    def add_series(self, conn: sqlite3.Connection, name: str) -> None:
        """Makes room for a new time series, inside its transaction."""
        conn.execute("INSERT INTO tensorboard_series (name) VALUES (?)", (name,))

    def write(self, written: Iterable[Written]) -> None:
        """Stores all or nothing. Raises: NotFound for a time series that isn't there."""
        batches = list(written)

        def run(conn: sqlite3.Connection) -> None:
            for batch in batches:
                self._write(conn, batch)

        self._store.write(run)

    def delete(self, conn: sqlite3.Connection, name: str) -> None:
        """The points of a time series, or of all below another resource, inside a transaction."""
        where, values = "name = ? OR (name > ? AND name < ?)", (name, *below(name))
        ids = f"SELECT id FROM tensorboard_series WHERE {where}"
        conn.execute(f"DELETE FROM tensorboard_points WHERE series IN ({ids})", values)
        conn.execute(f"DELETE FROM tensorboard_series WHERE {where}", values)

    def fill_metadata(self, series: Iterable[Any]) -> None:
        """Sets the output-only `metadata` of `TensorboardTimeSeries` (protobuf)."""
        messages = {message.name: message for message in series}
        sql = f"SELECT * FROM tensorboard_series WHERE name IN ({','.join('?' * len(messages))})"
        for row in self._store.read(lambda conn: conn.execute(sql, tuple(messages)).fetchall()):
            _describe(messages[row["name"]].metadata, row)

    def count(self, name: str) -> int:
        """How many points a time series has."""
        sql = f"SELECT COUNT(*) FROM tensorboard_points WHERE series = {_ID}"
        return int(self._store.read(lambda conn: conn.execute(sql, (name,)).fetchone()[0]))

    def sample(self, name: str, limit: int, text: str = "") -> list[bytes]:
        """Points in the order of their steps; where more than `limit` match, the first, the last and random ones.

        Args:
            name: the time series.
            limit: at most so many; -1 is all of them.
            text: a filter over `TimeSeriesDataPoint`.
        """
        if text:
            return _chosen(name, self.matching(name, text), limit)
        if limit < 0 or self.count(name) <= limit:
            return list(self.all(name))
        return self._at(name, _chosen(name, self._steps(name), limit))

    def all(self, name: str) -> Sequence[bytes]:
        """Every point in the order of its step, fetched by slices."""
        return Slices(self, name, descending=False)

    def matching(self, name: str, text: str) -> list[bytes]:
        """Those that a filter lets through. Raises: InvalidArgument for a filter that doesn't parse."""
        test = filters.compile_filter(text)
        return [body for body in self.all(name) if test(_Point.FromString(body))]

    def slice(self, name: str, start: int, stop: int, *, descending: bool) -> list[bytes]:
        """Some points in the order of their steps."""
        order = "DESC" if descending else "ASC"
        sql = f"SELECT body FROM tensorboard_points WHERE series = {_ID} ORDER BY step {order} LIMIT ? OFFSET ?"
        values = (name, max(0, stop - start), start)
        return self._store.read(lambda conn: [row[0] for row in conn.execute(sql, values)])

    def size(self, name: str) -> int:
        """Bytes of all points below a resource."""
        sql = """SELECT coalesce(SUM(LENGTH(body)), 0) FROM tensorboard_points WHERE series IN
                 (SELECT id FROM tensorboard_series WHERE name > ? AND name < ?)"""
        return int(self._store.read(lambda conn: conn.execute(sql, below(name)).fetchone()[0]))

    def _write(self, conn: sqlite3.Connection, batch: Written) -> None:
        row = conn.execute("SELECT * FROM tensorboard_series WHERE name = ?", (batch.series,)).fetchone()
        if row is None:
            raise exceptions.NotFound(f"TensorboardTimeSeries {batch.series} is not found.")
        conn.executemany(_OVERWRITE, [(row["id"], step, body) for step, body in batch.rows])
        conn.execute(_GROW, (*batch.maxima(row), row["id"]))

    def _steps(self, name: str) -> list[int]:
        sql = f"SELECT step FROM tensorboard_points WHERE series = {_ID} ORDER BY step"
        return self._store.read(lambda conn: [row[0] for row in conn.execute(sql, (name,))])

    def _at(self, name: str, steps: Sequence[int]) -> list[bytes]:
        def run(conn: sqlite3.Connection) -> list[bytes]:
            found: list[bytes] = []
            for start in range(0, len(steps), _CHUNK):
                part = steps[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                sql = f"SELECT body FROM tensorboard_points WHERE series = {_ID} AND step IN ({marks}) ORDER BY step"
                found += [row[0] for row in conn.execute(sql, (name, *part))]
            return found

        return self._store.read(run)


class Slices(Sequence[bytes]):
    """A time series as a sequence that reads what it is asked for."""

    def __init__(self, points: Points, name: str, *, descending: bool) -> None:
        self._points = points
        self._name = name
        self._descending = descending
        self._length = points.count(name)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        start, stop, _ = index.indices(self._length)
        return self._points.slice(self._name, start, stop, descending=self._descending)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self[:])


def _chosen(seed: str, items: list[Any], limit: int) -> list[Any]:
    """The first, the last and random ones between them, in their order; the same ones at every call."""
    if limit < 0 or len(items) <= limit:
        return items
    if limit == 1:
        return items[-1:]
    between = random.Random(seed).sample(range(1, len(items) - 1), limit - 2)  # noqa: S311 - a sample of a curve
    return [items[index] for index in sorted({0, len(items) - 1, *between})]


def _describe(metadata: Any, row: sqlite3.Row) -> None:
    if row["max_step"] is not None:
        metadata.max_step = row["max_step"]
        metadata.max_blob_sequence_length = row["max_blobs"]
    if row["max_seconds"] is not None:
        metadata.max_wall_time.seconds, metadata.max_wall_time.nanos = row["max_seconds"], row["max_nanos"]

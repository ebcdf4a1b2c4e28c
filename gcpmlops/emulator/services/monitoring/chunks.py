"""Points of numbers in long columns: what was written a while ago takes 16 bytes a point, and is read at once."""

from __future__ import annotations

import math
import sqlite3
import sys
from array import array
from collections.abc import Iterable, Sequence

from gcpmlops.emulator.services.monitoring.series import ValueType

NUMBERS = {"INT64": "q", "DOUBLE": "d", "BOOL": "q"}  # how `array` names the numbers of a value type
_SIZE = 2048  # points of a chunk at most

_ROWS = """SELECT end_us, start_us, value FROM monitoring_points WHERE series = ? AND end_us <= ? ORDER BY end_us"""
_TAKEN = "DELETE FROM monitoring_points WHERE series = ? AND end_us <= ?"
_ADD = "INSERT INTO monitoring_chunks (series, last_us, first_us, ends, starts, numbers) VALUES (?,?,?,?,?,?)"
_LAST = "SELECT * FROM monitoring_chunks WHERE series = ? ORDER BY last_us DESC LIMIT 1"
_OVER = "SELECT * FROM monitoring_chunks WHERE series = ? AND last_us >= ? AND first_us <= ?"
_DROP = "DELETE FROM monitoring_chunks WHERE series = ? AND last_us = ?"
_BACK = "INSERT OR REPLACE INTO monitoring_points (series, end_us, start_us, value) VALUES (?,?,?,?)"

Row = tuple[int, int, float]  # end, start, value


def pack(conn: sqlite3.Connection, series: int, value_type: ValueType, until: int) -> None:
    """Moves the points of a series that end by `until` into chunks; nothing where one of them is before a chunk."""
    rows: list[Row] = [tuple(row) for row in conn.execute(_ROWS, (series, until))]
    if not rows:
        return
    last = conn.execute(_LAST, (series,)).fetchone()
    if last is not None:
        if rows[0][0] <= last["last_us"]:
            unpack(conn, series, value_type, rows[0][0], until)
            pack(conn, series, value_type, until)
            return
        if len(last["ends"]) // 8 < _SIZE:
            rows = [*_decoded(last, value_type), *rows]
            conn.execute(_DROP, (series, last["last_us"]))
    conn.executemany(_ADD, (_encoded(series, value_type, part) for part in _parts(rows)))
    conn.execute(_TAKEN, (series, until))


def unpack(conn: sqlite3.Connection, series: int, value_type: ValueType, first: int, last: int) -> None:
    """Makes rows of the chunks that hold points that end in [`first`, `last`]."""
    for chunk in conn.execute(_OVER, (series, first, last)).fetchall():
        conn.executemany(_BACK, ((series, *row) for row in _decoded(chunk, value_type)))
        conn.execute(_DROP, (series, chunk["last_us"]))


def native(data: bytes, code: str) -> array[float]:
    """Numbers of their stored bytes."""
    numbers: array[float] = array(code, data)
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers


def _parts(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (rows[start : start + _SIZE] for start in range(0, len(rows), _SIZE))


def _encoded(series: int, value_type: ValueType, rows: Sequence[Row]) -> tuple[object, ...]:
    ends, starts, values = zip(*rows, strict=True)
    begun = None if starts == ends else _stored("q", starts)
    numbers = [math.nan if value is None else value for value in values]  # what SQLite makes of NaN
    return (series, ends[-1], ends[0], _stored("q", ends), begun, _stored(NUMBERS[value_type], numbers))


def _decoded(chunk: sqlite3.Row, value_type: ValueType) -> list[Row]:
    ends = native(chunk["ends"], "q")
    starts = ends if chunk["starts"] is None else native(chunk["starts"], "q")
    return list(zip(ends, starts, native(chunk["numbers"], NUMBERS[value_type]), strict=True))  # type: ignore[arg-type]  # of code q


def _stored(code: str, values: Sequence[float]) -> bytes:
    numbers: array[float] = array(code, values)
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers.tobytes()


def newest(conn: sqlite3.Connection, series: int) -> tuple[int, int] | None:
    """Start and end of the last point in a chunk."""
    chunk = conn.execute(_LAST, (series,)).fetchone()
    if chunk is None:
        return None
    starts = chunk["ends"] if chunk["starts"] is None else chunk["starts"]
    return int(native(starts[-8:], "q")[0]), chunk["last_us"]

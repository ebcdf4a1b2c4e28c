"""How long points are kept: as they were for six weeks, then one for ten minutes, for 24 months in all."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.monitoring import chunks, points
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Kind, Series, ValueType, micros

_WHOLE = timedelta(weeks=6)
_KEPT = timedelta(days=730)
_EVERY = timedelta(weeks=1)  # between two looks: what is thinned is up to so much older
_TEN_MINUTES = 600_000_000  # microseconds
_AT_ONCE = 50  # series, while others wait to write

_UNTIL = "SELECT until_us FROM monitoring_thinned"
_OLDEST = """SELECT MIN(at) FROM (SELECT MIN(end_us) AS at FROM monitoring_points
             UNION SELECT MIN(first_us) FROM monitoring_chunks)"""
_SERIES = "SELECT id, kind, value_type FROM monitoring_series"
_OLD = """SELECT start_us, end_us, value FROM monitoring_points
          WHERE series = ? AND end_us > ? AND end_us <= ? ORDER BY end_us"""
_DROP = "DELETE FROM monitoring_points WHERE series = ? AND end_us <= ?"
_DROP_CHUNKS = "DELETE FROM monitoring_chunks WHERE series = ? AND last_us <= ?"


class Retention:
    """Looks each week while there are points.

    Args:
        store: where the points are.
        agenda: tells the time, and when to look.
        stored: the points.
    """

    def __init__(self, store: ResourceStore, agenda: Agenda, stored: Points) -> None:
        self._store = store
        self._points = stored
        stored.on_add.append(self.on_add)
        agenda.on_back.append(self._anew)
        self._agenda = agenda
        self._lock = threading.Lock()
        self._is_due = False

    def start(self) -> None:
        """Points of an earlier process go on growing older."""
        if self._store.read(lambda conn: conn.execute(_OLDEST).fetchone()[0]) is not None:
            self.on_add(())

    def on_add(self, _: Collection[Series]) -> None:
        """Points arrived."""
        with self._lock:
            is_due, self._is_due = self._is_due, True
        if is_due:
            return
        since = _moment(self._until()) or self._agenda.clock.now()
        self._agenda.at(since + _WHOLE + _EVERY, self._look, name="the retention of time series")

    def run(self) -> None:
        """Thins and drops what is old enough now."""
        now = self._agenda.clock.now()
        after, until, gone = self._until() or 0, micros(now - _WHOLE), micros(now - _KEPT)
        until -= until % _TEN_MINUTES
        rows = self._store.read(lambda conn: conn.execute(_SERIES).fetchall())
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            self._store.write(lambda conn, part=part: self._thin(conn, part, after, until, gone))  # type: ignore[misc]

        def told(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM monitoring_thinned")
            conn.execute("INSERT INTO monitoring_thinned VALUES (?)", (until,))

        self._store.write(told)

    def _look(self) -> None:
        self.run()
        self._anew()

    def _anew(self) -> None:
        """Another appointment than the one that is past, or far away since the clock was set back."""
        with self._lock:
            self._is_due = False
        self.start()

    def _thin(self, conn: sqlite3.Connection, rows: Collection[Any], after: int, until: int, gone: int) -> None:
        for key, kind, value_type in rows:
            _change(conn, key, kind, value_type, after, until, gone)
        self._points.forget_packed()

    def _until(self) -> int | None:
        row = self._store.read(lambda conn: conn.execute(_UNTIL).fetchone())
        return row[0] if row else None


def _moment(us: int | None) -> datetime | None:
    return None if us is None else datetime.fromtimestamp(us / 1e6, UTC)


def _change(
    conn: sqlite3.Connection, key: int, kind: Kind, value_type: ValueType, after: int, until: int, gone: int
) -> None:
    conn.execute(_DROP_CHUNKS, (key, gone))
    if value_type in chunks.NUMBERS:
        chunks.unpack(conn, key, value_type, gone, gone)
        chunks.unpack(conn, key, value_type, after + 1, until)
    conn.execute(_DROP, (key, gone))
    _thin(conn, key, kind, value_type, after, until)
    if value_type in chunks.NUMBERS:
        chunks.pack(conn, key, value_type, until)


def _thin(conn: sqlite3.Connection, key: int, kind: Kind, value_type: ValueType, after: int, until: int) -> None:
    """The last point of each ten minutes; of DELTA metrics their sum. A counter's last point before a reset stays."""
    found = conn.execute(_OLD, (key, after, until)).fetchall()
    windows = groupby(found, key=lambda row: ((row[1] - 1) // _TEN_MINUTES, row[0] if kind == "CUMULATIVE" else 0))
    for _, group in windows:
        rows = list(group)
        if len(rows) > 1:
            points.replace(conn, key, value_type, rows, is_sum=kind == "DELTA")

"""The table of log entries: append, scan in time order, wait for more."""

from __future__ import annotations

import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from importlib import resources
from itertools import count
from typing import Any

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.service import ResourceStore

Key = tuple[str, int]  # (time, seq): where a scan goes on

_CHUNK = 500  # rows that one read fetches
_SINCE = re.compile(r'timestamp\s*>=?\s*"?(\d{4}-\d\d-\d\dT[\d:.]+)(Z|\+00:00)?"?')
_JOB = re.compile(r'resource\.labels\.job_id\s*=\s*"?([\w-]+)"?')


class Entries:
    """All log entries of the emulator, in SQLite."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._arrived = threading.Condition()
        self._seconds = (-1, "")  # the last formatted second: neighbouring entries share it
        self._counter, self._suffix = count(), secrets.token_hex(3)
        self.before_read: Callable[[], None] = lambda: None
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))

    def now(self) -> datetime:
        """The emulator's time."""
        return self._clock.now()

    def append(self, entries: Iterable[Any]) -> None:
        """Stores ``LogEntry`` messages (protobuf); a repeated insert_id at the same time is one entry."""
        rows = [self._row(entry) for entry in entries]
        sql = "INSERT OR IGNORE INTO log_entries (parent, log_name, at, insert_id, job_id, body) VALUES (?,?,?,?,?,?)"
        self._store.write(lambda conn: conn.executemany(sql, rows))
        with self._arrived:
            self._arrived.notify_all()

    def scan(self, parents: Sequence[str], text: str, *, after: Key | None, newest_first: bool) -> Iterator[Any]:
        """Rows (seq, at, body) in time order, narrowed where the filter text plainly allows it."""
        self.before_read()
        where, values = _narrowed(parents, text)
        sign, direction = ("<", "DESC") if newest_first else (">", "ASC")
        while True:
            clause = f"{where} AND (at, seq) {sign} (?, ?)" if after else where
            order = f"ORDER BY at {direction}, seq {direction} LIMIT ?"
            sql = f"SELECT seq, at, body FROM log_entries WHERE {clause} {order}"
            arguments = (*values, *(after or ()), _CHUNK)
            rows = self._store.read(lambda conn, s=sql, a=arguments: conn.execute(s, a).fetchall())  # type: ignore[misc]
            yield from rows
            if len(rows) < _CHUNK:
                return
            after = (rows[-1]["at"], rows[-1]["seq"])

    def since(self, parents: Sequence[str], seq: int) -> list[sqlite3.Row]:
        """Rows that arrived after ``seq``, in order of arrival."""
        marks = ",".join("?" * len(parents))
        columns = (
            "seq, at, body FROM log_entries NOT INDEXED"  # by the primary key: few rows are new, all have a parent
        )
        sql = f"SELECT {columns} WHERE seq > ? AND parent IN ({marks}) ORDER BY seq LIMIT ?"
        return self._store.read(lambda conn: conn.execute(sql, (seq, *parents, _CHUNK)).fetchall())

    def last(self) -> int:
        """The newest sequence number."""
        sql = "SELECT COALESCE(MAX(seq), 0) FROM log_entries"
        return int(self._store.read(lambda conn: conn.execute(sql).fetchone()[0]))

    def wait(self, seq: int, timeout: float) -> None:
        """Until something newer than ``seq`` is there, or ``timeout`` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.last() > seq, timeout)

    def log_names(self, parents: Sequence[str]) -> list[str]:
        """The logs that hold entries."""
        self.before_read()
        marks = ",".join("?" * len(parents))
        sql = f"SELECT DISTINCT log_name FROM log_entries WHERE parent IN ({marks}) ORDER BY log_name"
        return [row[0] for row in self._store.read(lambda conn: conn.execute(sql, tuple(parents)).fetchall())]

    def delete_log(self, log_name: str) -> int:
        """Removes a log's entries; returns how many there were."""
        self.before_read()
        sql = "DELETE FROM log_entries WHERE log_name = ?"
        return self._store.write(lambda conn: conn.execute(sql, (log_name,)).rowcount)

    def _row(self, entry: Any) -> tuple[Any, ...]:
        if not entry.HasField("timestamp"):
            entry.timestamp.FromDatetime(self._clock.now())
        if not entry.HasField("receive_timestamp"):
            entry.receive_timestamp.FromDatetime(self._clock.now())
        entry.insert_id = entry.insert_id or self._new_insert_id()
        parent = "/".join(entry.log_name.split("/", 2)[:2])
        job = entry.resource.labels.get("job_id", "")
        return parent, entry.log_name, self._text(entry.timestamp), entry.insert_id, job, entry.SerializeToString()

    def _new_insert_id(self) -> str:
        """Rises: readers (gcloud's among them) put entries of the same time into the order of their ids."""
        return f"{next(self._counter):012x}{self._suffix}"

    def _text(self, timestamp: Any) -> str:
        second, text = self._seconds
        if second != timestamp.seconds:
            text = timestamp.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S")
            self._seconds = (timestamp.seconds, text)
        return f"{text}.{timestamp.nanos:09d}"


def _narrowed(parents: Sequence[str], text: str) -> tuple[str, tuple[Any, ...]]:
    """A WHERE clause that lets through all that the filter does; the filter itself is evaluated afterwards."""
    where, values = [f"parent IN ({','.join('?' * len(parents))})"], list(parents)
    if not re.search(r"\bOR\b|\bNOT\b|(^|\s)-", text):
        since, job = _SINCE.search(text), _JOB.search(text)
        if since:
            where.append("at >= ?")
            values.append(since[1])
        if job:
            where[0] = f"+{where[0]}"  # not by the index of all entries, but by that of jobs, which is a partial one
            where.append("job_id = ? AND job_id != ''")
            values.append(job[1])
    return " AND ".join(where), tuple(values)

"""The table of log entries: append, scan in time order, wait for more."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from importlib import resources
from itertools import compress, count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.service import ResourceStore

if TYPE_CHECKING:
    from gcpmlops.emulator.services.logging.query import Query

log = logging.getLogger(__name__)

Key = tuple[str, int]  # (time, seq): where a scan goes on
Listener = Callable[[Sequence[Any]], None]

Row = tuple[str, str, str, str, str, bytes]  # without seq

_HIDDEN = "-"  # before the parent of an entry that no reader sees
_LAST = "SELECT COALESCE(MAX(seq), 0) FROM log_entries"
_NAMES = """WITH RECURSIVE names(name) AS (
              SELECT MIN(log_name) FROM log_entries UNION ALL
              SELECT (SELECT MIN(log_name) FROM log_entries WHERE log_name > name) FROM names WHERE name IS NOT NULL)
            SELECT name FROM names"""  # from name to name by the index, not through all entries
_KEYS = "SELECT log_name, at, insert_id FROM log_entries WHERE seq > ?"
_INSERT = "INSERT OR IGNORE INTO log_entries (parent, log_name, at, insert_id, job_id, body) VALUES (?,?,?,?,?,?)"
_CHUNK = 500  # rows that one read fetches
_KEPT = timedelta(days=30)  # entries that are older than the bucket _Default keeps them are not stored for readers,
_AHEAD = timedelta(days=1)  # nor are those that are further ahead; sinks get both


class Entries:
    """All log entries of the emulator, in SQLite.

    Attributes:
        before_read: called before each query: whoever gathers entries stores them then.
        on_append: called with entries (``LogEntry`` protobuf messages, not to be changed) once they are stored, by who
            wrote them: listeners are quick, and write no logs themselves. What was stored before doesn't come again.
        on_receive: the same, with those too that an exclusion keeps from being stored.
        keeps: whether an entry is stored for readers; None: all are.
        is_routed: tells whether entries that are not kept for readers are still wanted, by a sink.
    """

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._arrived = threading.Condition()
        self._seconds = (-1, "")  # the last formatted second: neighbouring entries share it
        self._counter, self._suffix = count(), secrets.token_hex(3)
        self.before_read: Callable[[], None] = lambda: None
        self.on_append: list[Listener] = []
        self.on_receive: list[Listener] = []
        self.keeps: Callable[[Any], bool] | None = None
        self.is_routed: Callable[[], bool] = lambda: False
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))

    def now(self) -> datetime:
        """The emulator's time."""
        return self._clock.now()

    def append(self, entries: Iterable[Any]) -> None:
        """Stores ``LogEntry`` messages (protobuf); a repeated insert_id at the same time is one entry."""
        entries = [self._completed(entry) for entry in entries]
        kept = self._kept(entries)
        routed = self.is_routed()
        rows = [self._row(entry, shown) for entry, shown in zip(entries, kept, strict=True) if shown or routed]
        known = self._store.write(lambda conn: _insert(conn, rows)) if rows else set()
        with self._arrived:
            self._arrived.notify_all()
        fresh = [not known or self._key(entry) not in known for entry in entries]
        self._tell(self.on_append, compress(entries, map(min, kept, fresh)))
        self._tell(self.on_receive, compress(entries, fresh))

    def scan(self, parents: Sequence[str], query: Query, *, after: Key | None, newest_first: bool) -> Iterator[Any]:
        """Rows (seq, at, body) in time order, narrowed where the query plainly allows it: it is still to be asked."""
        self.before_read()
        where, values = _narrowed(parents, query, self._logs(query))
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

    def routed(self, parent: str, seq: int, limit: int) -> list[sqlite3.Row]:
        """For sinks: rows (seq, body) of a project that arrived after ``seq``, also those that no reader sees."""
        sql = "SELECT seq, body FROM log_entries NOT INDEXED WHERE seq > ? AND parent IN (?, ?) ORDER BY seq LIMIT ?"
        values = (seq, parent, _HIDDEN + parent, limit)
        return self._store.read(lambda conn: conn.execute(sql, values).fetchall())

    def last(self) -> int:
        """The newest sequence number."""
        return int(self._store.read(lambda conn: conn.execute(_LAST).fetchone()[0]))

    def wait(self, seq: int, timeout: float) -> None:
        """Until something newer than ``seq`` is there, or ``timeout`` seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.last() > seq, timeout)

    def log_names(self, parents: Sequence[str]) -> list[str]:
        """The logs that hold entries."""
        self.before_read()
        marks = ",".join("?" * len(parents))
        sql = f"{_NAMES} WHERE EXISTS (SELECT 1 FROM log_entries WHERE log_name = name AND parent IN ({marks}))"
        return [row[0] for row in self._store.read(lambda conn: conn.execute(sql, tuple(parents)).fetchall())]

    def delete_log(self, log_name: str) -> int:
        """Removes a log's entries (sinks still get theirs); returns how many there were."""
        self.before_read()
        where = f"WHERE log_name = ? AND parent NOT LIKE '{_HIDDEN}%'"
        action = (
            f"UPDATE log_entries SET parent = '{_HIDDEN}' || parent" if self.is_routed() else "DELETE FROM log_entries"
        )
        return self._store.write(lambda conn: conn.execute(f"{action} {where}", (log_name,)).rowcount)

    def _logs(self, query: Query) -> list[str] | None:
        """The names of the logs that a query speaks of, however they are written; None: of any."""
        if not query.log_ids:
            return None
        wanted = {log_id.casefold() for log_id in query.log_ids}
        names = self._store.read(lambda conn: [row[0] for row in conn.execute(_NAMES) if row[0] is not None])
        return [name for name in names if unquote(name.partition("/logs/")[2]).casefold() in wanted]

    def _kept(self, entries: Sequence[Any]) -> list[bool]:
        now, keeps = self._clock.now(), self.keeps
        first, last = (now - _KEPT).timestamp(), (now + _AHEAD).timestamp()
        kept = [first <= entry.timestamp.seconds <= last for entry in entries]
        return kept if keeps is None else [k and keeps(entry) for k, entry in zip(kept, entries, strict=True)]

    def _tell(self, listeners: Sequence[Listener], entries: Iterable[Any]) -> None:
        if not listeners or not (told := list(entries)):
            return
        for listener in listeners:
            try:
                listener(told)
            except Exception:  # what is stored is stored: its writer is not to blame
                log.exception("a listener failed on %d log entries", len(told))

    def _completed(self, entry: Any) -> Any:
        if not entry.HasField("timestamp"):
            entry.timestamp.FromDatetime(self._clock.now())
        if not entry.HasField("receive_timestamp"):
            entry.receive_timestamp.FromDatetime(self._clock.now())
        entry.insert_id = entry.insert_id or self._new_insert_id()
        return entry

    def _row(self, entry: Any, shown: bool) -> Row:
        parent = "/".join(entry.log_name.split("/", 2)[:2])
        job = entry.resource.labels.get("job_id", "")
        return parent if shown else _HIDDEN + parent, *self._key(entry), job, entry.SerializeToString()

    def _key(self, entry: Any) -> tuple[str, str, str]:
        return entry.log_name, self._text(entry.timestamp), entry.insert_id

    def _new_insert_id(self) -> str:
        """Rises: readers (gcloud's among them) put entries of the same time into the order of their ids."""
        return f"{next(self._counter):012x}{self._suffix}"

    def _text(self, timestamp: Any) -> str:
        second, text = self._seconds
        if second != timestamp.seconds:
            text = timestamp.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S")
            self._seconds = (timestamp.seconds, text)
        return f"{text}.{timestamp.nanos:09d}"


def _insert(conn: sqlite3.Connection, rows: Sequence[Row]) -> set[tuple[str, str, str]]:
    """Inserts what is new; the keys of what is not."""
    last = conn.execute(_LAST).fetchone()[0]
    if conn.executemany(_INSERT, rows).rowcount == len(rows):
        return set()
    new = {tuple(row) for row in conn.execute(_KEYS, (last,))}
    return {row[1:4] for row in rows if row[1:4] not in new}


def _narrowed(parents: Sequence[str], query: Query, logs: Sequence[str] | None) -> tuple[str, tuple[Any, ...]]:
    where, values = [f"parent IN ({','.join('?' * len(parents))})"], list(parents)
    if logs is not None:  # by the index of names and times, which the table's uniqueness has
        where = [f"+{where[0]}", f"log_name IN ({','.join('?' * len(logs))})"]
        values += logs
    elif query.job_id:
        where[0] = f"+{where[0]}"  # not by the index of all entries, but by that of jobs, which is a partial one
        where.append("job_id = ? AND job_id != ''")
        values.append(query.job_id)
    for bound, sign in ((query.since, ">="), (query.until, "<=")):
        if bound:
            where.append(f"at {sign} ?")
            values.append(bound)
    return " AND ".join(where), tuple(values)

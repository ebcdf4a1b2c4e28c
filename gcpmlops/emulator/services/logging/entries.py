"""The table of log entries: append, scan in time order, wait for more."""

from __future__ import annotations

import logging
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import resources
from typing import Any, Protocol

from google.logging.type import log_severity_pb2

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.service import ResourceStore

Key = tuple[str, int]  # (time, seq): where a scan goes on

log = logging.getLogger(__name__)

_GATHERED = 10_000  # entries that wait for the next commit at most
_CHUNK = 500  # rows that one read fetches
_SINCE = re.compile(r'timestamp\s*>=?\s*"?(\d{4}-\d\d-\d\dT[\d:.]+)(Z|\+00:00)?"?')
_JOB = re.compile(r'resource\.labels\.job_id\s*=\s*"?([\w-]+)"?')


class Entries:
    """All log entries of the emulator, in SQLite."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._arrived = threading.Condition()
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
        sql = f"SELECT seq, at, body FROM log_entries WHERE seq > ? AND parent IN ({marks}) ORDER BY seq LIMIT ?"
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
        now = self._clock.now()
        if not entry.HasField("timestamp"):
            entry.timestamp.FromDatetime(now)
        entry.receive_timestamp.FromDatetime(now)
        entry.insert_id = entry.insert_id or secrets.token_hex(8)
        parent = "/".join(entry.log_name.split("/")[:2])
        job = entry.resource.labels.get("job_id", "")
        return parent, entry.log_name, _text(entry.timestamp), entry.insert_id, job, entry.SerializeToString()


def _text(timestamp: Any) -> str:
    seconds = timestamp.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S")
    return f"{seconds}.{timestamp.nanos:09d}"


def _narrowed(parents: Sequence[str], text: str) -> tuple[str, tuple[Any, ...]]:
    """A WHERE clause that lets through all that the filter does; the filter itself is evaluated afterwards."""
    where, values = [f"parent IN ({','.join('?' * len(parents))})"], list(parents)
    if not re.search(r"\bOR\b|\bNOT\b|(^|\s)-", text):
        since, job = _SINCE.search(text), _JOB.search(text)
        if since:
            where.append("at >= ?")
            values.append(since[1])
        if job:
            where.append("job_id = ?")
            values.append(job[1])
    return " AND ".join(where), tuple(values)


class WriteLog(Protocol):
    """Appends one entry: ``LogWriter.write``, as services take it."""

    def __call__(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        payload: str | Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        /,
    ) -> None: ...


class LogWriter:
    """Writes entries on behalf of the emulator's own runtimes: a thread appends what gathered, in one commit.

    Readers see all that was written before they asked. Writers wait when more than ``_GATHERED`` entries are pending.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._changed = threading.Condition()
        self._pending: list[Any] = []
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None
        entries.before_read = self.flush

    def flush(self) -> None:
        """Returns when everything written so far is stored."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending and not self._busy)

    def close(self) -> None:
        """Stores what is pending and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _append(self, entry: Any) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._pending) < _GATHERED or self._closed)
            self._pending.append(entry)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._entries.append(batch)
            except sqlite3.Error:
                log.exception("%d log entries could not be stored", len(batch))

    def _take(self) -> list[Any]:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._pending or self._closed)
            batch, self._pending = self._pending, []
            self._busy = bool(batch)
            self._changed.notify_all()
            return batch

    def write(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        payload: str | Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """Appends one entry.

        Args:
            log_name: ``projects/P/logs/ID``.
            resource: monitored resource type and its labels, e.g. ``("ml_job", {"job_id": "1"})``.
            severity: a ``LogSeverity`` name.
            payload: text, or a JSON object.
            labels: the entry's own labels.
            timestamp: None is now.
        """
        from google.cloud.logging_v2.types import LogEntry  # 0.2 s: when something is logged first

        entry = LogEntry.pb()(log_name=log_name, severity=log_severity_pb2.LogSeverity.Value(severity))
        entry.resource.type = resource[0]
        entry.resource.labels.update(resource[1])
        entry.labels.update(labels or {})
        if isinstance(payload, str):
            entry.text_payload = payload
        else:
            entry.json_payload.update(payload)
        entry.timestamp.FromDatetime(timestamp or self._entries.now())
        self._append(entry)

"""Log entries of the emulator's own runtimes: built cheaply, stored in batches, held back where they come too fast."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from google.logging.type import log_severity_pb2

from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.structured import Structured

log = logging.getLogger(__name__)

_GATHERED = 2_000  # entries that wait for the next commit at most,
_GATHERED_BYTES = 4 << 20  # and their texts' characters
_SKEW = timedelta(seconds=5)  # between the emulator's clock and this machine's; less is none
_TEMPLATES = 256  # kinds of entries that are remembered


Payload = str | Mapping[str, Any] | Structured


class WriteLog(Protocol):
    """Appends one entry: ``LogWriter.write``, as services take it."""

    def __call__(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        payload: Payload,
        labels: Mapping[str, str] | None = None,
        /,
    ) -> None: ...


class LogWriter:
    """Writes entries on behalf of the emulator's own runtimes: a thread appends what gathered, in one commit.

    Readers see all that was written before they asked. Writers wait when too much is pending.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._changed = threading.Condition()
        self._pending: list[Any] = []
        self._pending_bytes = 0
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._templates: dict[tuple[Any, ...], Any] = {}
        entries.before_read = self.flush

    def write(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        payload: Payload,
        labels: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        """Appends one entry.

        Args:
            log_name: ``projects/P/logs/ID``.
            resource: monitored resource type and its labels, e.g. ``("ml_job", {"job_id": "1"})``.
            severity: a ``LogSeverity`` name.
            payload: text, a JSON object, or a line that was one, with the agents' special fields.
            labels: the entry's own labels.
            timestamp: None is now.
        """
        if isinstance(payload, Structured):
            return self._write_structured(log_name, resource, severity, payload, labels or {})
        text = payload if isinstance(payload, str) else str(payload.get("message", ""))
        template = self._template(log_name, resource, severity, payload, labels or {})
        entry = type(template)()
        entry.CopyFrom(template)
        if isinstance(payload, str):
            entry.text_payload = text
        elif "message" in payload:  # an empty one too: a blank line
            entry.json_payload.fields["message"].string_value = text
        entry.timestamp.FromDatetime(timestamp or self._entries.now())
        if timestamp is None:
            entry.receive_timestamp.CopyFrom(entry.timestamp)
        return self._append(entry, len(text))

    def _write_structured(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        line: Structured,
        labels: Mapping[str, str],
    ) -> None:
        template = self._template(log_name, resource, severity, "", labels)
        entry = type(template)()
        entry.CopyFrom(template)
        entry.receive_timestamp.FromDatetime(self._entries.now())
        line.fill(entry)
        if not entry.HasField("timestamp"):
            entry.timestamp.CopyFrom(entry.receive_timestamp)
        elif abs(ahead := self._entries.now() - datetime.now(UTC)) > _SKEW:  # programs know this machine's clock alone
            entry.timestamp.FromNanoseconds(entry.timestamp.ToNanoseconds() + int(ahead.total_seconds() * 1e9))
        self._append(entry, line.size)

    def add(self, entry: Any) -> None:
        """Appends a whole ``LogEntry`` (protobuf) of the caller's making; its time is now where it has none."""
        if not entry.HasField("timestamp"):
            entry.timestamp.FromDatetime(self._entries.now())
            entry.receive_timestamp.CopyFrom(entry.timestamp)
        self._append(entry, entry.ByteSize())

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

    def _template(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        payload: str | Mapping[str, Any],
        labels: Mapping[str, str],
    ) -> Any:
        """An entry without its text and time: the lines of one task differ in nothing else."""
        rest = None if isinstance(payload, str) else {k: v for k, v in payload.items() if k != "message"}
        key = (log_name, resource[0], *resource[1].items(), severity, *labels.items(), repr(rest))
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = _entry(log_name, resource, severity, rest, labels)
        return template

    def _append(self, entry: Any, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._full or self._closed)
            self._pending.append(entry)
            self._pending_bytes += size
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    @property
    def _full(self) -> bool:
        return len(self._pending) >= _GATHERED or self._pending_bytes >= _GATHERED_BYTES

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
            batch, self._pending, self._pending_bytes = self._pending, [], 0
            self._busy = bool(batch)
            self._changed.notify_all()
            return batch


def _entry(
    log_name: str,
    resource: tuple[str, Mapping[str, str]],
    severity: str,
    payload: Mapping[str, Any] | None,
    labels: Mapping[str, str],
) -> Any:
    from google.cloud.logging_v2 import types  # 0.2 s: when something is logged first

    entry = types.LogEntry.pb()(log_name=log_name, severity=log_severity_pb2.LogSeverity.Value(severity))
    entry.resource.type = resource[0]
    entry.resource.labels.update(resource[1])
    entry.labels.update(labels)
    if payload is not None:
        entry.json_payload.update(payload)
    return entry

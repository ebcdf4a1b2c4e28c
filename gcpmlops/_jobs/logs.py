"""The log of one job, read from Cloud Logging as it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gcpmlops._log_entries import EntryReader, text_of
from gcpmlops._log_entries import raw as raw
from gcpmlops.clients import Clients


@dataclass(frozen=True)
class LogLine:
    """One entry: `severity` as in Cloud Logging (INFO, ERROR, ...), `task` the worker that wrote it."""

    time: datetime | None
    severity: str
    text: str
    task: str = ""

    def __str__(self) -> str:
        return self.text


class JobLogs:
    """Remembers what it has read, so that each line comes once. API: Cloud Logging v2 ListLogEntries."""

    def __init__(self, clients: Clients, job: str) -> None:
        self.filter = f'resource.type="ml_job" AND resource.labels.job_id="{job.rpartition("/")[2]}"'
        self._reader = EntryReader(clients, self.filter, what=f"logs of {job}")

    def new_lines(self) -> Iterator[LogLine]:
        """Lines that were not yet read, oldest first."""
        return map(_line, self._reader.new())

    def unread(self, entries: Iterable[Any]) -> Iterator[LogLine]:
        """Those of the entries (raw ones) that were not yet read, as lines."""
        return map(_line, self._reader.unread(entries))

    def forward(self, on_log: Callable[[LogLine], None] | None) -> None:
        """Give the new lines to `on_log`; without one nothing is read."""
        if on_log is not None:
            for line in self.new_lines():
                on_log(line)

    def last(self, count: int) -> list[LogLine]:
        """The last lines, oldest first, whether read before or not."""
        return [_line(entry) for entry in self._reader.last(count)]


def _line(entry: Any) -> LogLine:
    from google.logging.type.log_severity_pb2 import LogSeverity

    return LogLine(
        time=entry.timestamp.ToDatetime(tzinfo=UTC) if entry.HasField("timestamp") else None,
        severity=LogSeverity.Name(entry.severity),
        text=text_of(entry),
        task=entry.resource.labels.get("task_name", ""),
    )

"""The log of one job, read from Cloud Logging as it grows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import translated

_PAGE = 1000


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
        self._clients = clients
        self._job = job
        self._latest: datetime | None = None
        self._ids: set[str] = set()
        self._lines: list[LogLine] = []

    def new_lines(self) -> Iterator[LogLine]:
        """Lines that were not yet read, oldest first."""
        request = _google.logging_types.ListLogEntriesRequest(
            resource_names=[f"projects/{self._clients.config.require('project')}"],
            filter=self._filter(),
            order_by="timestamp asc",
            page_size=_PAGE,
        )
        with translated(f"logs of {self._job}"):
            entries = list(self._clients.logging.list_log_entries(request=request, **self._clients.idempotent))
        for entry in entries:
            if entry.insert_id in self._ids:
                continue
            self._ids.add(entry.insert_id)
            self._latest = entry.timestamp or self._latest
            line = _line(entry)
            self._lines.append(line)
            yield line

    def forward(self, on_log: Callable[[LogLine], None] | None) -> None:
        """Give the new lines to `on_log`; without one nothing is read."""
        if on_log is not None:
            for line in self.new_lines():
                on_log(line)

    def seen(self) -> list[LogLine]:
        """All lines, after a last look."""
        for _ in self.new_lines():
            pass
        return list(self._lines)

    def _filter(self) -> str:
        """Entries of the same instant as the last one are asked for again: an entry may arrive after its neighbour."""
        parts = ['resource.type="ml_job"', f'resource.labels.job_id="{self._job.rpartition("/")[2]}"']
        if self._latest is not None:
            parts.append(f'timestamp>="{_rfc3339(self._latest)}"')
        return " AND ".join(parts)


def _rfc3339(when: datetime) -> str:
    text = getattr(when, "rfc3339", None)
    return text() if callable(text) else when.isoformat().replace("+00:00", "Z")


def _line(entry: Any) -> LogLine:
    return LogLine(
        time=entry.timestamp,
        severity=entry.severity.name if hasattr(entry.severity, "name") else str(entry.severity),
        text=entry.text_payload or _json_text(entry),
        task=str(entry.resource.labels.get("task_name", "")),
    )


def _json_text(entry: Any) -> str:
    """A structured entry's message; all of it as JSON where it has none."""
    payload = dict(entry.json_payload or {})
    return str(payload["message"]) if "message" in payload else json.dumps(payload, default=str)

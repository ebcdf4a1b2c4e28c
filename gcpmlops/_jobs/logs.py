"""The log of one job, read from Cloud Logging as it grows."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import translated

_PAGE = 1000
_OVERLAP = timedelta(seconds=2)  # entries may arrive after their neighbours
_REMEMBERED = 200_000  # insert ids; more than are written in the overlap


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
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.filter = f'resource.type="ml_job" AND resource.labels.job_id="{job.rpartition("/")[2]}"'

    def new_lines(self) -> Iterator[LogLine]:
        """Lines that were not yet read, oldest first."""
        yield from self.unread(self._listed(self._since(), "timestamp asc"))

    def unread(self, entries: Iterable[Any]) -> Iterator[LogLine]:
        """Those of the entries (raw ones) that were not yet read, as lines."""
        for entry in entries:
            if entry.insert_id in self._ids:
                continue
            self._ids[entry.insert_id] = None
            if len(self._ids) > _REMEMBERED:
                self._ids.popitem(last=False)
            line = _line(entry)
            if self._latest is None or (line.time and line.time > self._latest):
                self._latest = line.time
            yield line

    def forward(self, on_log: Callable[[LogLine], None] | None) -> None:
        """Give the new lines to `on_log`; without one nothing is read."""
        if on_log is not None:
            for line in self.new_lines():
                on_log(line)

    def last(self, count: int) -> list[LogLine]:
        """The last lines, oldest first, whether read before or not."""
        found: list[LogLine] = []
        for entry in self._listed(self.filter, "timestamp desc", page_size=count):
            found.append(_line(entry))
            if len(found) == count:
                break
        return found[::-1]

    def _listed(self, filter_: str, order_by: str, *, page_size: int = _PAGE) -> Iterator[Any]:
        request = _google.logging_types.ListLogEntriesRequest(
            resource_names=[f"projects/{self._clients.config.require('project')}"],
            filter=filter_,
            order_by=order_by,
            page_size=page_size,
        )
        with translated(f"logs of {self._job}"):
            found = self._clients.logging.list_log_entries(request=request, **self._clients.idempotent)
            for page in found.pages:
                yield from raw(page).entries

    def _since(self) -> str:
        """Entries shortly before the last one are asked for again."""
        if self._latest is None:
            return self.filter
        return f'{self.filter} AND timestamp>="{(self._latest - _OVERLAP).isoformat().replace("+00:00", "Z")}"'


def raw(message: Any) -> Any:
    """The protobuf message under Google's wrapper, whose fields cost several times as much: a log may be long."""
    return type(message).pb(message)


def _line(entry: Any) -> LogLine:
    from google.logging.type.log_severity_pb2 import LogSeverity

    return LogLine(
        time=entry.timestamp.ToDatetime(tzinfo=UTC) if entry.HasField("timestamp") else None,
        severity=LogSeverity.Name(entry.severity),
        text=entry.text_payload or _json_text(entry.json_payload),
        task=entry.resource.labels.get("task_name", ""),
    )


def _json_text(payload: Any) -> str:
    """A structured entry's message; all of it as JSON where it has none."""
    if "message" in payload.fields and payload.fields["message"].WhichOneof("kind") == "string_value":
        return str(payload.fields["message"].string_value)
    from google.protobuf.json_format import MessageToDict

    found = MessageToDict(payload)
    return str(found["message"]) if "message" in found else json.dumps(found)

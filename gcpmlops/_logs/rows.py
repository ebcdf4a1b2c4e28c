"""Log entries as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gcpmlops._log_entries import json_of, text_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class LogRow:
    """One entry.

    Attributes:
        time: its timestamp, aware, UTC.
        severity: INFO, ERROR, ...
        text: its text, a structured one's message, or all of its JSON.
        fields: a structured one's JSON; empty for text.
        labels: its own.
        log: the log's id, e.g. `stdout`.
        resource: the monitored resource's type.
        resource_labels: which one.
        trace: the trace's id, without the project; empty: none.
        insert_id: tells entries of one time apart.
    """

    time: datetime
    severity: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    log: str = ""
    resource: str = ""
    resource_labels: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""
    insert_id: str = ""

    @classmethod
    def of(cls, entry: Any) -> LogRow:
        """Of a raw entry."""
        from urllib.parse import unquote

        from google.logging.type.log_severity_pb2 import LogSeverity

        return cls(
            time=entry.timestamp.ToDatetime(tzinfo=UTC),
            severity=LogSeverity.Name(entry.severity),
            text=_text(entry),
            fields=_fields(entry),
            labels=dict(entry.labels),
            log=unquote(entry.log_name.partition("/logs/")[2]),
            resource=entry.resource.type,
            resource_labels=dict(entry.resource.labels),
            trace=entry.trace.rpartition("/")[2],
            insert_id=entry.insert_id,
        )

    def __str__(self) -> str:
        return self.text


class LogRows(list[LogRow]):
    """Entries, in the order that was asked for."""

    def to_pandas(self) -> pandas.DataFrame:
        """A row each; a structured entry's top fields and the labels are columns. Raises MissingExtra."""
        from gcpmlops._extras import need

        pandas = need("pandas", extra="evaluation", purpose="a table of log entries")
        rows = [
            {"time": row.time, "severity": row.severity, "text": row.text, "log": row.log, "trace": row.trace}
            | {f"labels.{key}": value for key, value in row.labels.items()}
            | {f"fields.{key}": value for key, value in row.fields.items() if key != "message"}
            for row in self
        ]
        columns = ["time", "severity", "text", "log", "trace"]
        return pandas.DataFrame(rows) if rows else pandas.DataFrame(columns=columns)  # type: ignore[no-any-return]


def _text(entry: Any) -> str:
    if not entry.HasField("proto_payload"):
        return text_of(entry)
    return f"({entry.proto_payload.type_url.rpartition('/')[2]})"


def _fields(entry: Any) -> dict[str, Any]:
    return json_of(entry.json_payload) if entry.HasField("json_payload") else {}

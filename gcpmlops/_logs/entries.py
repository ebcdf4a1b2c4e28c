"""Log entries as Google's messages."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from gcpmlops import _google
from gcpmlops._logs import google_form
from gcpmlops._logs.records import Event
from gcpmlops.exceptions import InvalidArgument

_LARGEST = 240 << 10  # bytes; Cloud Logging takes 256 KiB
_KEPT = 16_000  # characters of a message that is too long


def of_event(event: Event, payload: Mapping[str, Any], project: str, insert_id: str, offset: timedelta) -> Any:
    """The entry (protobuf) of an event; one that is too large loses what is too long."""
    from google.protobuf import struct_pb2

    entry = _google.log_entry.LogEntry.pb()()
    entry.insert_id = insert_id
    entry.severity = _google.log_entry.LogEntry(severity=google_form.severity(event.level)).severity
    entry.timestamp.FromDatetime(event.time + offset)
    body = struct_pb2.Struct()
    body.update(_fitting(payload))
    entry.json_payload.CopyFrom(body)
    entry.labels.update(event.labels)
    file, line, function = event.source
    entry.source_location.file, entry.source_location.line, entry.source_location.function = file, line, function
    if event.trace is not None:
        entry.trace = f"projects/{project}/traces/{event.trace.trace_id}"
        entry.span_id, entry.trace_sampled = event.trace.span_id, event.trace.sampled
    if event.http_request is not None:
        from google.protobuf.json_format import ParseDict

        ParseDict(dict(event.http_request), entry.http_request, ignore_unknown_fields=True)
    return entry


def of_text(text: str, severity: str = "WARNING") -> Any:
    """The entry (protobuf) of a text alone."""
    return _google.log_entry.LogEntry.pb(_google.log_entry.LogEntry(text_payload=text, severity=severity))


def parts(entries: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """The entries in requests of at most so many bytes."""
    part: list[Any] = []
    total = 0
    for entry in entries:
        total += entry.ByteSize()
        if part and total > size:
            yield part
            part, total = [], entry.ByteSize()
        part.append(entry)
    if part:
        yield part


def request(project: str, log: str, resource: tuple[str, Mapping[str, str]], entries: Sequence[Any]) -> Any:
    """A WriteLogEntriesRequest."""
    from urllib.parse import quote

    made = _google.logging_types.WriteLogEntriesRequest.pb()()
    made.log_name = f"projects/{project}/logs/{quote(log, safe='')}"
    made.resource.type = resource[0]
    made.resource.labels.update(resource[1])
    made.partial_success = True
    made.entries.extend(entries)
    return _google.logging_types.WriteLogEntriesRequest.wrap(made)


def _fitting(payload: Mapping[str, Any]) -> dict[str, Any]:
    if len(json.dumps(payload, ensure_ascii=False).encode()) <= _LARGEST:
        return dict(payload)
    kept = {key: _cut(value) for key, value in payload.items() if key in ("message", "stack_trace", "logger", "@type")}
    return {**kept, "truncated": True}


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _KEPT else f"{text[: _KEPT // 2]} [...] {text[-_KEPT // 2 :]}"


def of_value(message: str | Mapping[str, Any], *, severity: str, labels: Mapping[str, str]) -> Any:
    """The entry (protobuf) of a text or a JSON object. Raises InvalidArgument for a severity that isn't there."""
    from google.logging.type.log_severity_pb2 import LogSeverity

    from gcpmlops._logs.records import plain

    known = LogSeverity.keys()
    if severity.upper() not in known:
        allowed = ", ".join(known)
        raise InvalidArgument(f"severity: {severity!r} is none", field="severity", value=severity, allowed=allowed)
    entry = of_text(message if isinstance(message, str) else "", severity.upper())
    if not isinstance(message, str):
        entry.json_payload.update(plain(message))
    entry.labels.update(labels)
    entry.insert_id = secrets.token_hex(12)  # a repeated write is one entry
    return entry

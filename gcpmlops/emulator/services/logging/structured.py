"""JSON lines that programs print, as Google's logging agents read them: special fields go to their places in the entry.

https://cloud.google.com/logging/docs/structured-logging
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf import json_format

_PREFIX = "logging.googleapis.com/"
_SEVERITIES = {
    name: number
    for number, name in (
        *((100 * step, name) for step, name in enumerate(("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR"))),
        *((600 + 100 * step, name) for step, name in enumerate(("CRITICAL", "ALERT", "EMERGENCY"))),
        *((400, "WARN"), (600, "FATAL"), (100, "TRACE")),
    )
}
_TRACE = re.compile(r"([0-9a-f]{32})(?:/.*)?")
_MESSAGES = {
    "httpRequest": "http_request",
    f"{_PREFIX}sourceLocation": "source_location",
    f"{_PREFIX}operation": "operation",
}


@dataclass(frozen=True)
class Structured:
    """One line.

    Attributes:
        fields: the object that was printed.
        size: characters of the line.
    """

    fields: Mapping[str, Any]
    size: int

    def fill(self, entry: Any) -> None:
        """Sets the parts of a ``LogEntry`` (protobuf) that the line tells; a field of no use stays in the payload."""
        payload = dict(self.fields)
        severity = _SEVERITIES.get(str(payload.get("severity", "")).upper())
        if severity is not None:
            entry.severity = severity
            del payload["severity"]
        _set_time(entry, payload)
        _set_trace(entry, payload)
        labels = payload.get(f"{_PREFIX}labels")
        if isinstance(labels, dict):
            entry.labels.update({str(key): str(value) for key, value in labels.items()})
            del payload[f"{_PREFIX}labels"]
        for name, field in _MESSAGES.items():
            if isinstance(payload.get(name), dict) and _parsed(payload[name], getattr(entry, field)):
                del payload[name]
        if insert_id := payload.pop(f"{_PREFIX}insertId", None):
            entry.insert_id = str(insert_id)
        entry.json_payload.update(payload)


def parse(line: str) -> Structured | None:
    """The line's object; None where it is text."""
    if not line.startswith("{"):
        return None
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    return Structured(found, len(line)) if isinstance(found, dict) and found else None


def _set_time(entry: Any, payload: dict[str, Any]) -> None:
    for name in ("time", "timestamp"):
        if isinstance(payload.get(name), str):
            try:
                entry.timestamp.FromJsonString(payload[name])
            except ValueError:
                continue
            del payload[name]
            return


def _set_trace(entry: Any, payload: dict[str, Any]) -> None:
    trace = payload.pop(f"{_PREFIX}trace", None)
    if trace:
        found = _TRACE.fullmatch(str(trace))
        project = "/".join(entry.log_name.split("/", 2)[:2])
        entry.trace = f"{project}/traces/{found[1]}" if found else str(trace)
    entry.span_id = str(payload.pop(f"{_PREFIX}spanId", None) or "")
    entry.trace_sampled = payload.pop(f"{_PREFIX}trace_sampled", None) is True


def _parsed(value: Any, message: Any) -> bool:
    try:
        json_format.ParseDict(value, message)
    except json_format.ParseError:
        message.Clear()
        return False
    return True

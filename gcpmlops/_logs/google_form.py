"""Structured JSON as Cloud Run, GKE, Cloud Functions and Vertex AI read it from standard output.

https://cloud.google.com/logging/docs/structured-logging
https://cloud.google.com/error-reporting/docs/formatting-error-messages
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gcpmlops._logs.records import Event

SPECIAL = "logging.googleapis.com/"
REPORTED_ERROR = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
_LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
    (logging.DEBUG, "DEBUG"),
)


def severity(level: int) -> str:
    """Cloud Logging's name of a level of Python; between two levels the lower one, below DEBUG none."""
    return next((name for least, name in _LEVELS if level >= least), "DEFAULT")


def payload(event: Event, service: Mapping[str, str]) -> dict[str, Any]:
    """What is the entry's jsonPayload: message, fields, and of an exception what Error Reporting wants."""
    found: dict[str, Any] = {**event.fields, "message": event.message, "logger": event.logger}
    if event.failure is not None:
        found["exception"] = {"type": event.failure.type, "message": event.failure.message}
        found["stack_trace"] = event.failure.stack_trace
        if event.level >= logging.ERROR:
            file, line, function = event.source
            found["@type"] = REPORTED_ERROR
            found["context"] = {"reportLocation": {"filePath": file, "lineNumber": line, "functionName": function}}
            found["serviceContext"] = {"service": "python", **service}
    return found


def line(event: Event, service: Mapping[str, str], project: str | None) -> dict[str, Any]:
    """The whole line: what is not payload under the names that Google's agents look for."""
    file, number, function = event.source
    found: dict[str, Any] = {
        "severity": severity(event.level),
        "time": event.time.isoformat().replace("+00:00", "Z"),
        **payload(event, service),
        f"{SPECIAL}sourceLocation": {"file": file, "line": str(number), "function": function},
    }
    if event.labels:
        found[f"{SPECIAL}labels"] = dict(event.labels)
    if event.trace is not None:
        prefix = f"projects/{project}/traces/" if project else ""
        found[f"{SPECIAL}trace"] = prefix + event.trace.trace_id
        if event.trace.span_id:
            found[f"{SPECIAL}spanId"] = event.trace.span_id
        found[f"{SPECIAL}trace_sampled"] = event.trace.sampled
    if event.http_request is not None:
        found["httpRequest"] = event.http_request
    return found

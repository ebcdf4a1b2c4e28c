"""Lines in the Elastic Common Schema, for Elasticsearch, Logstash, Kibana and their Filebeat.

https://www.elastic.co/guide/en/ecs/current/index.html; `FIELDS` is all that a line can hold, with the type that the
index template in infra/elk gives it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gcpmlops._logs.records import Event

VERSION = "8.11.0"
FIELDS = {
    "@timestamp": "date",
    "message": "match_only_text",
    "ecs.version": "keyword",
    "log.level": "keyword",
    "log.logger": "keyword",
    "log.origin.file.name": "keyword",
    "log.origin.file.line": "long",
    "log.origin.function": "keyword",
    "process.pid": "long",
    "process.name": "keyword",
    "process.thread.id": "long",
    "process.thread.name": "keyword",
    "error.type": "keyword",
    "error.message": "match_only_text",
    "error.stack_trace": "wildcard",
    "trace.id": "keyword",
    "span.id": "keyword",
    "service.name": "keyword",
    "service.version": "keyword",
    "event.dataset": "keyword",
    "cloud.provider": "keyword",
    "cloud.project.id": "keyword",
    "http.request.method": "keyword",
    "http.response.status_code": "long",
    "url.original": "wildcard",
    "user_agent.original": "keyword",
    "labels": "object",
    "numeric_labels": "object",
    "gcpmlops": "flattened",
}
_LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)
_REQUEST = {
    "requestMethod": "http.request.method",
    "status": "http.response.status_code",
    "requestUrl": "url.original",
    "userAgent": "user_agent.original",
}


def line(event: Event, service: Mapping[str, str], project: str | None) -> dict[str, Any]:
    """One document: texts among the fields are labels, numbers numeric labels, the rest is below `gcpmlops`."""
    file, number, function = event.source
    pid, process, thread, thread_name = event.process
    name = service.get("service", "python")
    values: dict[str, Any] = {
        "@timestamp": event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "log.level": next((word for least, word in _LEVELS if event.level >= least), "debug"),
        "message": event.message,
        "ecs.version": VERSION,
        "log.logger": event.logger,
        "log.origin.file.name": file,
        "log.origin.file.line": number,
        "log.origin.function": function,
        "process.pid": pid,
        "process.name": process,
        "process.thread.id": thread,
        "process.thread.name": thread_name,
        "service.name": name,
        "service.version": service.get("version"),
        "event.dataset": f"{name}.log",
        "cloud.provider": "gcp" if project else None,
        "cloud.project.id": project,
    }
    values |= _of_failure(event) | _of_trace(event) | _of_request(event) | _of_fields(event)
    return nested({key: value for key, value in values.items() if value not in (None, "", {})})


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as objects in objects; `log.level` and `ecs.version` stay whole, as Elastic's own loggers write."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        at, parts = found, [key] if key in ("log.level", "ecs.version") else key.split(".")
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1]] = value
    return found


def _of_failure(event: Event) -> dict[str, Any]:
    if event.failure is None:
        return {}
    return {
        "error.type": event.failure.type,
        "error.message": event.failure.message,
        "error.stack_trace": event.failure.stack_trace,
    }


def _of_trace(event: Event) -> dict[str, Any]:
    return {} if event.trace is None else {"trace.id": event.trace.trace_id, "span.id": event.trace.span_id}


def _of_request(event: Event) -> dict[str, Any]:
    request = event.http_request or {}
    return {ours: request[theirs] for theirs, ours in _REQUEST.items() if theirs in request}


def _of_fields(event: Event) -> dict[str, Any]:
    texts = {key: value for key, value in event.fields.items() if isinstance(value, (str, bool))}
    numbers = {
        _label(key): value
        for key, value in event.fields.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    rest = {
        key: v for key, v in event.fields.items() if v is not None and key not in texts and _label(key) not in numbers
    }
    shown = {key: str(value).lower() if isinstance(value, bool) else value for key, value in texts.items()}
    labels = {_label(key): value for key, value in {**shown, **event.labels}.items()}
    return {"labels": labels, "numeric_labels": numbers, "gcpmlops": rest}


def _label(key: str) -> str:
    """Labels are flat: a dot would make an object of them."""
    return key.replace(".", "_").replace("*", "_").replace('"', "_")

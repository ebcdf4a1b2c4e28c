"""What functions print and what is asked of them, as entries of Cloud Logging (resource ``cloud_run_revision``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gcpmlops.emulator.kernel import names

_SPECIAL = "logging.googleapis.com/"
_SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
_ALIASES = {"WARN": "WARNING", "FATAL": "CRITICAL", "TRACE": "DEBUG"}
_TRACE = re.compile(r"([0-9a-f]{32})(?:/(\w+))?.*")
Append = Callable[[Any], None]  # one LogEntry (protobuf)


class RevisionLog:
    """Writes the entries of one revision."""

    def __init__(self, service: str, revision: str, append: Append) -> None:
        self._append = append
        self._project = f"projects/{names.project_of(service)}"
        name = service.rpartition("/")[2]
        self._labels = {
            "project_id": names.project_of(service),
            "location": names.location_of(service),
            "service_name": name,
            "configuration_name": name,
            "revision_name": revision,
        }

    def line(self, stream: str, text: str) -> None:
        """One line that an instance printed: text, or a JSON object with Cloud Logging's special fields."""
        if not text:
            return
        entry = self._entry(f"run.googleapis.com%2F{stream}")
        payload = _object(text)
        if payload is None:
            entry.text_payload = text
        else:
            self._structured(entry, payload)
        self._append(entry)

    def say(self, severity: str, text: str) -> None:
        """What the service itself has to say."""
        entry = self._entry("run.googleapis.com%2Fvarlog%2Fsystem", severity)
        entry.text_payload = text
        self._append(entry)

    def request(self, http: Mapping[str, Any], *, trace: str, execution: str, reason: str = "") -> None:
        """One request, as Cloud Run logs it.

        Args:
            http: the fields of HttpRequest, ``latency`` in seconds.
            trace: the trace's id.
            execution: functions-framework's execution id.
            reason: why it did not reach the function, or got no answer.
        """
        status = int(http["status"])
        severity = "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
        entry = self._entry("run.googleapis.com%2Frequests", severity)
        seconds = http["latency"]
        for key, value in http.items():
            if key != "latency":
                setattr(entry.http_request, key, value)
        entry.http_request.latency.FromNanoseconds(int(seconds * 1e9))
        entry.trace = f"{self._project}/traces/{trace}"
        entry.labels["execution_id"] = execution
        if reason:
            entry.text_payload = reason
        self._append(entry)

    def _entry(self, log_id: str, severity: str = "DEFAULT") -> Any:
        from google.cloud.logging_v2.types import LogEntry
        from google.logging.type import log_severity_pb2

        entry = LogEntry.pb()(log_name=f"{self._project}/logs/{log_id}")
        entry.severity = log_severity_pb2.LogSeverity.Value(severity)
        entry.resource.type = "cloud_run_revision"
        entry.resource.labels.update(self._labels)
        entry.labels["goog-managed-by"] = "cloudfunctions"
        return entry

    def _structured(self, entry: Any, payload: dict[str, Any]) -> None:
        """Special fields go to their places in the entry; a lone message is text."""
        from google.logging.type import log_severity_pb2

        given = str(payload.pop("severity", "")).upper()
        severity = _ALIASES.get(given, given)
        if severity in _SEVERITIES:
            entry.severity = log_severity_pb2.LogSeverity.Value(severity)
        labels = payload.pop(f"{_SPECIAL}labels", {})
        if isinstance(labels, dict):
            entry.labels.update({str(key): str(value) for key, value in labels.items()})
        trace = payload.pop(f"{_SPECIAL}trace", None) or payload.pop("trace", None)
        if trace:
            found = _TRACE.fullmatch(str(trace))
            entry.trace = f"{self._project}/traces/{found[1]}" if found else str(trace)
        entry.span_id = str(payload.pop(f"{_SPECIAL}spanId", "") or "")
        entry.insert_id = str(payload.pop(f"{_SPECIAL}insertId", "") or "")
        if list(payload) == ["message"]:
            entry.text_payload = str(payload["message"]).rstrip("\n")
        else:
            entry.json_payload.update(payload)


def _object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = orjson.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

"""What functions print and what is asked of them, as entries of Cloud Logging (resource ``cloud_run_revision``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.logging.structured import parse

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
        structured = parse(text)
        if structured is None:
            entry.text_payload = text
        else:
            structured.fill(entry)
            entry.ClearField("timestamp")  # instances know this machine's clock alone
            if list(entry.json_payload.fields) == ["message"]:
                entry.text_payload = str(structured.fields["message"]).rstrip("\n")
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
        from google.cloud.logging_v2 import types
        from google.logging.type import log_severity_pb2

        entry = types.LogEntry.pb()(log_name=f"{self._project}/logs/{log_id}")
        entry.severity = log_severity_pb2.LogSeverity.Value(severity)
        entry.resource.type = "cloud_run_revision"
        entry.resource.labels.update(self._labels)
        entry.labels["goog-managed-by"] = "cloudfunctions"
        return entry

"""What Cloud Logging tells of sinks that can't deliver: entries of the log `logging.googleapis.com/sink_error`."""

from __future__ import annotations

import threading

from google.api_core import exceptions
from google.cloud.logging_v2 import types

from gcpmlops.emulator.services.logging.destinations.address import Address
from gcpmlops.emulator.services.logging.writer import WriteLog

LOG_ID = "logging.googleapis.com%2Fsink_error"

_THING = {"pubsub": "topic", "storage": "bucket", "bigquery": "dataset", "logging": "bucket"}


class SinkErrors:
    """Writes an entry when a sink begins to fail, and when it fails for another reason.

    Args:
        write: appends an entry.
    """

    def __init__(self, write: WriteLog) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def report(self, name: str, sink: types.LogSink, where: Address, error: exceptions.GoogleAPICallError) -> None:
        """Tells an error of a sink's destination."""
        code, detail = _code(where, error), str(error.message)
        with self._lock:
            if self._last.get(name) == f"{code} {detail}":
                return
            self._last[name] = f"{code} {detail}"
        parent = name.partition("/sinks/")[0]
        project = parent.removeprefix("projects/")
        labels = {"project_id": project, "name": sink.name, "destination": sink.destination}
        text = f"Cloud Logging sink configuration error in {project}, sink {sink.name}: {code} ({detail})"
        told = {"destination": sink.destination, "error_code": code, "error_detail": detail, "sink_id": sink.name}
        self._write(f"{parent}/logs/{LOG_ID}", ("logging_sink", labels), "ERROR", text, told)

    def forget(self, name: str) -> None:
        """The sink delivers: its next error is told, whichever it is."""
        with self._lock:
            self._last.pop(name, None)


def _code(where: Address, error: exceptions.GoogleAPICallError) -> str:
    if isinstance(error, exceptions.NotFound):
        return f"{_THING[where.kind]}_not_found"
    if isinstance(error, exceptions.PermissionDenied):
        return f"{_THING[where.kind]}_permission_denied"
    return "destination_error"

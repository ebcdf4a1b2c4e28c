"""The handlers: one writes lines to a stream, the other entries through Cloud Logging's API."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from gcpmlops._logs import ecs_form, google_form, records
from gcpmlops._logs.sending import Sender
from gcpmlops.config import Runtime
from gcpmlops.exceptions import InvalidArgument

Form = Literal["google", "ecs"]
FORMS: Mapping[str, Callable[[records.Event, Mapping[str, str], str | None], dict[str, Any]]] = {
    "google": google_form.line,
    "ecs": ecs_form.line,
}


class LineHandler(logging.Handler):
    """One JSON object a line.

    Args:
        stream: where to; None is what `sys.stdout` is at each line.
        form: `google` or `ecs`.
        project: whose traces they are.
        runtime: the job, function or service that this program is.
        labels: of every line.
    """

    def __init__(
        self, stream: TextIO | None, *, form: str, project: str | None, runtime: Runtime, labels: Mapping[str, str]
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise InvalidArgument(f"form: {form!r} is not one", field="form", value=form, allowed=" or ".join(FORMS))
        self._stream = stream
        self._line = FORMS[form]
        self._project = project
        self._service = runtime.service
        self._labels = {**runtime.labels, **labels}

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return json.dumps(
            self._line(records.event(record, self._labels), self._service, self._project), ensure_ascii=False
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Writes it at once. What fails is shown as logging's own handlers do."""
        try:
            stream = self._stream or sys.stdout
            stream.write(self.format(record) + "\n")
            stream.flush()
        except Exception:  # noqa: BLE001 - as logging.StreamHandler: a log line never fails the program
            self.handleError(record)


class ApiHandler(logging.Handler):
    """Entries through Cloud Logging's API: gathered, and written by a thread of its own.

    Args:
        sender: writes them.
        runtime: the job, function or service that this program is.
        labels: of every entry.
    """

    def __init__(self, sender: Sender, *, runtime: Runtime, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._sender = sender
        self._service = runtime.service
        self._labels = {**runtime.labels, **labels}

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits. What the sending itself logs is left out: it would go on for ever."""
        if self._sender.is_sending():
            return
        try:
            event = records.event(record, self._labels)
            self._sender.put(event, google_form.payload(event, self._service))
        except Exception:  # noqa: BLE001 - as logging.StreamHandler
            self.handleError(record)

    def flush(self) -> None:
        """Returns when what was logged so far is written, or was given up."""
        self._sender.flush()

    def close(self) -> None:
        """Writes what is left and ends the thread."""
        self._sender.close()
        super().close()

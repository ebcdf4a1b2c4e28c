"""A log record of Python as one event, before it takes a form: what was said, by whom, where, about which request."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gcpmlops._logs import trace
from gcpmlops._logs.trace import Trace

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SPECIAL = frozenset({"json_fields", "labels", "http_request", "trace", "span_id"})
_DEEPEST = 20


@dataclass(frozen=True)
class Failure:
    """An exception: the type's name, what it says, and Python's traceback as text."""

    type: str
    message: str
    stack_trace: str


@dataclass(frozen=True)
class Event:
    """One record.

    Attributes:
        time: when, aware, by this machine's clock.
        level: Python's level, a number.
        message: the text.
        logger: who said it.
        source: file, line, function.
        fields: structured values; all of them can be JSON.
        labels: short texts to search by.
        failure: the exception that it is about.
        trace: the request that it belongs to.
        http_request: that request, as Cloud Logging's HttpRequest.
        process: process id and name, thread id and name.
    """

    time: datetime
    level: int
    message: str
    logger: str
    source: tuple[str, int, str]
    fields: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    trace: Trace | None = None
    http_request: Mapping[str, Any] | None = None
    process: tuple[int, str, int, str] = (0, "", 0, "")


def event(record: logging.LogRecord, labels: Mapping[str, str]) -> Event:
    """The record with a handler's labels, those that are bound, and its own.

    `extra=` may hold `json_fields`, `labels`, `trace`, `span_id`, `http_request`, as Google's own handlers take them;
    its other names are fields too.
    """
    extra = {key: value for key, value in vars(record).items() if key not in _OWN and key not in _SPECIAL}
    given = getattr(record, "json_fields", None)
    own = getattr(record, "labels", None)
    fields = {**extra, **(given if isinstance(given, Mapping) else {})}
    merged = {**labels, **trace.labels(), **(own if isinstance(own, Mapping) else {})}
    request = getattr(record, "http_request", None)
    return Event(
        time=datetime.fromtimestamp(record.created, UTC),
        level=record.levelno,
        message=_message(record),
        logger=record.name,
        source=(record.pathname, record.lineno, record.funcName or ""),
        fields={str(key): plain(value) for key, value in fields.items()},
        labels={str(key): str(value) for key, value in merged.items()},
        failure=_failure(record),
        trace=_trace(record),
        http_request=plain(request) if isinstance(request, Mapping) else None,
        process=(record.process or 0, record.processName or "", record.thread or 0, record.threadName or ""),
    )


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it; what JSON has no form for is its text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if depth >= _DEEPEST:
        return _shown(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return plain(value.tolist(), depth + 1)
    return _shown(value)


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a value that can't be shown must not cost the line
        return f"<{type(value).__name__} that can't be shown: {type(error).__name__}>"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - a wrong format must not cost the line
        return f"{record.msg!s} {record.args!r} (not formatted: {error})"


def _failure(record: logging.LogRecord) -> Failure | None:
    kind, error, at = record.exc_info if record.exc_info else (None, None, None)
    if kind is None or error is None:
        return None
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, _shown(error), "".join(traceback.format_exception(kind, error, at)).rstrip("\n"))


def _trace(record: logging.LogRecord) -> Trace | None:
    given = getattr(record, "trace", None)
    if given:
        return Trace(str(given).rpartition("/")[2], str(getattr(record, "span_id", "") or ""))
    return trace.current()

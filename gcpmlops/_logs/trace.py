"""Which request a log record belongs to: told by hand, by the web framework's request, or by OpenTelemetry's span."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_PARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?:-.*)?")
_GOOGLE = re.compile(r"(?P<trace>[0-9a-fA-F]{32})(?:/(?P<span>\d+))?(?:;o=(?P<sampled>[01]))?")


@dataclass(frozen=True)
class Trace:
    """A request's trace: 32 hexadecimal digits, its span: 16 or none, and whether it is sampled."""

    trace_id: str
    span_id: str = ""
    sampled: bool = False


@dataclass(frozen=True)
class Bound:
    """What `Logs.bind` adds to each record that is logged within it."""

    trace: Trace | None = None
    labels: tuple[tuple[str, str], ...] = ()


_NOTHING = Bound()
_BOUND: ContextVar[Bound] = ContextVar("gcpmlops_logs", default=_NOTHING)


def of_headers(headers: Mapping[str, str]) -> Trace | None:
    """From `traceparent` (W3C), else `X-Cloud-Trace-Context` (Google's); None where neither can be read."""
    lower = {str(key).lower(): str(value).strip() for key, value in headers.items()}
    parent = _PARENT.fullmatch(lower.get("traceparent", ""))
    if parent is not None and set(parent["trace"]) != {"0"}:
        return Trace(parent["trace"], parent["span"], bool(int(parent["flags"], 16) & 1))
    google = _GOOGLE.fullmatch(lower.get("x-cloud-trace-context", ""))
    if google is not None:
        span = f"{int(google['span']) & (2**64 - 1):016x}" if google["span"] else ""
        return Trace(google["trace"].lower(), span, google["sampled"] == "1")
    return None


@contextmanager
def bound(trace: Trace | None, labels: Mapping[str, str]) -> Iterator[None]:
    """Adds these to what is logged inside; labels join those of the blocks around."""
    outer = _BOUND.get()
    merged = {**dict(outer.labels), **{key: str(value) for key, value in labels.items()}}
    token = _BOUND.set(Bound(trace or outer.trace, tuple(merged.items())))
    try:
        yield
    finally:
        _BOUND.reset(token)


def labels() -> dict[str, str]:
    """What is bound here."""
    return dict(_BOUND.get().labels)


def current() -> Trace | None:
    """The trace here and now."""
    return _BOUND.get().trace or _of_span() or _of_flask()


def _of_span() -> Trace | None:
    """OpenTelemetry's, where a program has loaded it."""
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return None
    context = module.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", bool(context.trace_flags & 1))


def _of_flask() -> Trace | None:
    """Of the request that Flask answers: functions-framework, which runs Cloud Functions, is made of it."""
    module = sys.modules.get("flask")
    if module is None or not module.has_request_context():
        return None
    return of_headers(module.request.headers)

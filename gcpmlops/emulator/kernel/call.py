"""The call that is being answered: who calls, in which API version, with which reply headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Caller:
    """An authenticated identity."""

    email: str
    project: str


ANONYMOUS = Caller("", "")


@dataclass
class Call:
    """One request, whatever transport it came by.

    Attributes:
        version: the API version in the path, e.g. ``v1`` or ``v1beta1``.
        headers: the request's headers or metadata, keys in lower case.
        host: which host was asked, without a port; empty where that is not known.
        reply_headers: what the service adds to the reply (HTTP headers, gRPC trailing metadata).
        is_active: false once the client is gone; streams stop then.
        remaining: seconds until the client's deadline, None without one.
    """

    caller: Caller = ANONYMOUS
    version: str = "v1"
    headers: dict[str, str] = field(default_factory=dict)
    reply_headers: dict[str, str] = field(default_factory=dict)
    is_active: Callable[[], bool] = lambda: True
    remaining: Callable[[], float | None] = lambda: None
    host: str = ""


_current: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """The call that this thread answers; a default one in background work."""
    return _current.get(Call())


@contextmanager
def answering(call: Call) -> Iterator[Call]:
    """Makes ``call`` the current one of this thread."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)

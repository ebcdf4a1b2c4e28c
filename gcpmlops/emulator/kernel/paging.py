"""Pages as AIP-158 describes them: an opaque token, bound to the request that it continues."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

from google.api_core import exceptions

T = TypeVar("T")

DEFAULT_SIZE = 100
MAX_SIZE = 1000


def page(
    items: Sequence[T], request: Any, *, default: int = DEFAULT_SIZE, maximum: int = MAX_SIZE
) -> tuple[list[T], str]:
    """The slice of ``items`` that ``request.page_size`` and ``request.page_token`` ask for, and the next token.

    Raises: InvalidArgument for a negative size, or a token of another request.
    """
    if request.page_size < 0:
        raise exceptions.InvalidArgument(f"page_size {request.page_size} must not be negative.")
    size = min(request.page_size or default, maximum)
    start = _decode(request.page_token, _binding(request))
    end = start + size
    token = _encode(end, _binding(request)) if end < len(items) else ""
    return list(items[start:end]), token


def _binding(request: Any) -> str:
    fields = (getattr(request, name, "") for name in ("parent", "name", "filter", "order_by"))
    return hashlib.sha256("\0".join(str(field) for field in fields).encode()).hexdigest()[:12]


def _encode(offset: int, binding: str) -> str:
    return base64.urlsafe_b64encode(f"{binding}:{offset}".encode()).decode()


def _decode(token: str, binding: str) -> int:
    if not token:
        return 0
    try:
        bound, offset = base64.urlsafe_b64decode(token.encode()).decode().split(":")
        if bound == binding:
            return int(offset)
    except ValueError:
        pass
    raise exceptions.InvalidArgument(f"page_token {token!r} does not belong to this request: start again without it.")

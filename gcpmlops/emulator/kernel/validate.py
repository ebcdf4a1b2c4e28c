"""Required fields and plain limits, with errors that name the field (and a ``BadRequest`` detail)."""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.rpc import error_details_pb2

from gcpmlops.emulator.kernel.masks import raw

_LABEL_KEY = re.compile(r"[a-z\u00df-\uffff][a-z0-9_\u00df-\uffff-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_\u00df-\uffff-]{0,63}")


def invalid(field: str, description: str) -> exceptions.InvalidArgument:
    """InvalidArgument about one field, with the detail that clients can read by program."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    detail = error_details_pb2.BadRequest(field_violations=[violation])
    return exceptions.InvalidArgument(f"{field}: {description}", details=[detail])


def require(message: Any, *paths: str) -> None:
    """Each dotted path holds a value.

    Raises: InvalidArgument naming the first one that doesn't.
    """
    for path in paths:
        value = raw(message)
        for part in path.split("."):
            value = getattr(value, part)
        if not value and not _is_set_message(value):
            raise invalid(path, "required, but missing.")


def _is_set_message(value: Any) -> bool:
    return hasattr(value, "ListFields") and bool(value.ListFields())


def labels(values: Any, field: str = "labels") -> None:
    """Google's rules for labels: 64 at most; lower-case keys and values of 63 characters.

    Raises: InvalidArgument naming the label.
    """
    if len(values) > 64:
        raise invalid(field, f"{len(values)} labels, 64 are allowed.")
    for key, value in values.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            rule = "lower-case letters, digits, _ and -, 63 characters at most; a key starts with a letter"
            raise invalid(f"{field}.{key}", f"{value!r} is not allowed ({rule}).")

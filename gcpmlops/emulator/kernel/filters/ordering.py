"""``order_by``: sorts messages by the values of fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from google.api_core import exceptions
from google.protobuf import timestamp_pb2

from gcpmlops.emulator.kernel.filters import fields

T = TypeVar("T")


def order(items: Iterable[T], order_by: str) -> list[T]:
    """Sorts by ``field [asc|desc], ...``.

    Raises: InvalidArgument for a field that the messages don't have.
    """
    ordered = list(items)
    for clause in reversed([part.split() for part in order_by.split(",") if part.strip()]):
        direction = clause[1].lower() if len(clause) > 1 else "asc"
        if len(clause) > 2 or direction not in ("asc", "desc"):
            raise exceptions.InvalidArgument(f"order_by {order_by!r}: expected 'field [asc|desc], ...'.")
        path = clause[0].split(".")
        ordered.sort(key=lambda item: _sort_key(item, path, order_by), reverse=direction == "desc")
    return ordered


def _sort_key(item: Any, path: list[str], order_by: str) -> Any:
    values = [value for value in fields.values(item, path) if value is not None]
    if not values and fields.unknown(item, path[0]):
        raise exceptions.InvalidArgument(f"order_by {order_by!r}: there is no field {path[0]!r}.")
    value = values[0] if values else ""
    if isinstance(value, timestamp_pb2.Timestamp):
        value = value.ToNanoseconds()
    elif isinstance(value, fields.EnumValue):
        value = value.number
    kind = 0 if value == "" else 2 if isinstance(value, str) else 1  # a Struct's values may be of several kinds
    return kind, value

"""google.protobuf.Value to and from plain Python values, several times faster than json_format."""

from __future__ import annotations

import math
from typing import Any

from google.protobuf import struct_pb2

Value = struct_pb2.Value
_EXACT = 2.0**53


def to_plain(value: Any) -> Any:
    """The JSON value that a `Value` holds; whole numbers become int, as JSON has one kind of number."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and -_EXACT < number < _EXACT else number
    if kind == "list_value":
        return [to_plain(item) for item in value.list_value.values]
    if kind == "string_value":
        return value.string_value
    if kind == "struct_value":
        return {key: to_plain(item) for key, item in value.struct_value.fields.items()}
    return value.bool_value if kind == "bool_value" else None


def fill(value: Any, plain: Any) -> None:
    """Set a `Value` to a JSON value. Raises ValueError for a number that JSON does not have."""
    if isinstance(plain, bool):
        value.bool_value = plain
    elif isinstance(plain, (int, float)):
        if not math.isfinite(plain):
            raise ValueError(f"{plain} is not a JSON number")
        value.number_value = plain
    elif isinstance(plain, str):
        value.string_value = plain
    elif isinstance(plain, list):
        items = value.list_value.values
        value.list_value.SetInParent()
        for item in plain:
            fill(items.add(), item)
    elif isinstance(plain, dict):
        fields = value.struct_value.fields
        value.struct_value.SetInParent()
        for key, item in plain.items():
            fill(fields[key], item)
    else:
        value.null_value = 0

"""google.protobuf.Value to and from plain Python values, an order of magnitude faster than json_format.

Rows of a model are lists of numbers. Such a list's bytes have one fixed pattern, so it is read and written as a whole
and not message by message.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

from google.protobuf import struct_pb2

Value = struct_pb2.Value
_EXACT = 2.0**53
_HEAD = b"\n\t\x11"  # in a list: a Value of 9 bytes follows, and it holds a double
_SIZE = len(_HEAD) + 8
_NUMBER = struct.Struct("<3xd")
_FEW = 4  # numbers; a shorter list is not worth the trick


def to_plain(value: Any) -> Any:
    """The JSON value that a `Value` holds; whole numbers become int, as JSON has one kind of number.

    Raises: ValueError for a number that JSON does not have.
    """
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return _number(value.number_value)
    if kind == "list_value":
        return _items(value.list_value)
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
        value.list_value.SetInParent()
        extend(value.list_value, "values", plain)
    elif isinstance(plain, dict):
        fields = value.struct_value.fields
        value.struct_value.SetInParent()
        for key, item in plain.items():
            fill(fields[key], item)
    else:
        value.null_value = 0


def extend(message: Any, field: str, plain: list[Any]) -> None:
    """Append JSON values to a message's repeated field of `Value`. Raises ValueError as `fill`."""
    if len(plain) >= _FEW and field_number(message, field) == 1 and _are_numbers(plain):
        message.MergeFromString(_packed(plain))
        return
    items = getattr(message, field)
    for item in plain:
        fill(items.add(), item)


def field_number(message: Any, field: str) -> int:
    """The number of a field, by which its bytes begin."""
    number: int = message.DESCRIPTOR.fields_by_name[field].number
    return number


def _items(listed: Any) -> list[Any]:
    count = len(listed.values)
    if count >= _FEW:
        data = listed.SerializeToString()
        if len(data) == _SIZE * count and all(data[at::_SIZE] == _HEAD[at : at + 1] * count for at in range(3)):
            return _numbers([number for (number,) in _NUMBER.iter_unpack(data)])
    return [to_plain(item) for item in listed.values]


def _number(number: float) -> int | float:
    return _numbers([number])[0]


def _numbers(numbers: list[float]) -> list[int | float]:
    if not all(map(math.isfinite, numbers)):
        wrong = next(number for number in numbers if not math.isfinite(number))
        raise ValueError(f"{wrong} is not a JSON number")
    if not any(map(float.is_integer, numbers)):
        return numbers
    return [int(number) if number.is_integer() and -_EXACT < number < _EXACT else number for number in numbers]


def _are_numbers(plain: Iterable[Any]) -> bool:
    return {float, int}.issuperset(map(type, plain)) and all(map(math.isfinite, plain))


def _packed(numbers: list[Any]) -> bytes:
    doubles = struct.pack(f"<{len(numbers)}d", *numbers)
    data = bytearray((_HEAD + bytes(8)) * len(numbers))
    for at in range(8):
        data[len(_HEAD) + at :: _SIZE] = doubles[at::8]
    return bytes(data)

"""Enum values in JSON: Google's servers take their names in any case, gcloud writes some as users do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor


def folded(tree: Any, descriptor: Any) -> Any:
    """The JSON of a message with every enum value by its name; what is none stays as it is.

    Args:
        tree: what was sent; dicts and lists of it are copied where they are changed.
        descriptor: of the message.
    """
    if not isinstance(tree, dict):
        return tree
    return tree | dict(_changed(tree, descriptor))


def _changed(tree: dict[str, Any], descriptor: Any) -> Iterator[tuple[str, Any]]:
    for field in descriptor.fields:
        key = field.json_name if field.json_name in tree else field.name
        if key not in tree:
            continue
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry and isinstance(tree[key], dict):
            value = kind.fields_by_name["value"]
            yield key, {name: _value(each, value) for name, each in tree[key].items()}
        elif field.is_repeated and isinstance(tree[key], list):
            yield key, [_value(each, field) for each in tree[key]]
        else:
            yield key, _value(tree[key], field)


def _value(value: Any, field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return folded(value, field.message_type)
    if field.enum_type is None or not isinstance(value, str):
        return value
    return value.upper() if value.upper() in field.enum_type.values_by_name else value

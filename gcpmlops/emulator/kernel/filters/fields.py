"""The values at a path of a message: through repeated fields, maps, Structs and Any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf import any_pb2, empty_pb2, struct_pb2, symbol_database, wrappers_pb2
from google.protobuf.message import DecodeError, Message

from gcpmlops.emulator.kernel.masks import raw

# A scalar that may be missing.
_WRAPPERS = (
    wrappers_pb2.BoolValue,
    wrappers_pb2.StringValue,
    wrappers_pb2.DoubleValue,
    wrappers_pb2.FloatValue,
    wrappers_pb2.Int32Value,
    wrappers_pb2.Int64Value,
    wrappers_pb2.UInt32Value,
    wrappers_pb2.UInt64Value,
)


class Key(str):
    """A key of a map: `labels:team` asks for that very key."""

    __slots__ = ()


class EnumValue(str):
    """An enum value: compares by number (severities are ordered), shows its name."""

    __slots__ = ("number", "values")
    number: int
    values: Any

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, descriptor: Any, number: int) -> EnumValue:
        known = descriptor.values_by_number.get(number)
        value = cls(known.name if known else str(number))
        value.number, value.values = number, descriptor.values_by_name
        return value

    def number_of(self, wanted: str) -> int:
        found = self.values.get(wanted.upper())
        return int(found.number) if found is not None else int(wanted)


def unknown(message: Any, name: str) -> bool:
    """Whether the message's type has no such field."""
    return find(raw(message).DESCRIPTOR, name) is None


@lru_cache(maxsize=4096)
def find(descriptor: Any, name: str) -> Any:
    """The field of a message type, by its proto's or its JSON's name; None: there is none."""
    return next((field for field in descriptor.fields if name in (field.name, field.json_name)), None)


@lru_cache(maxsize=4096)
def is_map(field: Any) -> bool:
    """Whether a field of a message type is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def values(message: Any, path: Sequence[str]) -> Iterator[Any]:
    """Every value at a path, through repeated fields, maps, Structs and Any.

    Scalars count when set or default; a Struct's null is None.
    """
    node = raw(message)
    if not path and isinstance(node, _WRAPPERS):
        yield node.value
    elif not path:
        yield from [node] if not isinstance(node, struct_pb2.Value) else _plain(node)
    elif isinstance(node, struct_pb2.Value):
        kind = node.WhichOneof("kind") or "null_value"
        yield from values(getattr(node, kind), path[1:] if path[0] == kind else path)
    elif isinstance(node, struct_pb2.Struct):
        if path[0] in node.fields:
            yield from values(node.fields[path[0]], path[1:])
    elif isinstance(node, struct_pb2.ListValue):
        for item in node.values:
            yield from values(item, path)
    elif isinstance(node, any_pb2.Any):
        yield from [node.type_url] if list(path) == ["@type"] else values(unpacked(node), path)
    elif isinstance(node, Message):
        yield from _field_values(node, path)


def getter(descriptor: Any, path: Sequence[str]) -> Callable[[Any], Iterable[Any]] | None:
    """A shorter way to ``values`` for messages (protobuf) of one type, where the path leads to a scalar of theirs.

    None: there is none.
    """
    names: list[str] = []
    for position, name in enumerate(path):
        field = find(descriptor, name)
        if field is None or (field.is_repeated and not is_map(field)):
            return None
        rest, names = path[position + 1 :], [*names, field.name]
        if is_map(field):
            is_plain = field.message_type.fields_by_name["value"].message_type is None
            return _of_map(names, ".".join(rest)) if is_plain and rest else None
        if field.message_type is None:
            return _of_scalar(names, field.enum_type) if not rest else None
        descriptor = field.message_type
    return None


def _of_scalar(names: Sequence[str], enum: Any) -> Callable[[Any], Iterable[Any]] | None:
    *above, last = names
    if len(above) > 1:
        return None

    def get(message: Any) -> Iterable[Any]:
        for name in above:
            if not message.HasField(name):
                return ()
            message = getattr(message, name)
        value = getattr(message, last)
        return (value if enum is None else EnumValue.of(enum, value),)

    return get


def _of_map(names: Sequence[str], key: str) -> Callable[[Any], Iterable[Any]]:
    def get(message: Any) -> Iterable[Any]:
        for name in names:
            message = getattr(message, name)
        return (message[key],) if key in message else ()

    return get


def present(message: Any, path: Sequence[str]) -> Iterator[Any]:
    """``values`` without fields that are at their default, as ``field:*`` asks for them."""
    node = raw(message)
    field = find(node.DESCRIPTOR, path[0]) if path and isinstance(node, Message) and not _is_open(node) else None
    if field is None or field.is_repeated:
        yield from (value for value in values(node, path) if value is not None)
    elif field.has_presence:
        if node.HasField(field.name):
            yield from present(getattr(node, field.name), path[1:])
    elif getattr(node, field.name) != field.default_value:
        yield getattr(node, field.name)


def unpacked(node: Any) -> Message:
    """What an Any holds; an empty message where its type isn't known."""
    try:
        message: Message = symbol_database.Default().GetSymbol(node.type_url.rpartition("/")[2])()
        message.ParseFromString(node.value)
    except (KeyError, DecodeError):
        return empty_pb2.Empty()
    return message


def _is_open(node: Message) -> bool:
    """Whether its names are the user's."""
    return isinstance(node, struct_pb2.Value | struct_pb2.Struct | struct_pb2.ListValue | any_pb2.Any)


def _plain(node: struct_pb2.Value) -> Iterator[Any]:
    kind = node.WhichOneof("kind")
    if kind == "list_value":
        for item in node.list_value.values:
            yield from _plain(item)
    elif kind is not None:
        yield None if kind == "null_value" else getattr(node, kind)


def _field_values(node: Message, path: Sequence[str]) -> Iterator[Any]:
    field = find(node.DESCRIPTOR, path[0])
    if field is None:
        return
    value = getattr(node, field.name)
    if is_map(field):
        yield from _map_values(value, path[1:])
    elif field.is_repeated:
        for item in value:
            yield from values(item, path[1:]) if isinstance(item, Message) else [item]
    elif field.enum_type is not None:
        yield EnumValue.of(field.enum_type, value)
    elif field.message_type is None or node.HasField(field.name):
        yield from values(value, path[1:])


def _map_values(entries: Any, path: Sequence[str]) -> Iterator[Any]:
    if not path:
        yield from map(Key, entries.keys())
    elif (key := ".".join(path)) in entries:
        yield from values(entries[key], [])


def strings(message: Any) -> Iterator[str]:
    """All strings in it, at any depth."""
    if isinstance(message, any_pb2.Any):
        message = unpacked(message)
    for field, value in raw(message).ListFields():
        items = value if field.is_repeated else [value]
        if is_map(field):
            items = list(value.values())
        for item in items:
            if isinstance(item, Message):
                yield from strings(item)
            elif isinstance(item, str):
                yield item

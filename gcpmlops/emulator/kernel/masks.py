"""Field masks: which fields an update replaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from google.api_core import exceptions
from google.protobuf import field_mask_pb2

M = TypeVar("M")


def raw(message: Any) -> Any:
    """The protobuf message behind a proto-plus one."""
    return type(message).pb(message) if hasattr(type(message), "pb") else message


def snake(mask: Any) -> field_mask_pb2.FieldMask:
    """A mask with the fields' proto names: clients send ``displayName`` as well."""
    return field_mask_pb2.FieldMask(paths=[_snake(path) for path in mask.paths])


def part(message: M, mask: Any) -> M:
    """Only the fields that a read mask names; all of them without one.

    Raises: InvalidArgument for a field that isn't there.
    """
    if not mask.paths:
        return message
    shown = type(message)()
    apply(mask, shown, message, called="read_mask")
    return shown


def apply(mask: Any, target: Any, source: Any, *, immutable: Iterable[str] = (), called: str = "update_mask") -> None:
    """Copies the fields that ``mask`` names from ``source`` to ``target``; without a mask, every populated one.

    ``*`` stands for all that can be changed.

    Raises: InvalidArgument for a field that isn't there or must not change.
    """
    into, frm = raw(target), raw(source)
    paths = list(snake(mask).paths) if mask is not None else []
    is_whole = paths == ["*"]
    if is_whole:
        paths = [field.name for field in frm.DESCRIPTOR.fields]
    chosen = paths or [field.name for field, _ in frm.ListFields()]
    frozen = set(immutable)
    for path in chosen:
        if path in frozen and paths and not is_whole:
            raise exceptions.InvalidArgument(f"{called}: field {path!r} can't be changed.")
        if path not in frozen:
            _copy(path.split("."), into, frm, f"{called}: {path!r}")


def _snake(path: str) -> str:
    head, dot, rest = path.partition(".")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in head) + dot + rest


def _copy(parts: list[str], target: Any, source: Any, named: str) -> None:
    field = target.DESCRIPTOR.fields_by_name.get(parts[0])
    if field is None:
        raise exceptions.InvalidArgument(f"{named} is not a field of {target.DESCRIPTOR.name}.")
    if len(parts) == 1:
        _replace(field, target, source)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _copy_entry(field.name, ".".join(parts[1:]), target, source)
    elif field.message_type is None or field.is_repeated:
        raise exceptions.InvalidArgument(f"{named} goes into a field that has none of its own.")
    else:
        _copy(parts[1:], getattr(target, parts[0]), getattr(source, parts[0]), named)


def _replace(field: Any, target: Any, source: Any) -> None:
    target.ClearField(field.name)
    part = type(source)()
    value = getattr(source, field.name)
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(part, field.name).MergeFrom(value)
        else:
            getattr(part, field.name).extend(value)
    elif field.message_type is not None:
        if source.HasField(field.name):
            getattr(part, field.name).CopyFrom(value)
    elif not field.has_presence or source.HasField(field.name):
        setattr(part, field.name, value)
    target.MergeFrom(part)


def _copy_entry(name: str, key: str, target: Any, source: Any) -> None:
    entries, values = getattr(target, name), getattr(source, name)
    if key in values:
        entries[key] = values[key]
    else:
        entries.pop(key, None)

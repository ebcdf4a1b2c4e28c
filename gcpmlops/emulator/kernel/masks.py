"""Field masks: which fields an update replaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.api_core import exceptions


def raw(message: Any) -> Any:
    """The protobuf message behind a proto-plus one."""
    return type(message).pb(message) if hasattr(type(message), "pb") else message


def apply(mask: Any, target: Any, source: Any, *, immutable: Iterable[str] = ()) -> None:
    """Copies the fields that ``mask`` names from ``source`` to ``target``; without a mask, every populated one.

    Raises: InvalidArgument for a field that isn't there or must not change.
    """
    into, frm = raw(target), raw(source)
    paths = list(mask.paths) if mask is not None else []
    if paths == ["*"]:
        paths = [field.name for field in frm.DESCRIPTOR.fields]
    chosen = paths or [field.name for field, _ in frm.ListFields()]
    frozen = set(immutable)
    for path in chosen:
        if path in frozen and paths:
            raise exceptions.InvalidArgument(f"update_mask: field {path!r} can't be changed.")
        if path not in frozen:
            _copy(path.split("."), into, frm, path)


def _copy(parts: list[str], target: Any, source: Any, path: str) -> None:
    field = target.DESCRIPTOR.fields_by_name.get(parts[0])
    if field is None:
        raise exceptions.InvalidArgument(f"update_mask: {target.DESCRIPTOR.name} has no field {path!r}.")
    if len(parts) == 1:
        _replace(field, target, source)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        _copy_entry(field.name, ".".join(parts[1:]), target, source)
    elif field.message_type is None or field.is_repeated:
        raise exceptions.InvalidArgument(f"update_mask: {path!r} goes into a field that has none of its own.")
    else:
        _copy(parts[1:], getattr(target, parts[0]), getattr(source, parts[0]), path)


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

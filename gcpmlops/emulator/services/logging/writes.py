"""What WriteLogEntries takes: the request's defaults in each entry, limits, and an error for each entry that is bad."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.rpc import code_pb2, status_pb2

LARGEST = 256 << 10  # bytes of an entry
LABELS = 64  # of an entry

_MOVED = timedelta(hours=1)
_JUST_NOW = timedelta(minutes=1)
_LOG = re.compile(r"projects/[^/]+/logs/[A-Za-z0-9_.%~-]{1,511}")


def checked(request: Any, own: Callable[[str], str]) -> tuple[list[Any], dict[int, str]]:
    """The entries that can be written, complete, and what is wrong with the others, by their index.

    Args:
        request: a ``WriteLogEntriesRequest`` (protobuf).
        own: gives a name as the store has it.
    """
    good, errors = [], {}
    for index, entry in enumerate(request.entries):
        _complete(entry, request, own)
        wrong = _wrong(entry)
        if wrong:
            errors[index] = wrong
        else:
            good.append(entry)
    return good, errors


def put_right(entries: Iterable[Any], now: datetime, machine: datetime) -> None:
    """Times that clients took from this machine's clock, where the emulator's has been moved far from it.

    Google's handlers stamp what they write: a year ahead, all of it would be older than readers are shown.
    """
    ahead = now - machine
    if abs(ahead) < _MOVED:
        return
    first, last = (machine - _JUST_NOW).timestamp(), (machine + _JUST_NOW).timestamp()
    for entry in entries:
        if entry.HasField("timestamp") and first <= entry.timestamp.seconds <= last:
            entry.timestamp.FromNanoseconds(entry.timestamp.ToNanoseconds() + ahead // timedelta(microseconds=1) * 1000)


def refused(errors: Mapping[int, str]) -> exceptions.InvalidArgument:
    """The error of a call, with that of each entry."""
    partial = types.WriteLogEntriesPartialErrors.pb()()
    for index, text in errors.items():
        partial.log_entry_errors[index].CopyFrom(status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=text))
    first = min(errors)
    more = f" ({len(errors)} entries are refused)" if len(errors) > 1 else ""
    return exceptions.InvalidArgument(f"entries[{first}].{errors[first]}{more}", details=[partial])


def _complete(entry: Any, request: Any, own: Callable[[str], str]) -> None:
    entry.log_name = own(entry.log_name or request.log_name)
    entry.ClearField("receive_timestamp")  # the service's own
    if not entry.HasField("resource") and request.HasField("resource"):
        entry.resource.CopyFrom(request.resource)
    entry.resource.type = entry.resource.type or "global"
    for key, value in request.labels.items():
        if key not in entry.labels:
            entry.labels[key] = value


def _wrong(entry: Any) -> str:
    if not _LOG.fullmatch(entry.log_name):
        return f"log_name {entry.log_name!r}: expected projects/P/logs/ID, with a URL-encoded id."
    if len(entry.labels) > LABELS:
        return f"labels: {len(entry.labels)}, {LABELS} are allowed."
    size = entry.ByteSize()
    if size > LARGEST:
        return f"size: {size / 1024:.1f} KiB, more than the {LARGEST >> 10} KiB that an entry may have."
    return ""

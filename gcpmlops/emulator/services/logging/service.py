"""google.logging.v2.LoggingServiceV2: write, list, tail and delete entries."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.logging.entries import Entries, Key
from gcpmlops.emulator.services.logging.tail import Tail, window_s

_MAX_PAGE = 1000


class LoggingServiceV2(Service):
    """Log entries of projects; folders, organisations and buckets' views are not built."""

    proto = "google.logging.v2.LoggingServiceV2"

    def __init__(self, context: Context, entries: Entries) -> None:
        super().__init__(context)
        self._entries = entries

    def write_log_entries(self, request: types.WriteLogEntriesRequest) -> types.WriteLogEntriesResponse:
        """All or, with an error that names the entry, nothing."""
        message = types.WriteLogEntriesRequest.pb(request)
        complete = [self._complete(entry, message, index) for index, entry in enumerate(message.entries)]
        if not request.dry_run:
            self._entries.append(complete)
        return types.WriteLogEntriesResponse()

    def list_log_entries(self, request: types.ListLogEntriesRequest) -> types.ListLogEntriesResponse:
        parents = _parents(request.resource_names)
        newest_first = _direction(request.order_by)
        size = min(request.page_size or 50, _MAX_PAGE)
        response = types.ListLogEntriesResponse()
        page = types.ListLogEntriesResponse.pb(response)
        rows = self._entries.scan(parents, request.filter, after=_decode(request.page_token), newest_first=newest_first)
        for row in rows:
            entry = types.LogEntry.pb().FromString(row["body"])
            if not filters.matches(request.filter, entry):
                continue
            page.entries.append(entry)
            if len(page.entries) == size:
                page.next_page_token = _encode((row["at"], row["seq"]))
                break
        return response

    def list_logs(self, request: types.ListLogsRequest) -> types.ListLogsResponse:
        names = self._entries.log_names(_parents([request.parent, *request.resource_names]))
        return types.ListLogsResponse(log_names=names)

    def delete_log(self, request: types.DeleteLogRequest) -> empty_pb2.Empty:
        if not self._entries.delete_log(request.log_name):
            raise exceptions.NotFound(f"Log {request.log_name} is not found.")
        return empty_pb2.Empty()

    def tail_log_entries(
        self, requests: Iterator[types.TailLogEntriesRequest]
    ) -> Iterator[types.TailLogEntriesResponse]:
        """New entries as they arrive, until the client goes; `buffer_window` holds them back to sort them."""
        first, call = next(iter(requests)), current_call()
        tail = Tail(self._entries, _parents(first.resource_names), first.filter, window_s(first.buffer_window))
        for entries in tail.batches(call.is_active):
            yield types.TailLogEntriesResponse(entries=entries)

    def _complete(self, entry: Any, request: Any, index: int) -> Any:
        entry.log_name = entry.log_name or request.log_name
        if not entry.log_name.startswith("projects/") or "/logs/" not in entry.log_name:
            field = f"entries[{index}].log_name"
            raise exceptions.InvalidArgument(f"{field} {entry.log_name!r}: expected projects/P/logs/ID.")
        if not entry.HasField("resource") and request.HasField("resource"):
            entry.resource.CopyFrom(request.resource)
        entry.resource.type = entry.resource.type or "global"
        for key, value in request.labels.items():
            if key not in entry.labels:
                entry.labels[key] = value
        return entry


def _parents(names: Any) -> list[str]:
    parents = list(dict.fromkeys("/".join(name.split("/")[:2]) for name in names if name))
    if not parents or not all(parent.startswith("projects/") for parent in parents):
        raise exceptions.InvalidArgument(f"resource_names {list(names)}: expected projects/P.")
    return parents


def _direction(order_by: str) -> bool:
    if order_by.strip() not in ("", "timestamp", "timestamp asc", "timestamp desc"):
        raise exceptions.InvalidArgument(f"order_by {order_by!r}: expected 'timestamp asc' or 'timestamp desc'.")
    return order_by.strip().endswith("desc")


def _encode(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode(token: str) -> Key | None:
    if not token:
        return None
    try:
        at, seq = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise exceptions.InvalidArgument(f"page_token {token!r} is not one of this service.") from None
    return at, seq

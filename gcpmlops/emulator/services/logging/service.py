"""google.logging.v2.LoggingServiceV2: write, list, tail and delete entries."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import paging
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.logging import monitored_resources, query, writes
from gcpmlops.emulator.services.logging.entries import Entries, Key
from gcpmlops.emulator.services.logging.names import Names
from gcpmlops.emulator.services.logging.tail import Tail, window_s

_MAX_PAGE = 1000


class LoggingServiceV2(Service):
    """Log entries of projects; those of folders and organisations are not built."""

    proto = "google.logging.v2.LoggingServiceV2"

    def __init__(self, context: Context, entries: Entries) -> None:
        super().__init__(context)
        self._entries = entries
        self._names = Names(context.settings)

    def write_log_entries(self, request: types.WriteLogEntriesRequest) -> types.WriteLogEntriesResponse:
        """All or, with an error that names the entries, nothing; with ``partial_success`` those that can be."""
        good, errors = writes.checked(types.WriteLogEntriesRequest.pb(request), self._names.own)
        if not request.dry_run and (request.partial_success or not errors):
            writes.put_right(good, self.clock.now(), datetime.now(UTC))
            self._entries.append(good)
        if errors:
            raise writes.refused(errors)
        return types.WriteLogEntriesResponse()

    def list_log_entries(self, request: types.ListLogEntriesRequest) -> types.ListLogEntriesResponse:
        parents = self._names.parents(request.resource_names)
        newest_first, wanted = _direction(request.order_by), query.compiled(request.filter)
        size = min(request.page_size or 50, _MAX_PAGE)
        response = types.ListLogEntriesResponse()
        page = types.ListLogEntriesResponse.pb(response)
        rows = self._entries.scan(parents, wanted, after=_decode(request.page_token), newest_first=newest_first)
        for row in rows:
            entry = types.LogEntry.pb().FromString(row["body"])
            if not wanted(entry):
                continue
            page.entries.append(entry)
            if len(page.entries) == size:
                page.next_page_token = _encode((row["at"], row["seq"]))
                break
        return response

    def list_logs(self, request: types.ListLogsRequest) -> types.ListLogsResponse:
        names = self._entries.log_names(self._names.parents([request.parent, *request.resource_names]))
        page, token = paging.page(names, request, default=50)
        return types.ListLogsResponse(log_names=page, next_page_token=token)

    def delete_log(self, request: types.DeleteLogRequest) -> empty_pb2.Empty:
        if not self._entries.delete_log(self._names.own(request.log_name)):
            raise exceptions.NotFound(f"Log {request.log_name} is not found.")
        return empty_pb2.Empty()

    def tail_log_entries(
        self, requests: Iterator[types.TailLogEntriesRequest]
    ) -> Iterator[types.TailLogEntriesResponse]:
        """New entries as they arrive, until the client goes; `buffer_window` holds them back to sort them."""
        first, call = next(iter(requests)), current_call()
        tail = Tail(
            self._entries, self._names.parents(first.resource_names), first.filter, window_s(first.buffer_window)
        )
        for entries in tail.batches(call.is_active):
            yield types.TailLogEntriesResponse(entries=entries)

    def list_monitored_resource_descriptors(
        self, request: types.ListMonitoredResourceDescriptorsRequest
    ) -> types.ListMonitoredResourceDescriptorsResponse:
        """What the emulator's services write their logs about."""
        page, token = paging.page(monitored_resources.descriptors(), request)
        return types.ListMonitoredResourceDescriptorsResponse(resource_descriptors=page, next_page_token=token)


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

"""Entries of Cloud Logging that pass a filter, read as they come, each once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import translated

_PAGE = 1000
_OVERLAP = timedelta(seconds=2)  # entries may arrive after their neighbours
_REMEMBERED = 200_000  # insert ids; more than are written in the overlap


class EntryReader:
    """Remembers what it has read. API: Cloud Logging v2 ListLogEntries.

    Args:
        clients: Google's.
        filter_: in the Logging query language; empty is everything.
        what: what is read, for errors.
        since: no earlier entries.
    """

    def __init__(self, clients: Clients, filter_: str, *, what: str, since: datetime | None = None) -> None:
        self._clients = clients
        self._filter = filter_
        self._what = what
        self._first = since
        self._latest: datetime | None = None
        self._ids: OrderedDict[str, None] = OrderedDict()

    def new(self) -> Iterator[Any]:
        """Entries (raw ones) that were not yet read, oldest first."""
        return self.unread(self.listed(self._since(), "timestamp asc"))

    def unread(self, entries: Iterable[Any]) -> Iterator[Any]:
        """Those of the entries that were not yet read."""
        for entry in entries:
            if entry.insert_id in self._ids:
                continue
            self._ids[entry.insert_id] = None
            if len(self._ids) > _REMEMBERED:
                self._ids.popitem(last=False)
            time = entry.timestamp.ToDatetime(tzinfo=UTC)
            if self._latest is None or time > self._latest:
                self._latest = time
            yield entry

    def last(self, count: int) -> list[Any]:
        """The last entries, oldest first, whether read before or not."""
        found: list[Any] = []
        for entry in self.listed(self._filter, "timestamp desc", page_size=count):
            found.append(entry)
            if len(found) == count:
                break
        return found[::-1]

    def listed(self, filter_: str, order_by: str, *, page_size: int = _PAGE) -> Iterator[Any]:
        """What a filter finds, page by page."""
        request = _google.logging_types.ListLogEntriesRequest(
            resource_names=[f"projects/{self._clients.config.require('project')}"],
            filter=filter_,
            order_by=order_by,
            page_size=page_size,
        )
        with translated(self._what):
            found = self._clients.logging.list_log_entries(request=request, **self._clients.idempotent)
            for page in found.pages:
                yield from raw(page).entries

    def _since(self) -> str:
        """Entries shortly before the last one are asked for again."""
        first = self._first if self._latest is None else self._latest - _OVERLAP
        return self._filter if first is None else joined(self._filter, f'timestamp>="{rfc3339(first)}"')


def joined(*filters: str) -> str:
    """Filters of which all must hold, each whole for itself; a comment may end one."""
    given = [text for text in filters if text.strip()]
    return (
        given[0] if len(given) == 1 else " AND ".join(f"({text}\n)" if "--" in text else f"({text})" for text in given)
    )


def rfc3339(moment: datetime) -> str:
    """As filters have it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def raw(message: Any) -> Any:
    """The protobuf message under Google's wrapper, whose fields cost several times as much: a log may be long."""
    return type(message).pb(message)


def text_of(entry: Any) -> str:
    """What an entry says: its text, a structured one's message, or all of it as JSON where it has none."""
    if entry.text_payload:
        return str(entry.text_payload)
    payload = entry.json_payload
    if "message" in payload.fields and payload.fields["message"].WhichOneof("kind") == "string_value":
        return str(payload.fields["message"].string_value)
    found = json_of(payload)
    return str(found["message"]) if "message" in found else json.dumps(found, ensure_ascii=False)


def json_of(payload: Any) -> dict[str, Any]:
    """A Struct's values, whole numbers as such: JSON has one kind of number."""
    from google.protobuf.json_format import MessageToDict

    found: dict[str, Any] = _whole(MessageToDict(payload))
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value

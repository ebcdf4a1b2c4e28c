"""A log as it grows: streamed, listed where the stream is refused or breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from gcpmlops import _waiting
from gcpmlops._log_entries import EntryReader
from gcpmlops._log_stream import LogStream
from gcpmlops._logs.rows import LogRow
from gcpmlops.clients import Clients

_LOOK = 0.2  # seconds that one look at the stream waits at most


def follow(clients: Clients, filter_: str, *, since: datetime, timeout: float | None) -> Iterator[LogRow]:
    """Entries from `since` on, each once, as they come; ends after `timeout` seconds, or when the caller stops.

    The stream tells what is written while it is open: until its first entry comes, the log is listed as well.
    """
    reader = EntryReader(clients, filter_, what="log entries", since=since)
    end = None if timeout is None else time.monotonic() + timeout
    is_streaming, pauses, look_at = False, _waiting.pauses(), 0.0
    with LogStream(clients, filter_) as stream:
        while end is None or time.monotonic() < end:
            if not (is_streaming and stream.is_open) and time.monotonic() >= look_at:
                found = list(reader.new())
                yield from map(LogRow.of, found)
                pauses = _waiting.pauses() if found else pauses
                look_at = time.monotonic() + next(pauses)
            entries = stream.take(_LOOK if end is None else max(0.0, min(_LOOK, end - time.monotonic())))
            if entries and not is_streaming:
                is_streaming = True
                yield from map(LogRow.of, reader.new())
            yield from map(LogRow.of, reader.unread(entries))
            if not entries and not stream.is_open:
                is_streaming = False
                time.sleep(max(0.0, min(_LOOK, look_at - time.monotonic())))

"""One sink at work: entries behind its cursor go to its destination, in order, each at least once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.logging_v2 import types

from gcpmlops.emulator.kernel.agenda import Agenda, Appointment
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.logging.cursors import Cursors
from gcpmlops.emulator.services.logging.entries import Entries

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=10)  # after an error of the destination; twice as long each further time,
LONGEST_PAUSE = timedelta(hours=1)
_BATCH = 500  # entries that are sent together
_HOURLY_BATCH = 20_000

Matches = Callable[[Any], bool]


class Destination(Protocol):
    """Takes entries, all or none of a call."""

    def send(self, entries: Sequence[Any]) -> None:
        """``LogEntry`` messages (protobuf), at least one. Raises GoogleAPICallError: they come again."""


class Delivery:
    """Works when it is woken, on the agenda's threads; after an error, again later.

    Args:
        sink: its resource name.
        entries: the log.
        cursors: where it stands, over restarts.
        clock: the emulator's.
        agenda: when it works.
        matches: which entries it sends.
        destination: where to.
        hourly: it sends the entries of an hour once that is over.
        on_error: told of each error of the destination.
        on_success: called when it delivers after errors.
    """

    def __init__(
        self,
        sink: str,
        entries: Entries,
        cursors: Cursors,
        clock: Clock,
        agenda: Agenda,
        *,
        matches: Matches,
        destination: Destination,
        hourly: bool,
        on_error: Callable[[exceptions.GoogleAPICallError], None],
        on_success: Callable[[], None],
    ) -> None:
        self.parent = "/".join(sink.split("/")[:2])
        self._sink = sink
        self._entries = entries
        self._cursors = cursors
        self._clock = clock
        self._agenda = agenda
        self._matches = matches
        self._destination = destination
        self._hourly = hourly
        self._on_error = on_error
        self._on_success = on_success
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._next: Appointment | None = None
        self._again = False
        self._closed = threading.Event()
        self._errors = 0
        self._seq = cursors.get(sink)

    def wake(self) -> None:
        """There may be something to send."""
        with self._lock:
            if self._next is None and not self._closed.is_set():
                self._appoint(self._hour_end() if self._hourly else self._clock.now())
            else:
                self._again = True

    def resume(self) -> None:
        """Sends what was left by an earlier process."""
        with self._lock:
            self._appoint(self._clock.now())

    def close(self, *, flush: bool) -> None:
        """Ends it; ``flush`` sends first what it waits with until the hour is over."""
        with self._lock:
            self._closed.set()
            if self._next is not None:
                self._next.cancel()
        with self._working:
            if flush and self._hourly and not self._errors:
                self._guarded(None)

    def _appoint(self, when: datetime) -> None:
        self._again = False
        self._next = self._agenda.at(when, self._run, name=self._sink)

    def _run(self) -> None:
        with self._working:
            if self._closed.is_set():
                return
            left = self._guarded(self._hour_end() - timedelta(hours=1) if self._hourly else None)
        with self._lock:
            self._next = None
            if self._closed.is_set():
                return
            if self._errors:
                pause = min(FIRST_PAUSE * 2 ** min(self._errors - 1, 20), LONGEST_PAUSE)
                self._appoint(self._clock.now() + pause)
            elif left or self._again:
                self._appoint(self._hour_end() if self._hourly else self._clock.now())

    def _guarded(self, before: datetime | None) -> bool:
        """Sends what there is; whether something was left for later."""
        try:
            left = self._send_all(before)
        except exceptions.GoogleAPICallError as error:
            self._errors += 1
            self._on_error(error)
            return True
        except Exception as error:  # a defect: what waits is tried again, and the log says why it waits
            log.exception("sink %s failed", self._sink)
            self._errors += 1
            self._on_error(exceptions.InternalServerError(f"{type(error).__name__}: {error}"))
            return True
        if self._errors:
            self._errors = 0
            self._on_success()
        return left

    def _send_all(self, before: datetime | None) -> bool:
        size = _HOURLY_BATCH if self._hourly else _BATCH
        while True:
            last = self._entries.last()
            rows = self._entries.routed(self.parent, self._seq, size)
            read = [(row["seq"], types.LogEntry.pb().FromString(row["body"])) for row in rows]
            due = [each for each in read if before is None or _received(each[1]) < before]
            chosen = [entry for _, entry in due if self._matches(entry)]
            if chosen:
                self._destination.send(chosen)
            if due:
                self._seq = due[-1][0]
            elif not read:
                self._seq = max(self._seq, last)  # what other projects wrote needn't be read again
            if due or not read:
                self._cursors.set(self._sink, self._seq)
            if len(due) < size:
                return len(due) < len(read)

    def _hour_end(self) -> datetime:
        return self._clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _received(entry: Any) -> datetime:
    moment: datetime = entry.receive_timestamp.ToDatetime(tzinfo=UTC)
    return moment

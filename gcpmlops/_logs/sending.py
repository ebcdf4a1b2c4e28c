"""Log entries on their way to Cloud Logging: gathered up to a bound, written by one thread, never lost in silence."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from gcpmlops._logs import entries
from gcpmlops._logs.records import Event
from gcpmlops.clients import Clients, is_transient

WAITING = 20_000  # entries at most; further ones are counted, and the count is logged
BATCH = 500
GATHER = 0.5  # seconds that an entry waits for others
_BATCH_BYTES = 4 << 20
_AT_EXIT = 10.0  # seconds for what is left
_CLOCK_AGE = 60.0  # seconds after which the service's clock is asked again
_SKEW = timedelta(seconds=5)  # less is no reason to doubt this machine's clock
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


@dataclass(frozen=True)
class _Waiting:
    event: Event
    payload: Mapping[str, Any]
    insert_id: str


class Sender:
    """Writes events as entries of one log.

    Args:
        clients: Google's.
        log: its id.
        resource: what the entries are about: type and labels.
        deadline: seconds after which entries that can't be written are given up, and shown on stderr.
    """

    def __init__(self, clients: Clients, log: str, resource: tuple[str, Mapping[str, str]], *, deadline: float) -> None:
        self._clients = clients
        self._log = log
        self._resource = resource
        self._deadline = deadline
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._lost = 0
        self._busy = False
        self._closed = False
        self._hurry = False
        self._thread: threading.Thread | None = None
        self._process = 0
        self._numbers, self._suffix = count(), secrets.token_hex(4)
        self._offset, self._asked = timedelta(0), float("-inf")
        atexit.register(self.close)

    def put(self, event: Event, payload: Mapping[str, Any]) -> None:
        """Takes an event; where too many wait, counts it as lost."""
        with self._changed:
            if len(self._waiting) >= WAITING:
                self._lost += 1
                return None
            # the id makes a repeated write harmless, and keeps the order of entries of one time
            waiting = _Waiting(event, payload, f"{next(self._numbers):012x}{self._suffix}")
            if self._closed:
                return _show([waiting], 0)
            self._waiting.append(waiting)
            self._ensure_thread()
            if len(self._waiting) in (1, BATCH):
                self._changed.notify_all()
        return None

    def is_sending(self) -> bool:
        """Whether this thread is the one that writes."""
        return threading.current_thread() is self._thread

    def flush(self, timeout: float | None = None) -> None:
        """Returns when all that waits is written or given up."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)
            self._hurry = False

    def close(self) -> None:
        """Writes what waits, for some seconds at most; says on stderr what is lost."""
        atexit.unregister(self.close)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread if self._process == os.getpid() else None
        if thread is not None:
            thread.join(_AT_EXIT)
        with self._changed:
            left, self._waiting = list(self._waiting), deque()
            lost, self._lost = self._lost, 0
        _show(left, lost)

    def _ensure_thread(self) -> None:
        """A thread of this process: a forked one has none of its parent's."""
        if self._thread is None or self._process != os.getpid():
            self._process = os.getpid()
            self._busy = False
            self._thread = threading.Thread(target=self._run, name="gcpmlops-logs", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._write(batch)
            except Exception as error:  # noqa: BLE001 - whatever it was: the lines are shown, and the next ones go on
                _say(f"{len(batch)} log entries could not be written: {error}")
                _show(batch, 0)

    def _take(self) -> list[_Waiting]:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(lambda: self._hurry or self._closed or len(self._waiting) >= BATCH, GATHER)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._busy = bool(batch)
            return batch

    def _write(self, batch: list[_Waiting]) -> None:
        project, offset = self._clients.config.require("project"), self._clock_offset()
        made = [entries.of_event(each.event, each.payload, project, each.insert_id, offset) for each in batch]
        with self._changed:
            lost, self._lost = self._lost, 0
        if lost:
            made.append(entries.of_text(f"{lost} log entries were lost: more were logged than could be written."))
        for part in entries.parts(made, _BATCH_BYTES):
            self._written(entries.request(project, self._log, self._resource, part))

    def _written(self, request: Any) -> None:
        """Repeats until it is written, the deadline has passed, or the program wants to end."""
        end, pause = time.monotonic() + self._deadline, _FIRST_PAUSE
        while True:
            try:
                self._clients.logging.write_log_entries(request=request, **self._clients.once)
                return
            except Exception as error:
                if not _may_pass(error) or time.monotonic() + pause > end or self._closed:
                    raise
            with self._changed:
                self._changed.wait_for(lambda: self._closed, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _clock_offset(self) -> timedelta:
        """How far the service's clock is from this machine's, where they differ plainly."""
        if time.monotonic() - self._asked > _CLOCK_AGE:
            self._asked = time.monotonic()
            self._offset = _offset(self._clients.now)
        return self._offset


def _may_pass(error: Exception) -> bool:
    """A service that is gone may come back: lines have time."""
    from google.api_core import exceptions as theirs

    return is_transient(error) or isinstance(error, theirs.ServiceUnavailable)


def _offset(service_time: Callable[[], datetime]) -> timedelta:
    try:
        theirs = service_time()
    except Exception:  # noqa: BLE001 - the entries matter more than the last seconds of their times
        return timedelta(0)
    offset = theirs - datetime.now(theirs.tzinfo)
    return offset if abs(offset) > _SKEW else timedelta(0)


def _show(waiting: list[_Waiting], lost: int) -> None:
    """On stderr: what is not in the log is to be found somewhere."""
    for each in waiting:
        sys.stderr.write(json.dumps({"time": each.event.time.isoformat(), **each.payload}, ensure_ascii=False) + "\n")
    if lost:
        _say(f"{lost} log entries were lost: more were logged than could be written.")


def _say(text: str) -> None:
    sys.stderr.write(f"gcpmlops: {text}\n")

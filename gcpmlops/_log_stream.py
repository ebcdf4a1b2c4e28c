"""New log entries as they are written: TailLogEntries of Cloud Logging v2, read by a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from typing import Any, Self

from gcpmlops import _google
from gcpmlops._jobs.logs import raw
from gcpmlops.clients import Clients

_log = logging.getLogger("gcpmlops.training")
_GATHERED = 10_000  # entries; a slow reader holds the stream up after that


class LogStream:
    """An open stream. It may be refused or end at any time (Google allows few at once, and an hour each): `is_open`."""

    def __init__(self, clients: Clients, filter_: str) -> None:
        self._entries: queue.Queue[Any] = queue.Queue(_GATHERED)
        self._stopped = threading.Event()
        self.is_open = True
        request = _google.logging_types.TailLogEntriesRequest(
            resource_names=[f"projects/{clients.config.require('project')}"], filter=filter_, buffer_window={}
        )
        # the transport's own call: Google's client wraps it so that it can't be cancelled before the first entry
        tail: Any = clients.logging.transport.tail_log_entries
        self._call = tail(self._requests(request))
        self._thread = threading.Thread(target=self._read, name="log-stream", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._call.cancel()
        self._thread.join(timeout=5)

    def take(self, timeout: float) -> list[Any]:
        """Entries that came, once there is at least one; none after `timeout` seconds, or when the stream has ended."""
        try:
            first = self._entries.get(timeout=timeout)
        except queue.Empty:
            return []
        return [] if first is None else [first, *self._waiting()]

    def _waiting(self) -> Iterator[Any]:
        """What is there without waiting."""
        while True:
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                return
            if entry is not None:
                yield entry

    def _requests(self, request: Any) -> Iterator[Any]:
        """One request; the stream stays open until this ends."""
        yield request
        self._stopped.wait()

    def _read(self) -> None:
        import grpc

        try:
            for reply in self._call:
                for entry in raw(reply).entries:
                    self._put(entry)
        except grpc.RpcError as exc:  # refused, broken or cancelled: the reader lists the entries instead
            _log.debug("the stream of log entries ended: %s", exc)
        finally:
            self.is_open = False
            self._put(None)

    def _put(self, entry: Any) -> None:
        """Wakes the reader; None says that nothing more comes."""
        while not self._stopped.is_set():
            try:
                self._entries.put(entry, timeout=0.2)
                return
            except queue.Full:
                continue

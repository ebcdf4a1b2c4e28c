"""Published messages by the batch: the newest ones in memory, all of them in the store."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from typing import Any
from weakref import WeakValueDictionary

from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.service import ResourceStore

_BYTES = 64 << 20  # of messages that are kept in memory

Request: Any = types.PublishRequest.pb()


class Batch:
    """The messages of one publish call.

    Attributes:
        id: grows with time.
        at: when they were published, in seconds since 1970.
        count: how many messages.
        size: bytes of all.
        refs: subscriptions that have yet to get some of them.
    """

    __slots__ = ("__weakref__", "at", "count", "id", "loaded", "refs", "size", "topic")

    def __init__(self, number: int, topic: str, at: float, count: int, size: int) -> None:
        self.id = number
        self.topic = topic
        self.at = at
        self.count = count
        self.size = size
        self.refs = 0
        self.loaded: Any = None


class Batches:
    """Gives the messages of a batch; what was not read for long is read from the store again."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._kept: OrderedDict[int, Batch] = OrderedDict()
        self._known: WeakValueDictionary[int, Batch] = WeakValueDictionary()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, row: sqlite3.Row) -> Batch:
        """The one object of a stored batch (``id, topic, at, count, size``)."""
        with self._lock:
            return self._known.setdefault(
                row["id"], Batch(row["id"], row["topic"], row["at"], row["count"], row["size"])
            )

    def keep(self, batch: Batch, messages: Any) -> None:
        """Has them in memory."""
        with self._lock:
            self._known[batch.id] = batch
            if batch.loaded is None:
                batch.loaded = messages
                self._kept[batch.id] = batch
                self._bytes += batch.size
            while self._bytes > _BYTES and len(self._kept) > 1:
                self._forget(next(iter(self._kept)))

    def messages(self, batch: Batch) -> Any:
        """Its `PubsubMessage`s, in order; empty where it is no longer stored."""
        loaded = batch.loaded
        if loaded is None:
            sql = "SELECT body FROM pubsub_batch WHERE id = ?"
            row = self._store.read(lambda conn: conn.execute(sql, (batch.id,)).fetchone())
            loaded = (Request.FromString(row[0]) if row is not None else Request()).messages
            self.keep(batch, loaded)
        return loaded

    def drop(self, batch: Batch) -> None:
        """Nobody will ask for it again."""
        with self._lock:
            if batch.id in self._kept:
                self._forget(batch.id)

    def _forget(self, number: int) -> None:
        batch = self._kept.pop(number)
        batch.loaded = None
        self._bytes -= batch.size

"""What happened to objects: told after the commit that made it so, and again after a kill that came between."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from gcpmlops.emulator.services.storage import representation
from gcpmlops.emulator.services.storage.records import Json, ObjectRecord, compact
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

log = logging.getLogger(__name__)

FINALIZE, DELETE, ARCHIVE = "OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_ARCHIVE"
METADATA_UPDATE = "OBJECT_METADATA_UPDATE"
TYPES = (FINALIZE, METADATA_UPDATE, DELETE, ARCHIVE)
_BASE = "https://www.googleapis.com"


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """One change of one object.

    Attributes:
        type: ``OBJECT_FINALIZE``, ``OBJECT_METADATA_UPDATE``, ``OBJECT_DELETE`` or ``OBJECT_ARCHIVE``.
        record: the object; as it was, where it is gone.
        time: in microseconds since 1970.
        overwrote: the generation that a new one took the place of.
        overwritten_by: the generation that took this one's place.
    """

    type: str
    record: ObjectRecord
    time: int
    overwrote: int | None = None
    overwritten_by: int | None = None

    @property
    def bucket(self) -> str:
        return self.record.bucket

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def resource(self) -> Json:
        """``storage#object``."""
        return representation.object_(self.record, _BASE)


Listeners = list[Callable[[ObjectEvent], None]]


@dataclass(slots=True)
class Aftermath:
    """What a transaction leaves to do after its commit.

    Attributes:
        blobs: contents that nobody owns any more.
        events: what to tell.
        rows: where the events are stored until everybody was told.
    """

    blobs: list[str] = field(default_factory=list)
    events: list[ObjectEvent] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def __add__(self, other: Aftermath) -> Aftermath:
        return Aftermath(self.blobs + other.blobs, self.events + other.events, self.rows + other.rows)


class Events:
    """Tells the listeners, each event at least once: it is stored with the change that it is of, until it was told.

    Attributes:
        listeners: called by the thread that made the change; what they raise is logged.
    """

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self.listeners: Listeners = []

    def note(self, conn: sqlite3.Connection, after: Aftermath) -> Aftermath:
        """In the transaction: stores the events, where somebody listens."""
        if self.listeners:
            sql = "INSERT INTO storage_event (event) VALUES (?)"
            after.rows += [int(conn.execute(sql, (_text(event),)).lastrowid or 0) for event in after.events]
        return after

    def settle(self, after: Aftermath) -> None:
        """After the commit: deletes contents, tells the events."""
        for blob_id in after.blobs:
            self._blobs.delete(blob_id)
        for event in after.events:
            for listener in list(self.listeners):
                self._tell(listener, event)
        if after.rows:
            rows = [(row,) for row in after.rows]
            self._store.submit(lambda conn: conn.executemany("DELETE FROM storage_event WHERE seq = ?", rows))

    def resume(self) -> None:
        """After a restart, once the listeners are there: tells what the last process had no time for."""
        sql = "SELECT seq, event FROM storage_event ORDER BY seq"
        for row in self._store.read(lambda conn: conn.execute(sql).fetchall()):
            self.settle(Aftermath(events=[_event(row["event"])], rows=[row["seq"]]))

    def _tell(self, listener: Callable[[ObjectEvent], None], event: ObjectEvent) -> None:
        try:
            listener(event)
        except Exception:  # the object is changed: the call that did it has succeeded
            log.exception("%s of %s/%s reached not every listener", event.type, event.bucket, event.name)


def _text(event: ObjectEvent) -> str:
    return compact(asdict(event))


def _event(text: str) -> ObjectEvent:
    fields: dict[str, Any] = json.loads(text)
    return ObjectEvent(**{**fields, "record": ObjectRecord(**fields["record"])})

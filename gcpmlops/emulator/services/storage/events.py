"""What happened to objects: told after the commit that made it so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gcpmlops.emulator.services.storage import representation
from gcpmlops.emulator.services.storage.records import Json, ObjectRecord

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
    """What a transaction leaves to do after its commit: contents that nobody owns any more, and what to tell."""

    blobs: list[str] = field(default_factory=list)
    events: list[ObjectEvent] = field(default_factory=list)

    def __add__(self, other: Aftermath) -> Aftermath:
        return Aftermath(self.blobs + other.blobs, self.events + other.events)

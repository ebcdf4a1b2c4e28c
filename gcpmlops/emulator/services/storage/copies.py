"""Objects made from other objects: copy, rewrite, move, compose."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gcpmlops.emulator.services.storage import acls, contents, errors, naming
from gcpmlops.emulator.services.storage.contents import Content, ContentWriter
from gcpmlops.emulator.services.storage.events import Aftermath
from gcpmlops.emulator.services.storage.objects import FIELDS, Objects
from gcpmlops.emulator.services.storage.preconditions import NONE, Preconditions
from gcpmlops.emulator.services.storage.records import Json, ObjectRecord
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

MAX_SOURCES = 32
# The destination bucket decides.
_NOT_COPIED = {"storageClass", "timeStorageClassUpdated", "temporaryHold", "eventBasedHold", "retention"}


@dataclass(frozen=True, slots=True)
class Source:
    """An object to read from: the live generation unless one is named."""

    bucket: str
    name: str
    generation: int | None = None
    conditions: Preconditions = NONE


class Copies:
    """Copying within the store: a second hard link, never a second read of the bytes, except to compose."""

    def __init__(self, store: Store, blobs: Blobs, objects: Objects) -> None:
        self._store = store
        self._blobs = blobs
        self._objects = objects

    def copy(
        self,
        source: Source,
        bucket: str,
        name: str,
        resource: Json | None,
        conditions: Preconditions = NONE,
        acl: acls.Acl | None = None,
    ) -> ObjectRecord:
        """Copies an object; a resource replaces the metadata, else the source's is kept.

        Raises NotFound for either bucket or the source, PreconditionFailed for either side.
        """
        record, content = self._store.read(lambda conn: self._duplicate(conn, source))
        return self._objects.put(
            bucket, name, content, _copied_fields(record, resource), conditions, acl=acl, components=record.components
        )

    def move(self, source: Source, name: str, conditions: Preconditions = NONE) -> ObjectRecord:
        """Renames an object within its bucket, in one transaction. Raises as ``copy`` does."""
        naming.check_object(name)
        if name == source.name:
            raise errors.invalid("The source and the destination of a move are the same object.")
        prepared: list[Content] = []

        def run(conn: sqlite3.Connection) -> tuple[ObjectRecord, Aftermath]:
            record, content = self._duplicate(conn, source)
            prepared.append(content)
            moved, after = self._objects.put_in(
                conn,
                source.bucket,
                name,
                content,
                record.fields,
                conditions,
                acl=record.acl,
                components=record.components,
            )
            return moved, after + self._objects.retire_in(conn, record)

        try:
            moved, after = self._store.write(run)
        except BaseException:
            for content in prepared:
                self._objects.discard(content)
            raise
        self._objects.events.settle(after)
        return moved

    def compose(
        self,
        bucket: str,
        name: str,
        sources: Sequence[Source],
        fields: Json,
        conditions: Preconditions = NONE,
        acl: acls.Acl | None = None,
    ) -> ObjectRecord:
        """Concatenates up to 32 objects of a bucket into one, which has no MD5. Raises as ``copy`` does, BadRequest."""
        if not sources:
            raise errors.required("sourceObjects")
        if len(sources) > MAX_SOURCES:
            raise errors.invalid(
                f"The number of source components provided ({len(sources)}) exceeds the maximum ({MAX_SOURCES})"
            )
        records = [self._objects.get(s.bucket, s.name, s.generation, s.conditions) for s in sources]
        fields = {"contentType": records[0].content_type, **fields} if "contentType" not in fields else fields
        content = self._concatenate(records)
        components = sum(record.components or 1 for record in records)
        return self._objects.put(bucket, name, content, fields, conditions, acl=acl, components=components)

    def _duplicate(self, conn: sqlite3.Connection, source: Source) -> tuple[ObjectRecord, Content]:
        record = self._objects.require(conn, source.bucket, source.name, source.generation)
        source.conditions.check(record)
        return record, contents.duplicate(conn, self._blobs, record)

    def _concatenate(self, records: list[ObjectRecord]) -> Content:
        with ContentWriter(self._blobs) as writer:
            for record in records:
                self._append(record, writer)
            content = writer.finish()
        return Content(content.size, None, content.crc32c, content.data, content.blob)

    def _append(self, record: ObjectRecord, writer: ContentWriter) -> None:
        if record.blob is not None:
            for piece in contents.pieces(self._blobs.path(record.blob)):
                writer.write(piece)
        elif (data := self._store.read(lambda conn: contents.inline_data(conn, record.generation))) is not None:
            writer.write(data)
        else:
            raise errors.no_object(record.bucket, record.name, record.generation)


def _copied_fields(record: ObjectRecord, resource: Json | None) -> Json:
    """A destination resource with metadata of its own replaces the source's; one with a class alone does not."""
    given = {key: value for key, value in (resource or {}).items() if key in FIELDS and value is not None}
    kept = {key: value for key, value in record.fields.items() if key not in _NOT_COPIED}
    if not given or set(given) == {"storageClass"}:
        return {**kept, **given}
    return {"contentType": record.content_type, **given} if "contentType" not in given else given

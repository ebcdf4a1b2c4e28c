"""Objects: generations, metadata, conditions, holds. Contents arrive ready; every change is one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from gcpmlops.emulator.services.storage import acls, contents, errors, naming
from gcpmlops.emulator.services.storage.buckets import Buckets
from gcpmlops.emulator.services.storage.contents import Content
from gcpmlops.emulator.services.storage.events import (
    ARCHIVE,
    DELETE,
    FINALIZE,
    METADATA_UPDATE,
    Aftermath,
    Events,
    ObjectEvent,
)
from gcpmlops.emulator.services.storage.preconditions import NONE, Preconditions
from gcpmlops.emulator.services.storage.records import (
    OBJECT_COLUMNS,
    BucketRecord,
    Json,
    ObjectRecord,
    compact,
    merge,
    micros,
    rfc3339,
)
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

# What a client may set on an object.
FIELDS = frozenset(
    [
        "contentType",
        "contentEncoding",
        "contentLanguage",
        "contentDisposition",
        "cacheControl",
        "metadata",
        "customTime",
        "storageClass",
        "temporaryHold",
        "eventBasedHold",
        "retention",
        "kmsKeyName",
        "contexts",
    ]
)
_KEPT = ("storageClass", "timeStorageClassUpdated")  # by a PUT of the whole resource
_PUT = f"INSERT INTO storage_object ({OBJECT_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_LIVE = f"SELECT {OBJECT_COLUMNS} FROM storage_object WHERE bucket = ? AND name = ? AND live = 1"
_ONE = f"SELECT {OBJECT_COLUMNS} FROM storage_object WHERE generation = ? AND bucket = ? AND name = ?"


class Objects:
    """The objects of every bucket.

    Attributes:
        events: tells what happened.
    """

    def __init__(self, store: Store, blobs: Blobs, buckets: Buckets, now: Callable[[], datetime]) -> None:
        self._store = store
        self._blobs = blobs
        self._buckets = buckets
        self._now = now
        self.events = Events(store, blobs)
        self._last_generation = store.read(_last_generation)  # afterwards only the writer thread touches it

    def find(
        self, conn: sqlite3.Connection, bucket: str, name: str, generation: int | None = None
    ) -> ObjectRecord | None:
        """The live object, or one generation of it."""
        if generation is None:
            row = conn.execute(_LIVE, (bucket, name)).fetchone()
        else:
            row = conn.execute(_ONE, (generation, bucket, name)).fetchone()
        return None if row is None else ObjectRecord.from_row(row)

    def has(self, bucket: str, name: str) -> bool:
        """Whether there is a live object of that name."""
        return self._store.read(lambda conn: self.find(conn, bucket, name)) is not None

    def require(self, conn: sqlite3.Connection, bucket: str, name: str, generation: int | None = None) -> ObjectRecord:
        """Raises NotFound, for the bucket where that is what is missing."""
        found = self.find(conn, bucket, name, generation)
        if found is None:
            self._buckets.require(conn, bucket)
            raise errors.no_object(bucket, name, generation)
        return found

    def get(
        self, bucket: str, name: str, generation: int | None = None, conditions: Preconditions = NONE
    ) -> ObjectRecord:
        """Raises NotFound, NotModified, PreconditionFailed."""
        record = self._store.read(lambda conn: self.require(conn, bucket, name, generation))
        conditions.check(record, reading=True)
        return record

    def get_with_data(
        self, bucket: str, name: str, generation: int | None = None, conditions: Preconditions = NONE
    ) -> tuple[ObjectRecord, bytes | None]:
        """The object and, where it is kept inline, its content, of one moment."""

        def run(conn: sqlite3.Connection) -> tuple[ObjectRecord, bytes | None]:
            for _ in range(3):  # replaced between the two reads: look again
                record = self.require(conn, bucket, name, generation)
                if record.blob is not None:
                    return record, None
                if (data := contents.inline_data(conn, record.generation)) is not None:
                    return record, data
            raise errors.no_object(bucket, name, generation)

        record, data = self._store.read(run)
        conditions.check(record, reading=True)
        return record, data

    def put(
        self,
        bucket: str,
        name: str,
        content: Content,
        fields: Json,
        conditions: Preconditions = NONE,
        *,
        acl: acls.Acl | None = None,
        components: int | None = None,
    ) -> ObjectRecord:
        """Makes a content the object's new live generation. Raises NotFound, PreconditionFailed, Forbidden.

        The content belongs to the object afterwards; on an error it is thrown away.
        """
        try:
            record, after = self._store.write(
                lambda conn: self.put_in(
                    conn, bucket, name, content, fields, conditions, acl=acl, components=components
                )
            )
        except BaseException:
            self.discard(content)
            raise
        self.events.settle(after)
        return record

    async def put_inline(
        self,
        bucket: str,
        name: str,
        content: Content,
        fields: Json,
        conditions: Preconditions,
        *,
        acl: acls.Acl | None = None,
    ) -> ObjectRecord:
        """``put`` of a content without a blob, straight from the event loop to the writer thread."""
        writing = self._store.submit(lambda conn: self.put_in(conn, bucket, name, content, fields, conditions, acl=acl))
        record, after = await asyncio.wrap_future(writing)
        if after.blobs or after.rows:
            await asyncio.to_thread(self.events.settle, after)
        return record

    def put_in(
        self,
        conn: sqlite3.Connection,
        bucket: str,
        name: str,
        content: Content,
        fields: Json,
        conditions: Preconditions,
        *,
        acl: acls.Acl | None = None,
        components: int | None = None,
    ) -> tuple[ObjectRecord, Aftermath]:
        """``put`` inside a transaction; also returns what to settle after the commit."""
        naming.check_object(name)
        _check_fields(fields)
        home = self._buckets.require(conn, bucket)
        old = self.find(conn, bucket, name)
        conditions.check(old)
        time = micros(self._now())
        generation = self._next_generation(time)
        after = self._retire(conn, home, old, generation) if old else Aftermath()
        record = ObjectRecord(
            generation, bucket, name, 1, 1, content.size, content.md5, content.crc32c, components,
            time, time, None, content.blob, _new_fields(home, fields), acl,
        )  # fmt: skip
        _insert(conn, record, content)
        after.events.append(ObjectEvent(FINALIZE, record, time, overwrote=old.generation if old else None))
        return record, self.events.note(conn, after)

    def change(
        self,
        bucket: str,
        name: str,
        change: Callable[[Json], Json],
        conditions: Preconditions = NONE,
        generation: int | None = None,
    ) -> ObjectRecord:
        """Changes the fields of an object; its metageneration grows. Raises NotFound, PreconditionFailed."""

        def run(conn: sqlite3.Connection) -> tuple[ObjectRecord, Aftermath]:
            record = self.require(conn, bucket, name, generation)
            conditions.check(record)
            fields = change(record.fields)
            _check_fields(fields)
            _check_change(record.fields, fields)
            return self._save(conn, record, "fields", fields)

        return self._written(run)

    def patch(
        self, bucket: str, name: str, patch: Json, conditions: Preconditions = NONE, generation: int | None = None
    ) -> ObjectRecord:
        """Merges fields in; null deletes a key."""
        own = {key: value for key, value in patch.items() if key in FIELDS}
        return self.change(bucket, name, lambda fields: merge(fields, own), conditions, generation)

    def update(
        self, bucket: str, name: str, resource: Json, conditions: Preconditions = NONE, generation: int | None = None
    ) -> ObjectRecord:
        """Replaces every field that the caller may set."""
        own = {key: value for key, value in resource.items() if key in FIELDS and value is not None}
        return self.change(
            bucket,
            name,
            lambda fields: {key: fields[key] for key in _KEPT if key in fields} | own,
            conditions,
            generation,
        )

    def set_storage_class(self, bucket: str, name: str, generation: int, storage_class: str) -> ObjectRecord:
        """What only a lifecycle rule does without rewriting the object. Raises NotFound."""

        def run(conn: sqlite3.Connection) -> tuple[ObjectRecord, Aftermath]:
            record = self.require(conn, bucket, name, generation)
            changed = {"storageClass": storage_class, "timeStorageClassUpdated": rfc3339(micros(self._now()))}
            return self._save(conn, record, "fields", record.fields | changed)

        return self._written(run)

    def edit_acl(
        self, bucket: str, name: str, edit: Callable[[acls.Acl], acls.Acl], generation: int | None = None
    ) -> acls.Acl:
        """Edits the object's ACL; returns the new one. Raises NotFound, BadRequest under uniform access."""

        def run(conn: sqlite3.Connection) -> tuple[acls.Acl, Aftermath]:
            home = self._buckets.require(conn, bucket)
            acls.check_allowed(home)
            record = self.require(conn, bucket, name, generation)
            edited = edit(home.default_acl if record.acl is None else record.acl)
            return edited, self._save(conn, record, "acl", edited)[1]

        written, after = self._store.write(run)
        self.events.settle(after)
        return written

    def delete(self, bucket: str, name: str, generation: int | None = None, conditions: Preconditions = NONE) -> None:
        """Without a generation the live one goes (it stays noncurrent under versioning). Raises NotFound, Forbidden."""

        def run(conn: sqlite3.Connection) -> Aftermath:
            home = self._buckets.require(conn, bucket)
            record = self.require(conn, bucket, name, generation)
            conditions.check(record)
            gone = self._remove(conn, home, record) if generation is not None else self._retire(conn, home, record)
            return self.events.note(conn, gone)

        self.events.settle(self._store.write(run))

    def retire_in(self, conn: sqlite3.Connection, record: ObjectRecord) -> Aftermath:
        """Takes a live object away inside a transaction; returns what to settle after the commit."""
        return self.events.note(conn, self._retire(conn, self._buckets.require(conn, record.bucket), record))

    def discard(self, content: Content) -> None:
        """Throws away a content that no object took."""
        if content.blob is not None:
            self._blobs.delete(content.blob)

    def _retire(
        self, conn: sqlite3.Connection, home: BucketRecord, record: ObjectRecord, by: int | None = None
    ) -> Aftermath:
        if not home.versioned:
            return self._remove(conn, home, record, by)
        if not record.live:
            return Aftermath()
        time = micros(self._now())
        conn.execute("UPDATE storage_object SET live = 0, deleted = ? WHERE generation = ?", (time, record.generation))
        archived = replace(record, live=0, deleted=time)
        return Aftermath(events=[ObjectEvent(ARCHIVE, archived, time, overwritten_by=by)])

    def _remove(
        self, conn: sqlite3.Connection, home: BucketRecord, record: ObjectRecord, by: int | None = None
    ) -> Aftermath:
        now = self._now()
        _check_removable(home, record, now)
        conn.execute("DELETE FROM storage_object WHERE generation = ?", (record.generation,))
        after = Aftermath(events=[ObjectEvent(DELETE, record, micros(now), overwritten_by=by)])
        if record.blob is not None:
            after.blobs.append(record.blob)
        else:
            conn.execute("DELETE FROM storage_content WHERE generation = ?", (record.generation,))
        return after

    def _written(self, run: Callable[[sqlite3.Connection], tuple[ObjectRecord, Aftermath]]) -> ObjectRecord:
        record, after = self._store.write(run)
        self.events.settle(after)
        return record

    def _save(
        self, conn: sqlite3.Connection, record: ObjectRecord, column: str, value: Any
    ) -> tuple[ObjectRecord, Aftermath]:
        assignment = f"{column} = ?, metageneration = metageneration + 1, updated = ?"
        conn.execute(
            f"UPDATE storage_object SET {assignment} WHERE generation = ?",
            (compact(value), micros(self._now()), record.generation),
        )
        changed = self.require(conn, record.bucket, record.name, record.generation)
        event = ObjectEvent(METADATA_UPDATE, changed, changed.updated)
        return changed, self.events.note(conn, Aftermath(events=[event]))

    def _next_generation(self, time: int) -> int:
        self._last_generation = max(time, self._last_generation + 1)
        return self._last_generation


def own_fields(resource: Json) -> Json:
    """What a client may set, of a resource that it sent."""
    return {key: value for key, value in resource.items() if key in FIELDS and value is not None}


def _insert(conn: sqlite3.Connection, record: ObjectRecord, content: Content) -> None:
    acl = None if record.acl is None else compact(record.acl)
    conn.execute(
        _PUT,
        (
            record.generation, record.bucket, record.name, 1, 1, record.size, record.md5, record.crc32c,
            record.components, record.created, record.updated, None, record.blob, compact(record.fields), acl,
        ),
    )  # fmt: skip
    if content.data is not None:
        contents.insert_inline(conn, record.generation, content.data)


def _new_fields(home: BucketRecord, fields: Json) -> Json:
    fields = {"storageClass": home.config["storageClass"], **fields}
    if home.config.get("defaultEventBasedHold"):
        fields.setdefault("eventBasedHold", True)
    return fields


def _check_fields(fields: Json) -> None:
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise errors.invalid("Invalid argument: metadata values are strings.")
    if "customTime" in fields:
        _moment(str(fields["customTime"]))


def _check_change(old: Json, new: Json) -> None:
    """The two things that a patch can't do."""
    if new.get("storageClass") != old.get("storageClass"):
        raise errors.invalid("The storage class of an object is changed by rewriting it.")
    if "customTime" in old and ("customTime" not in new or _moment(new["customTime"]) < _moment(old["customTime"])):
        raise errors.invalid("Custom time can't be removed, nor set to an earlier time.")


def _check_removable(home: BucketRecord, record: ObjectRecord, now: datetime) -> None:
    what = f"Object '{record.bucket}/{record.name}'"
    for field, kind in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if record.fields.get(field):
            rule = "cannot be deleted, overwritten or archived until hold is removed."
            raise errors.forbidden("objectUnderActiveHold", f"{what} is under active {kind} hold and {rule}")
    period = int(home.config.get("retentionPolicy", {}).get("retentionPeriod", 0))
    until = [record.created + period * 1_000_000] if period else []
    if retention := record.fields.get("retention"):
        until.append(micros(_moment(retention["retainUntilTime"])))
    if until and max(until) > micros(now):
        rule = f"cannot be deleted or overwritten until {rfc3339(max(until))}."
        raise errors.forbidden("retentionPolicyNotMet", f"{what} is subject to a retention policy and {rule}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise errors.invalid(f"Invalid argument: '{text}' is not an RFC 3339 time.") from None
    if moment.utcoffset() is None:
        raise errors.invalid(f"Invalid argument: '{text}' has no time zone.")
    return moment


def _last_generation(conn: sqlite3.Connection) -> int:
    row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'storage_object'").fetchone()
    return 0 if row is None else int(row[0])

"""Resumable sessions: a row and a partial file, so that they outlive the process."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from gcpmlops.emulator.services.storage import acls, contents, errors, naming
from gcpmlops.emulator.services.storage.buckets import Buckets
from gcpmlops.emulator.services.storage.contents import NOTHING_SAID, Checksums, Content, Digests
from gcpmlops.emulator.services.storage.events import Aftermath
from gcpmlops.emulator.services.storage.objects import Objects
from gcpmlops.emulator.services.storage.preconditions import Preconditions
from gcpmlops.emulator.services.storage.records import Json, ObjectRecord, compact, micros
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

QUANTUM = 256 * 1024  # bytes; what is kept of an unfinished upload is a multiple of it
_LIFETIME = 7 * 24 * 3600 * 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Session:
    """One resumable upload. ``generation`` is set once the object is there."""

    id: str
    bucket: str
    name: str
    created: int
    fields: Json
    conditions: Preconditions
    checksums: Checksums
    acl: acls.Acl | None
    generation: int | None


class Sessions:
    """Opens, feeds and finishes resumable uploads."""

    def __init__(
        self, store: Store, blobs: Blobs, buckets: Buckets, objects: Objects, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._buckets = buckets
        self._objects = objects
        self._now = now
        self._receiving: dict[str, Receiver] = {}
        self._lock = threading.Lock()

    def start(
        self,
        bucket: str,
        name: str,
        fields: Json,
        conditions: Preconditions,
        checksums: Checksums,
        acl: acls.Acl | None = None,
    ) -> str:
        """Opens a session; returns its id. Raises NotFound, BadRequest, PreconditionFailed."""
        naming.check_object(name)
        self._store.read(lambda conn: self._check_target(conn, bucket, name, conditions))
        upload_id = secrets.token_urlsafe(48)
        request = {
            "fields": fields,
            "conditions": conditions.to_json(),
            "checksums": [checksums.md5, checksums.crc32c],
            "acl": acl,
        }
        row = (upload_id, bucket, name, micros(self._now()), compact(request))
        self._store.write(
            lambda conn: conn.execute(
                "INSERT INTO storage_upload (id, bucket, name, created, request) VALUES (?,?,?,?,?)", row
            )
        )
        return upload_id

    def get(self, upload_id: str) -> Session:
        """Raises NotFound, or SessionGone a week after the start."""
        row = self._store.read(
            lambda conn: conn.execute("SELECT * FROM storage_upload WHERE id = ?", (upload_id,)).fetchone()
        )
        if row is None:
            raise errors.no_session(upload_id)
        if row["created"] + _LIFETIME < micros(self._now()):
            raise errors.error(errors.SessionGone, "uploadBroken", "The resumable upload has expired.")
        return _session(row)

    def receiver(self, session: Session) -> Receiver:
        """The session's running end, with the checksums of what is already there."""
        with self._lock:
            receiver = self._receiving.get(session.id)
            if receiver is None:
                receiver = self._receiving[session.id] = Receiver(self._blobs, session.id)
            return receiver

    def finish(self, session: Session, receiver: Receiver, said: Checksums = NOTHING_SAID) -> ObjectRecord:
        """Makes the object. Raises BadRequest for a wrong checksum, PreconditionFailed; the session ends either way.

        The partial file stays until the commit: a kill before it loses no byte that was acknowledged.
        """
        content = receiver.content()

        def run(conn: sqlite3.Connection) -> tuple[ObjectRecord, Aftermath]:
            made = self._objects.put_in(
                conn, session.bucket, session.name, content, session.fields, session.conditions, acl=session.acl
            )
            done = (made[0].generation, session.id)
            conn.execute("UPDATE storage_upload SET generation = ? WHERE id = ?", done)
            return made

        try:
            content.verify(session.checksums)
            content.verify(said)
            record, after = self._store.write(run)
        except BaseException:
            self._objects.discard(content)
            self.cancel(session)
            raise
        self._forget(session.id)
        self._objects.events.settle(after)
        return record

    def cancel(self, session: Session) -> None:
        """Drops the session and its bytes."""
        self._store.write(lambda conn: conn.execute("DELETE FROM storage_upload WHERE id = ?", (session.id,)))
        self._forget(session.id)

    def purge(self) -> None:
        """Drops sessions older than a week, and partial files without a session."""
        cutoff = micros(self._now()) - _LIFETIME
        self._store.write(lambda conn: conn.execute("DELETE FROM storage_upload WHERE created < ?", (cutoff,)))
        query = "SELECT id FROM storage_upload WHERE generation IS NULL"
        running = self._store.read(lambda conn: {row[0] for row in conn.execute(query)})
        for path in self._blobs.partials():
            if path.name not in running:
                path.unlink()

    def close(self) -> None:
        """Closes the partial files; the sessions stay."""
        with self._lock:
            for receiver in self._receiving.values():
                receiver.close()
            self._receiving.clear()

    def _forget(self, upload_id: str) -> None:
        with self._lock:
            receiver = self._receiving.pop(upload_id, None)
        if receiver is not None:
            receiver.close()
        self._blobs.partial(upload_id).unlink(missing_ok=True)

    def _check_target(self, conn: sqlite3.Connection, bucket: str, name: str, conditions: Preconditions) -> None:
        self._buckets.require(conn, bucket)
        if conditions:
            conditions.check(self._objects.find(conn, bucket, name))


class Receiver:
    """The partial file of one session, open for appending, with running checksums."""

    def __init__(self, blobs: Blobs, upload_id: str) -> None:
        self._blobs = blobs
        self._path = blobs.partial(upload_id)
        self._file: BinaryIO = self._path.open("ab", buffering=0)
        self._digests = self._digest_kept()
        self.busy = False  # one request at a time feeds a session; the event loop alone looks at it

    @property
    def size(self) -> int:
        """Bytes received."""
        return self._digests.size

    def write(self, data: bytes) -> None:
        """Appends bytes."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._digests.update(data)

    def keep(self, floor: int = 0) -> int:
        """After an unfinished request: cuts back to a multiple of 256 KiB (not below ``floor``); returns the size."""
        kept = max(self.size - self.size % QUANTUM, floor)
        if kept != self.size:
            self._file.truncate(kept)
            self._digests = self._digest_kept()
        return kept

    def rollback(self, size: int) -> None:
        """Takes back everything after ``size``."""
        self._file.truncate(size)
        self._digests = self._digest_kept()

    def content(self) -> Content:
        """The whole content as a blob (a second link to the partial file), or inline when it is small."""
        digests = self._digests
        if digests.size <= contents.INLINE_LIMIT:
            return Content(digests.size, digests.md5(), digests.crc32c(), data=self._path.read_bytes())
        return Content(digests.size, digests.md5(), digests.crc32c(), blob=self._blobs.adopt(self._path))

    def close(self) -> None:
        self._file.close()

    def _digest_kept(self) -> Digests:
        """Checksums of the file, cut to a multiple of 256 KiB when a killed process left more."""
        size = self._path.stat().st_size
        if size % QUANTUM:
            self._file.truncate(size - size % QUANTUM)
        digests = Digests()
        for piece in contents.pieces(self._path):
            digests.update(piece)
        return digests


def _session(row: sqlite3.Row) -> Session:
    request = json.loads(row["request"])
    return Session(
        id=row["id"],
        bucket=row["bucket"],
        name=row["name"],
        created=row["created"],
        fields=request["fields"],
        conditions=Preconditions(**request["conditions"]),
        checksums=Checksums(*request["checksums"]),
        acl=request["acl"],
        generation=row["generation"],
    )

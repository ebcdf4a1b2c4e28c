"""The object store: buckets, objects, copies, listings and resumable sessions over SQLite and a blob folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.runtimes.objects import ObjectInfo
from gcpmlops.emulator.services.storage import contents, errors, listing
from gcpmlops.emulator.services.storage.buckets import Buckets
from gcpmlops.emulator.services.storage.copies import Copies
from gcpmlops.emulator.services.storage.notifications import Notifications
from gcpmlops.emulator.services.storage.objects import Objects
from gcpmlops.emulator.services.storage.sessions import Sessions
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

_CLEAN = "clean"  # a file that says that the last process closed the store


class StorageEngine:
    """Cloud Storage without HTTP. Satisfies ``runtimes.objects.ObjectStore``.

    Args:
        store: holds buckets, object rows and small contents.
        blobs: a directory of its own for larger contents.
        clock: gives generations and times.
        project: the project of buckets that name none.
        project_number: its number, as ACLs and bucket resources show it.

    Attributes:
        on_event: called after each commit that changed an object, by the thread that changed it.
    """

    def __init__(self, store: Store, blobs: Blobs, clock: Clock, *, project: str, project_number: str | int) -> None:
        self.store = store
        self.blobs = blobs
        self.project = project
        self.project_number = str(project_number)
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))
        self.buckets = Buckets(store, clock.now, self.project_number)
        self.objects = Objects(store, blobs, self.buckets, clock.now)
        self.on_event = self.objects.events.listeners
        self.copies = Copies(store, blobs, self.objects)
        self.sessions = Sessions(store, blobs, self.buckets, self.objects, clock.now)
        self.notifications = Notifications(store, self.buckets, self.on_event)
        self._recover()
        self.sessions.purge()

    def page(self, query: listing.Query, token: str | None = None) -> listing.Page:
        """One page of objects. Raises NotFound for a missing bucket."""

        def run(conn: sqlite3.Connection) -> listing.Page:
            self.buckets.require(conn, query.bucket)
            return listing.page(conn, query, token)

        return self.store.read(run)

    def exists(self, bucket: str) -> bool:
        """Whether the bucket exists."""
        return self.store.read(lambda conn: self.buckets.find(conn, bucket)) is not None

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Live objects by name, page by page. Raises NotFound for a missing bucket."""
        token: str | None = None
        while True:
            page = self.page(listing.Query(bucket, prefix), token)
            yield from (ObjectInfo(item.name, item.size, item.generation) for item in page.items)
            if (token := page.token) is None:
                return

    def local_path(self, bucket: str, name: str) -> Path:
        """A read-only file with the object's content; a small one moves out of the database first."""
        record = self.objects.get(bucket, name)
        if record.blob is None:
            return self.blobs.path(self._to_file(bucket, name))
        return self.blobs.path(record.blob)

    def read_bytes(self, bucket: str, name: str) -> bytes:
        """The whole content, for small objects. Raises NotFound."""
        record, data = self.objects.get_with_data(bucket, name)
        return data if record.blob is None and data is not None else self.blobs.path(str(record.blob)).read_bytes()

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        """Stores a copy of a file. Raises NotFound for a missing bucket."""
        fields = {"contentType": content_type or "application/octet-stream"}
        self.objects.put(bucket, name, contents.from_file(self.blobs, source), fields)

    def close(self) -> None:
        """Closes partial files and says that nothing was cut off. The store is its owner's to close."""
        self.sessions.close()
        (self.blobs.directory / _CLEAN).touch()

    def _to_file(self, bucket: str, name: str) -> str:
        def run(conn: sqlite3.Connection) -> str:
            record = self.objects.require(conn, bucket, name)
            if record.blob is not None:
                return record.blob
            data = contents.inline_data(conn, record.generation)
            if data is None:
                raise errors.no_object(bucket, name)
            with self.blobs.create() as writer:
                writer.write(data)
                blob = writer.commit()
            conn.execute("UPDATE storage_object SET blob = ? WHERE generation = ?", (blob, record.generation))
            conn.execute("DELETE FROM storage_content WHERE generation = ?", (record.generation,))
            return blob

        return self.store.write(run)

    def _recover(self) -> None:
        """After a kill: removes blobs that no acknowledged object owns."""
        clean = self.blobs.directory / _CLEAN
        if clean.exists():
            clean.unlink()
            return
        owned = self.store.read(_owned_blobs)
        for blob_id in [blob_id for blob_id in self.blobs.ids() if blob_id not in owned]:
            self.blobs.delete(blob_id)


def _owned_blobs(conn: sqlite3.Connection) -> set[str]:
    return {row[0] for row in conn.execute("SELECT blob FROM storage_object WHERE blob IS NOT NULL")}

"""Resources of one message type, kept as the official message's own bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from google.api_core import exceptions

if TYPE_CHECKING:
    from gcpmlops.emulator.state.store import Store

M = TypeVar("M")

_INSERT = "INSERT INTO resources (type, name, parent, created, updated, body) VALUES (?, ?, ?, ?, ?, ?)"
_UPSERT = f"{_INSERT} ON CONFLICT (type, name) DO UPDATE SET body = excluded.body, updated = excluded.updated"


class Collection(Generic[M]):
    """Typed view of the resource table; ``message_type`` is a proto-plus or a protobuf class."""

    def __init__(self, store: Store, message_type: type[M]) -> None:
        self._store = store
        self._type = cast("Any", message_type)
        pb: Any = self._type.pb() if hasattr(self._type, "pb") else self._type
        self.kind: str = pb.DESCRIPTOR.full_name
        self.label = self.kind.rsplit(".", 1)[-1]

    def get(self, name: str) -> M:
        """Raises: NotFound."""
        message = self.find(name)
        if message is None:
            raise self.not_found(name)
        return message

    def find(self, name: str) -> M | None:
        body = self.stored(name)
        return None if body is None else self.decode(body)

    def stored(self, name: str) -> bytes | None:
        """The message's bytes: they are the same for as long as it is."""
        return self._store.cache.get((self.kind, name), lambda: self._store.read(lambda conn: self._select(conn, name)))

    def insert(self, name: str, message: M, *, parent: str | None = None) -> M:
        """Raises: AlreadyExists."""

        def run(conn: sqlite3.Connection) -> None:
            try:
                conn.execute(_INSERT, self._row(name, message, parent))
            except sqlite3.IntegrityError:
                raise exceptions.AlreadyExists(f"{self.label} {name} already exists.") from None

        self._store.write(run)
        return message

    def put(self, name: str, message: M, *, parent: str | None = None) -> M:
        self._store.write(lambda conn: conn.execute(_UPSERT, self._row(name, message, parent)))
        return message

    def update(self, name: str, change: Callable[[M], M | None]) -> M:
        """Atomic read-modify-write: ``change`` edits the message in place, or returns its replacement.

        Raises: NotFound; whatever ``change`` raises, with nothing changed then.
        """

        def run(conn: sqlite3.Connection) -> M:
            message = self._existing(conn, name)
            result = change(message)
            message = message if result is None else result
            conn.execute(
                "UPDATE resources SET body = ?, updated = ? WHERE type = ? AND name = ?",
                (self._encode(message), self._store.now().isoformat(), self.kind, name),
            )
            return message

        return self._store.write(run)

    def delete(self, name: str) -> M:
        """Raises: NotFound."""

        def run(conn: sqlite3.Connection) -> M:
            message = self._existing(conn, name)
            conn.execute("DELETE FROM resources WHERE type = ? AND name = ?", (self.kind, name))
            return message

        return self._store.write(run)

    def delete_below(self, name: str) -> int:
        """Deletes all whose names go on after `name/`; returns how many there were."""
        sql = "DELETE FROM resources WHERE type = ? AND name > ? AND name < ?"
        values = (self.kind, f"{name}/", f"{name}0")  # 0 comes right after /
        return self._store.write(lambda conn: conn.execute(sql, values).rowcount)

    def count_below(self, name: str) -> int:
        """How many there are whose names go on after `name/`."""
        sql = "SELECT COUNT(*) FROM resources WHERE type = ? AND name > ? AND name < ?"
        values = (self.kind, f"{name}/", f"{name}0")
        return int(self._store.read(lambda conn: conn.execute(sql, values).fetchone()[0]))

    def list(self, parent: str | None = None) -> list[M]:
        """All of them, or those below ``parent``, in the order in which they were created."""
        where = "type = ?" if parent is None else "type = ? AND parent = ?"
        values = (self.kind,) if parent is None else (self.kind, parent)
        sql = f"SELECT body FROM resources WHERE {where} ORDER BY seq"
        return self._store.read(lambda conn: [self.decode(row[0]) for row in conn.execute(sql, values)])

    def below(self, parent: str) -> Sequence[M]:
        """Those below ``parent`` in the order in which they were created, read by slices when asked for."""
        return _Below(self, self._store, parent)

    def not_found(self, name: str) -> exceptions.NotFound:
        return exceptions.NotFound(f"{self.label} {name} is not found.")

    def _select(self, conn: sqlite3.Connection, name: str) -> bytes | None:
        sql = "SELECT body FROM resources WHERE type = ? AND name = ?"
        row = conn.execute(sql, (self.kind, name)).fetchone()
        return None if row is None else bytes(row[0])

    def _existing(self, conn: sqlite3.Connection, name: str) -> M:
        body = self._select(conn, name)
        if body is None:
            raise self.not_found(name)
        return self.decode(body)

    def _row(self, name: str, message: M, parent: str | None) -> tuple[Any, ...]:
        above = name.rsplit("/", 2)[0] if parent is None else parent
        now = self._store.now().isoformat()
        return (self.kind, name, above, now, now, self._encode(message))

    def _encode(self, message: M) -> bytes:
        data: bytes = self._type.serialize(message) if hasattr(self._type, "serialize") else message.SerializeToString()  # type: ignore[attr-defined]  # a protobuf class without proto-plus
        return data

    def decode(self, data: bytes) -> M:
        """A message of its stored bytes."""
        decode = self._type.deserialize if hasattr(self._type, "deserialize") else self._type.FromString
        message: M = decode(data)
        return message


class _Below(Sequence[M]):
    """A page of many costs as much as it holds."""

    def __init__(self, collection: Collection[M], store: Store, parent: str) -> None:
        self._collection = collection
        self._store = store
        self._key = (collection.kind, parent)
        sql = "SELECT COUNT(*) FROM resources WHERE type = ? AND parent = ?"
        self._length = int(store.read(lambda conn: conn.execute(sql, self._key).fetchone()[0]))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        start, stop, _ = index.indices(self._length)
        sql = "SELECT body FROM resources WHERE type = ? AND parent = ? ORDER BY seq LIMIT ? OFFSET ?"
        values = (*self._key, max(0, stop - start), start)
        rows = self._store.read(lambda conn: conn.execute(sql, values).fetchall())
        return [self._collection.decode(row[0]) for row in rows]

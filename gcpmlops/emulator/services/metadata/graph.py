"""The edges between nodes: children of contexts, members of contexts, events between executions and artifacts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.service import ResourceStore

MAX_PARENTS = 10
_CHUNK = 500  # variables in one statement
_SCHEMA = """
CREATE TABLE IF NOT EXISTS metadata_children (
    parent TEXT NOT NULL, child TEXT NOT NULL, UNIQUE (parent, child)
);
CREATE INDEX IF NOT EXISTS metadata_children_by_child ON metadata_children (child, parent);
CREATE TABLE IF NOT EXISTS metadata_members (
    context TEXT NOT NULL, member TEXT NOT NULL, UNIQUE (context, member)
);
CREATE INDEX IF NOT EXISTS metadata_members_by_member ON metadata_members (member, context);
CREATE TABLE IF NOT EXISTS metadata_events (
    execution TEXT NOT NULL, artifact TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (execution, artifact)
);
CREATE INDEX IF NOT EXISTS metadata_events_by_artifact ON metadata_events (artifact, execution);
"""
_ANCESTOR = """
WITH RECURSIVE above (name) AS (
    SELECT ? UNION SELECT parent FROM metadata_children JOIN above ON child = name
)
SELECT 1 FROM above WHERE name = ?
"""


class Graph:
    """Names and edges only: whether a node exists is the caller's concern.

    What writes takes the connection of the writer thread, so that checks and edges are one transaction.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        store.ensure_schema(_SCHEMA)

    def add_child(self, conn: sqlite3.Connection, parent: str, child: str) -> None:
        """One that is there already is skipped. Raises InvalidArgument: a cycle, or an eleventh parent."""
        if conn.execute(_ANCESTOR, (parent, child)).fetchone():
            raise exceptions.InvalidArgument(f"Adding {child} as a child of {parent} would create a cycle.")
        conn.execute("INSERT OR IGNORE INTO metadata_children VALUES (?, ?)", (parent, child))
        count = conn.execute("SELECT count(*) FROM metadata_children WHERE child = ?", (child,)).fetchone()[0]
        if count > MAX_PARENTS:
            raise exceptions.InvalidArgument(f"{child} would have more than {MAX_PARENTS} parent contexts.")

    def remove_children(self, conn: sqlite3.Connection, parent: str, children: Iterable[str]) -> None:
        """Those that aren't there are skipped."""
        sql = "DELETE FROM metadata_children WHERE parent = ? AND child = ?"
        conn.executemany(sql, [(parent, child) for child in children])

    def add_member(self, conn: sqlite3.Connection, context: str, member: str) -> None:
        """Puts an artifact or execution into a context; one that is in it already is skipped."""
        conn.execute("INSERT OR IGNORE INTO metadata_members VALUES (?, ?)", (context, member))

    def add_event(self, conn: sqlite3.Connection, event: types.Event) -> None:
        """One between this execution and this artifact that is there already is skipped."""
        row = (event.execution, event.artifact, types.Event.serialize(event))
        conn.execute("INSERT OR IGNORE INTO metadata_events VALUES (?, ?, ?)", row)

    def forget(self, conn: sqlite3.Connection, name: str) -> None:
        """Drops every edge of a node."""
        conn.execute("DELETE FROM metadata_children WHERE parent = ? OR child = ?", (name, name))
        conn.execute("DELETE FROM metadata_members WHERE context = ? OR member = ?", (name, name))
        conn.execute("DELETE FROM metadata_events WHERE execution = ? OR artifact = ?", (name, name))

    def parents(self, context: str) -> list[str]:
        """The contexts that it is a child of, first added first."""
        return self._names("SELECT parent FROM metadata_children WHERE child = ? ORDER BY rowid", context)

    def children(self, context: str) -> list[str]:
        """Its child contexts, first added first."""
        return self._names("SELECT child FROM metadata_children WHERE parent = ? ORDER BY rowid", context)

    def members(self, context: str) -> list[str]:
        """The artifacts and executions in a context, first added first."""
        return self._names("SELECT member FROM metadata_members WHERE context = ? ORDER BY rowid", context)

    def contexts_of(self, member: str) -> list[str]:
        """The contexts that an artifact or execution is in."""
        return self._names("SELECT context FROM metadata_members WHERE member = ? ORDER BY rowid", member)

    def memberships(self, store: str, collection: str) -> list[tuple[str, str]]:
        """(context, member) of every member of a kind in a metadata store."""
        sql = "SELECT context, member FROM metadata_members WHERE member GLOB ?"
        rows = self._store.read(lambda conn: conn.execute(sql, (f"{store}/{collection}/*",)).fetchall())
        return [(row[0], row[1]) for row in rows]

    def events(self, *, executions: Iterable[str] = (), artifacts: Iterable[str] = ()) -> list[types.Event]:
        """The events of any of these executions or artifacts, oldest first, each once."""
        found: dict[tuple[str, str], bytes] = {}
        for column, names in (("execution", executions), ("artifact", artifacts)):
            listed = list(names)
            for start in range(0, len(listed), _CHUNK):
                found.update(self._events(column, listed[start : start + _CHUNK]))
        return sorted((_event(body) for body in found.values()), key=lambda event: event.event_time)

    def events_in(self, store: str) -> list[types.Event]:
        """Every event of a metadata store."""
        sql = "SELECT body FROM metadata_events WHERE execution GLOB ?"
        rows = self._store.read(lambda conn: conn.execute(sql, (f"{store}/executions/*",)).fetchall())
        return [_event(row[0]) for row in rows]

    def _events(self, column: str, names: Sequence[str]) -> Any:
        marks = ", ".join("?" * len(names))
        sql = f"SELECT execution, artifact, body FROM metadata_events WHERE {column} IN ({marks}) ORDER BY rowid"
        return [((r[0], r[1]), r[2]) for r in self._store.read(lambda conn: conn.execute(sql, names).fetchall())]

    def _names(self, sql: str, name: str) -> list[str]:
        return self._store.read(lambda conn: [row[0] for row in conn.execute(sql, (name,))])


def _event(body: bytes) -> types.Event:
    event: types.Event = types.Event.deserialize(body)
    return event

"""Messages that don't tell their own whole names (sinks, exclusions, metrics: their `name` is the id alone)."""

from __future__ import annotations

from typing import Any

from gcpmlops.emulator.kernel.service import ResourceStore


def all_of(store: ResourceStore, message_type: type[Any]) -> list[tuple[str, Any]]:
    """(project's name, message) of every one that is stored, in the order in which they were made."""
    collection = store.collection(message_type)
    sql = "SELECT parent, body FROM resources WHERE type = ? ORDER BY seq"
    rows = store.read(lambda conn: conn.execute(sql, (collection.kind,)).fetchall())
    return [(row["parent"], collection.decode(row["body"])) for row in rows]

"""What a query does with which tables: what its caller needs permission for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from gcpmlops.emulator.services.bigquery.engine import queries, statements
from gcpmlops.emulator.services.bigquery.engine.core import Reference
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError

_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable, exp.Alter)


def of_query(config: dict[str, Any], project: str) -> list[tuple[str, Reference]]:
    """Of a JobConfigurationQuery."""
    try:
        return accesses(queries.prepared(config, project), project)
    except EngineError:
        return []


def accesses(sql: str, project: str) -> list[tuple[str, Reference]]:
    """(read, write, create or delete, table), each once; nothing for what does not parse: running it will say so."""
    found: dict[tuple[str, Reference], None] = {}
    for tree in statements.trees(sql):
        for kind, table in _of(tree):
            if (reference := _reference(table, project)) is not None:
                found.setdefault((kind, reference))
    return list(found)


def _of(tree: Any) -> Iterator[tuple[str, Any]]:
    tables = list(tree.find_all(exp.Table))
    target = tree.find(exp.Table) if isinstance(tree, (*_WRITES, exp.Create, exp.Drop)) else None
    if target is not None:
        creates, drops = isinstance(tree, exp.Create), isinstance(tree, exp.Drop)
        yield ("create" if creates else "delete" if drops else "write"), target
    for table in tables:
        if table is not target:
            yield "read", table


def _reference(table: Any, project: str) -> Reference | None:
    parts = [part for item in table.parts for part in item.name.split(".")]
    if len(parts) < 2 or "INFORMATION_SCHEMA" in {part.upper() for part in parts}:
        return None
    return ".".join(parts[:-2]) or project, parts[-2], parts[-1]

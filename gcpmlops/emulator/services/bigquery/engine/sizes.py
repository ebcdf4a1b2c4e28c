"""Logical bytes, as BigQuery counts them: 8 for a number or a time, 1 for a BOOL, 2 + length for text."""

from __future__ import annotations

from gcpmlops.emulator.services.bigquery.engine import schema, statements
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, quoted
from gcpmlops.emulator.services.bigquery.engine.schema import Field, identifier

_FIXED = {
    "INTEGER": 8,
    "FLOAT": 8,
    "BOOLEAN": 1,
    "DATE": 8,
    "TIME": 8,
    "DATETIME": 8,
    "TIMESTAMP": 8,
    "NUMERIC": 16,
    "BIGNUMERIC": 32,
    "INTERVAL": 16,
    "RANGE": 16,
}
_VIEW_DEPTH = 8


class Sizes:
    """Sizes per column, counted when first asked for and kept until something may have changed the table."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[Reference, tuple[int, dict[str, int]]] = {}

    def of_table(self, reference: Reference) -> int:
        """NumBytes."""
        return sum(self._columns(reference).values())

    def of_query(self, sql: str, project: str, depth: int = 0) -> int:
        """Bytes of the columns that a query mentions, over its tables; views count what they read."""
        names = statements.columns(sql)
        total = 0
        for reference in statements.tables(sql, project):
            meta = self._core.catalog.get_table(*reference)
            if meta is not None and meta.view_query and depth < _VIEW_DEPTH:
                total += self.of_query(meta.view_query, reference[0], depth + 1)
            elif meta is not None:
                total += sum(size for name, size in self._columns(reference).items() if names is None or name in names)
        return total

    def _columns(self, reference: Reference) -> dict[str, int]:
        known = self._known.get(reference)
        if known and known[0] == self._core.changes:
            return known[1]
        sizes = self._count(reference)
        self._known[reference] = (self._core.changes, sizes)
        return sizes

    def _count(self, reference: Reference) -> dict[str, int]:
        meta = self._core.catalog.get_table(*reference)
        fields = schema.from_model(meta.schema_) if meta is not None and not meta.view_query else []
        if not fields:
            return {}
        sums = ", ".join(_total(field) for field in fields)
        row = self._core.connection.execute(f"SELECT {sums} FROM {quoted(reference)}").fetchone() or ()
        return {field["name"].lower(): int(size or 0) for field, size in zip(fields, row, strict=False)}


def _total(field: Field) -> str:
    name = identifier(field["name"])
    if field["mode"] != "REPEATED" and field["type"] in _FIXED:
        return f"count({name}) * {_FIXED[field['type']]}"
    return f"sum({_bytes(name, field, 0)})"


def _bytes(name: str, field: Field, depth: int) -> str:
    if field["mode"] == "REPEATED":
        inner = _bytes(f"x{depth}", {**field, "mode": "NULLABLE"}, depth + 1)
        return f"coalesce(list_sum(list_transform({name}, lambda x{depth}: {inner})), 0)"
    if field["type"] == "RECORD":
        return (
            "(" + " + ".join(_bytes(f"{name}.{identifier(sub['name'])}", sub, depth) for sub in field["fields"]) + ")"
        )
    if field["type"] in _FIXED:
        return f"CASE WHEN {name} IS NULL THEN 0 ELSE {_FIXED[field['type']]} END"
    if field["type"] == "BYTES":
        return f"coalesce(octet_length({name}) + 2, 0)"
    return f"coalesce(strlen({name}::VARCHAR) + 2, 0)"

"""Query results and read sessions: one memory-mapped Arrow file each: no memory is held, a restart loses nothing."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from bqemulator.storage.arrow_bridge import arrow_table_to_bq_rows

from gcpmlops.emulator.services.bigquery.engine.errors import EngineError
from gcpmlops.emulator.services.bigquery.engine.schema import Field, arrow_type, dump

_KEPT_S = 24 * 3600  # as long as BigQuery keeps them
_ROWS_PER_BATCH = 20_000
_SPECIAL = {"GEOGRAPHY", "INTERVAL", "RANGE"}  # kept as the strings that the REST API shows


class Results:
    """Arrow files by id, in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._expire()

    def save(self, key: str, table: pa.Table, fields: list[Field]) -> None:
        """Keep a result; `table` has one column for each field."""
        table = canonical(table, fields)
        table = table.replace_schema_metadata({b"fields": dump(fields)})
        path = self._path(key)
        part = path.with_suffix(".part")
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=_ROWS_PER_BATCH)
        part.replace(path)

    def load(self, key: str) -> tuple[pa.Table, list[Field]]:
        """A kept result. Raises notFound once it has expired."""
        try:
            with pa.memory_map(str(self._path(key))) as source:
                table = pa.ipc.open_file(source).read_all()
        except FileNotFoundError:
            raise EngineError("notFound", f"Not found: the results of job {key} have expired") from None
        return table, json.loads(table.schema.metadata[b"fields"])

    def exists(self, key: str) -> bool:
        return self._path(key).exists()

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not re.fullmatch(r"[\w\-]{1,1024}", key):
            raise EngineError("invalid", f"Invalid job ID {key!r}")
        return self._directory / f"{key[:200]}.arrow"

    def _expire(self) -> None:
        for path in self._directory.iterdir():
            if path.suffix == ".part" or path.stat().st_mtime < time.time() - _KEPT_S:
                path.unlink(missing_ok=True)


def canonical(table: pa.Table, fields: list[Field]) -> pa.Table:
    """The columns in the Arrow types of BigQuery."""
    columns = [_column(table, index, field) for index, field in enumerate(fields)]
    return pa.Table.from_arrays(columns, schema=pa.schema([(f["name"], arrow_type(f)) for f in fields]))


def _column(table: pa.Table, index: int, field: Field) -> Any:
    column, wanted = table.column(index), arrow_type(field)
    if field["type"] in _SPECIAL:
        single = pa.table([column], schema=pa.schema([table.schema.field(index)]))
        cells = [row["f"][0]["v"] for row in arrow_table_to_bq_rows(single)]
        return pa.chunked_array([pa.array([_text(cell) for cell in cells], wanted)])
    if column.type == wanted:
        return column
    return column.cast(wanted, safe=False) if pa.types.is_timestamp(wanted) else column.cast(wanted)


def _text(cell: Any) -> Any:
    return [item["v"] for item in cell] if isinstance(cell, list) else cell

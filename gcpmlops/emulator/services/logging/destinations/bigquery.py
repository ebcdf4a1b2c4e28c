"""A sink's dataset: a table for each log, by days or partitioned; columns come as entries need them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any
from urllib.parse import unquote

import orjson
from google.api_core import exceptions
from google.cloud.logging_v2 import types

from gcpmlops.emulator.services.bigquery.tables import Table, Tables
from gcpmlops.emulator.services.logging import log_json
from gcpmlops.emulator.services.logging.destinations import rows
from gcpmlops.emulator.services.logging.destinations.rows import Field

_NAME = re.compile(r"\W", re.ASCII)
_ERROR_COLUMNS = (
    ("logEntry", "STRING"),
    ("schemaErrorDetail", "STRING"),
    ("sink", "STRING"),
    ("logName", "STRING"),
    ("timestamp", "TIMESTAMP"),
    ("receiveTimestamp", "TIMESTAMP"),
    ("severity", "STRING"),
    ("insertId", "STRING"),
    ("trace", "STRING"),
    ("resourceType", "STRING"),
)


class DatasetDestination:
    """Loads entries into tables. An entry that contradicts its table's schema goes to the table `export_errors`.

    Args:
        tables: BigQuery, made when first used.
        dataset: `projects/P/datasets/D`.
        sink: knows whether tables are partitioned.
    """

    def __init__(self, tables: Callable[[], Tables], dataset: str, sink: types.LogSink) -> None:
        self._tables = tables
        _, self._project, _, self._dataset = dataset.split("/")
        self._sink = sink
        self._is_partitioned = sink.bigquery_options.use_partitioned_tables

    def send(self, entries: Sequence[Any]) -> None:
        """Raises NotFound for a missing dataset, and what BigQuery refuses otherwise."""
        by_table: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in entries:
            log = _NAME.sub("_", unquote(entry.log_name.partition("/logs/")[2]))
            by_table[self._table(log, entry)].append(log_json.to_dict(entry))
        errors: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name, shown in by_table.items():
            for entry, why in self._append(name, shown):
                day = "" if self._is_partitioned else f"_{entry['timestamp'][:10].replace('-', '')}"
                errors[f"export_errors{day}"].append(self._error(entry, why))
        for name, told in errors.items():
            self._load(name, [{"name": n, "type": t, "mode": "NULLABLE"} for n, t in _ERROR_COLUMNS], told)

    def _table(self, log: str, entry: Any) -> str:
        return log if self._is_partitioned else f"{log}_{entry.timestamp.ToDatetime(tzinfo=UTC):%Y%m%d}"

    def _append(self, name: str, shown: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
        """Loads what fits; the rest, each with the reason."""
        fields, fitting, refused = self._fields(name), [], []
        for entry in shown:
            cells = rows.row(entry)
            try:
                fields = rows.merged(fields, rows.schema(cells))
                fitting.append(cells)
            except rows.ConflictError as error:
                refused.append((entry, str(error)))
        if fitting:
            self._load(name, fields, [rows.fitted(cells, fields) for cells in fitting])
        return refused

    def _fields(self, name: str) -> list[Field]:
        try:
            return self._tables().fields(Table(self._project, self._dataset, name))
        except exceptions.NotFound:
            return []

    def _load(self, name: str, fields: Sequence[Field], cells: Sequence[dict[str, Any]]) -> None:
        config: dict[str, Any] = {
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "schema": {"fields": list(fields)},
            "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"],
        }
        if self._is_partitioned:
            config["timePartitioning"] = {"type": "DAY", "field": "timestamp"}
        with self._tables().workspace() as directory:
            path = directory / "rows.json"
            path.write_bytes(b"\n".join(map(orjson.dumps, cells)))
            self._tables().load(Table(self._project, self._dataset, name), [path], config)

    def _error(self, entry: dict[str, Any], why: str) -> dict[str, Any]:
        kept = {name: entry[name] for name, _ in _ERROR_COLUMNS if name in entry}
        resource = entry.get("resource", {}).get("type", "")
        told = {"logEntry": orjson.dumps(entry).decode(), "schemaErrorDetail": why, "sink": self._sink.name}
        return {**kept, **told, "resourceType": resource}

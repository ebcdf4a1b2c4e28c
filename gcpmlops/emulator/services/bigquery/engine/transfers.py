"""Copy jobs (table to table) and extract jobs (table to files, which the front then stores as objects)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bqemulator.jobs.executor import execute_copy_job

from gcpmlops.emulator.services.bigquery.engine import destination, schema
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, display, quoted, reference_of
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError
from gcpmlops.emulator.services.bigquery.engine.schema import Field, identifier, literal

_SHARD_ROWS = 2_000_000  # rows a file when the URI has a wildcard; BigQuery's own limit is 1 GB
_FORMATS = ("CSV", "NEWLINE_DELIMITED_JSON", "PARQUET")


async def copy(core: Core, request: dict[str, Any]) -> dict[str, Any]:
    """`request` has `project` and `config` (JobConfigurationTableCopy)."""
    return await core.run(lambda: _copy(core, request["project"], request["config"]))


async def _copy(core: Core, project: str, config: dict[str, Any]) -> dict[str, Any]:
    async with core.exclusive:
        bodies = config.get("sourceTables") or [config["sourceTable"]]
        sources = [reference_of(body, project) for body in bodies]
        target = reference_of(config["destinationTable"], project)
        for source in sources:
            core.table(source)
        if (config.get("operationType") or "COPY") not in ("COPY", "OPERATION_TYPE_UNSPECIFIED"):
            await execute_copy_job(project, "copy", {"copy": config}, core.context)
            core.changes += 1
            return {"statistics": {"copy": {"copiedRows": str(destination.row_count(core, target))}}}
        rows = _copy_rows(core, sources, target, config)
    return {"statistics": {"copy": {"copiedRows": str(rows), "copiedLogicalBytes": "0"}}}


def _copy_rows(core: Core, sources: list[Reference], target: Reference, config: dict[str, Any]) -> int:
    meta = core.table(sources[0])
    fields = schema.from_model(meta.schema_)
    columns = ", ".join(identifier(field["name"]) for field in fields)
    union = " UNION ALL ".join(f"SELECT {columns} FROM {quoted(source)}" for source in sources)
    # The rows are read before the target changes, since a table may be copied onto itself.
    core.connection.execute(f"CREATE OR REPLACE TEMP TABLE copy_source AS {union}")
    clustering = {"clustering": {"fields": list(meta.clustering.fields)}} if meta.clustering else {}
    try:
        return destination.write(core, target, "copy_source", fields, {**clustering, **config}, "WRITE_EMPTY")
    finally:
        core.connection.execute("DROP TABLE IF EXISTS temp.copy_source")


async def extract(core: Core, request: dict[str, Any]) -> dict[str, Any]:
    """`request` has `project`, `config` (JobConfigurationExtract), `directory`; returns the files written, per URI."""
    config, source = request["config"], reference_of(request["config"]["sourceTable"], request["project"])
    kind = str(config.get("destinationFormat") or "CSV").upper()
    if kind not in _FORMATS:
        raise EngineError("notImplemented", f"Extracting to {kind} is not implemented")
    fields, total = await core.run(lambda: _source(core, source, kind))
    uris = config.get("destinationUris") or [config.get("destinationUri", "")]
    files = await asyncio.to_thread(
        _write_files, core, source, fields, total, uris, kind, config, Path(request["directory"])
    )
    counts = [str(sum(1 for file in files if file["pattern"] == uri)) for uri in uris]
    return {"statistics": {"extract": {"destinationUriFileCounts": counts, "inputBytes": "0"}}, "files": files}


async def _source(core: Core, source: Reference, kind: str) -> tuple[list[Field], int]:
    meta = core.table(source)
    if meta.table_type == "VIEW":
        raise EngineError(
            "invalid", f"{display(source)} is not allowed for this operation because it is currently a VIEW."
        )
    fields = schema.from_model(meta.schema_)
    nested = next((f["name"] for f in fields if f["mode"] == "REPEATED" or f["type"] == "RECORD"), None)
    if kind == "CSV" and nested:
        raise EngineError("invalid", f"Operation cannot be performed on a nested schema. Field: {nested}")
    return fields, destination.row_count(core, source)


def _write_files(
    core: Core,
    source: Reference,
    fields: list[Field],
    total: int,
    uris: list[str],
    kind: str,
    config: dict[str, Any],
    directory: Path,
) -> list[dict[str, Any]]:
    written = []
    share = -(-total // len(uris)) if uris else 0
    with core.cursor() as cursor:
        for index, uri in enumerate(uris):
            start, end = index * share, min((index + 1) * share, total)
            size = _SHARD_ROWS if "*" in uri else max(end - start, 1)
            for shard, first in enumerate(range(start, max(end, start + 1), size)):
                path = directory / f"{index}-{shard}"
                columns = ", ".join(f"{_column(field, kind)} AS {identifier(field['name'])}" for field in fields)
                sql = f"SELECT {columns} FROM {quoted(source)} LIMIT {min(size, end - first)} OFFSET {first}"
                cursor.execute(f"COPY ({sql}) TO {literal(str(path))} ({_options(kind, config)})")
                written.append({"pattern": uri, "uri": uri.replace("*", f"{shard:012d}"), "path": str(path)})
    return written


def _column(field: Field, kind: str) -> str:
    name = identifier(field["name"])
    if field["mode"] == "REPEATED":
        return name
    if field["type"] == "BYTES" and kind != "PARQUET":
        return f"base64({name})"
    if field["type"] == "TIMESTAMP" and kind != "PARQUET":
        return f"(replace(({name} AT TIME ZONE 'UTC')::VARCHAR, 'T', ' ') || ' UTC')"
    if field["type"] == "GEOGRAPHY":
        return f"ST_AsText({name})"
    if field["type"] == "INTEGER" and kind == "NEWLINE_DELIMITED_JSON":
        return f"{name}::VARCHAR"  # BigQuery writes INT64 as a JSON string
    return name


def _options(kind: str, config: dict[str, Any]) -> str:
    compression = str(config.get("compression") or "NONE").lower()
    if kind == "PARQUET":
        codec = compression if compression in ("snappy", "gzip", "zstd") else "uncompressed"
        return f"FORMAT parquet, COMPRESSION {codec}"
    if compression not in ("none", "gzip"):
        raise EngineError("invalid", f"Unsupported compression {compression.upper()} for {kind}")
    if kind == "NEWLINE_DELIMITED_JSON":
        return f"FORMAT json, COMPRESSION {compression}"
    delimiter = {"tab": "\t", "\\t": "\t"}.get(config.get("fieldDelimiter") or ",", config.get("fieldDelimiter") or ",")
    header = str(bool(config.get("printHeader", True))).lower()
    return f"FORMAT csv, HEADER {header}, DELIMITER {literal(delimiter)}, COMPRESSION {compression}"

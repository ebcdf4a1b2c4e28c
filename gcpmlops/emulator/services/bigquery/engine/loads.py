"""Load jobs: files into a staging table, then the staging table into the destination in one transaction."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

from bqemulator.storage.sql_identifiers import quoted_schema

from gcpmlops.emulator.services.bigquery.engine import destination, files, schema
from gcpmlops.emulator.services.bigquery.engine.core import STAGING, Core, Reference, reference_of
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError
from gcpmlops.emulator.services.bigquery.engine.schema import Field


async def run(core: Core, request: dict[str, Any]) -> dict[str, Any]:
    """`request` has `project`, `config` (JobConfigurationLoad) and `files` ([{uri, path}]). Returns JobStatistics3."""
    config, target = dict(request["config"]), reference_of(request["config"]["destinationTable"], request["project"])
    sources = [files.Source(item["uri"], Path(item["path"])) for item in request["files"]]
    files.format_of(config)
    existing = await core.run(lambda: _existing(core, target, config))
    staging = f'{quoted_schema(*target[:2])}."{STAGING}{uuid.uuid4().hex}"'
    try:
        fields, loaded = await asyncio.to_thread(_stage, core, sources, staging, config, existing)
        await core.run(lambda: _write(core, target, staging, fields, config))
    finally:
        await asyncio.to_thread(_drop, core, staging)
    output = {
        "inputFiles": str(len(sources)),
        "inputFileBytes": str(loaded.bytes),
        "outputRows": str(loaded.rows),
        "outputBytes": str(loaded.bytes),
        "badRecords": str(loaded.bad),
    }
    return {"statistics": {"load": output}, "errors": loaded.errors, "schema": fields}


async def _existing(core: Core, target: Reference, config: dict[str, Any]) -> list[Field] | None:
    meta = destination.check(core, target, config)
    fields = schema.from_model(meta.schema_) if meta else []
    return fields or None


def _stage(
    core: Core, sources: list[files.Source], staging: str, config: dict[str, Any], existing: list[Field] | None
) -> tuple[list[Field], files.Loaded]:
    with core.cursor() as cursor:
        fields = _fields(cursor, sources, config, existing)
        columns = schema.columns_ddl(
            [{**field, "mode": field["mode"].replace("REQUIRED", "NULLABLE")} for field in fields]
        )
        cursor.execute(f"CREATE TABLE {staging} ({columns})")
        loaded = files.Loaded()
        for source in sources:
            files.read(cursor, source, staging, fields, config, loaded)
            counted = cursor.execute(f"SELECT count(*) FROM {staging}").fetchone()
            loaded.rows = int(counted[0]) if counted else 0
        return fields, loaded


def _fields(
    cursor: Any, sources: list[files.Source], config: dict[str, Any], existing: list[Field] | None
) -> list[Field]:
    given = (config.get("schema") or {}).get("fields")
    if given:
        return schema.normalise(given)
    kind = files.format_of(config)
    append = config.get("writeDisposition", "WRITE_APPEND") != "WRITE_TRUNCATE"
    if existing and (append or not (config.get("autodetect") or kind == "PARQUET")):
        if config.get("autodetect") and kind == "CSV" and "skipLeadingRows" not in config:
            files.infer(cursor, sources, config)  # says whether the first line is a header
        return _widened(cursor, sources, config, existing)
    if kind == "PARQUET" or config.get("autodetect"):
        return files.infer(cursor, sources, config)
    raise EngineError("invalid", "Schema has no fields. Provide a schema or set autodetect.")


def _widened(cursor: Any, sources: list[files.Source], config: dict[str, Any], existing: list[Field]) -> list[Field]:
    """The table's schema, with the new fields of the files where the job allows them."""
    if "ALLOW_FIELD_ADDITION" not in (config.get("schemaUpdateOptions") or []):
        return existing
    known = {field["name"].lower() for field in existing}
    return existing + [field for field in files.infer(cursor, sources, config) if field["name"].lower() not in known]


async def _write(core: Core, target: Reference, staging: str, fields: list[Field], config: dict[str, Any]) -> None:
    async with core.exclusive:
        destination.write(core, target, staging, fields, config, "WRITE_APPEND", own=True)


def _drop(core: Core, staging: str) -> None:
    with core.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {staging}")

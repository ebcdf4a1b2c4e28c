"""Reading one file into a staging table, with BigQuery's options and BigQuery's error messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from gcpmlops.emulator.services.bigquery.engine import csv_files, json_files
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, clean
from gcpmlops.emulator.services.bigquery.engine.schema import Field, detected, identifier, literal

UNBUILT = {"AVRO", "ORC", "DATASTORE_BACKUP"}


@dataclass
class Source:
    """One file of a load: the URI that the user named, and where its content lies."""

    uri: str
    path: Path


@dataclass
class Loaded:
    """What reading produced. `errors` are ErrorProtos of skipped rows."""

    rows: int = 0
    bad: int = 0
    bytes: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)


def infer(cursor: duckdb.DuckDBPyConnection, sources: list[Source], config: dict[str, Any]) -> list[Field]:
    """The schema of the files: from their content. Raises `invalid` where nothing can be inferred."""
    kind = format_of(config)
    if kind == "PARQUET":
        return _parquet_schema(cursor, sources)
    if kind == "CSV":
        return csv_files.infer(cursor, [(source.uri, source.path) for source in sources], config)
    return json_files.infer(cursor, [(source.uri, source.path) for source in sources])


def read(
    cursor: duckdb.DuckDBPyConnection,
    source: Source,
    staging: str,
    fields: list[Field],
    config: dict[str, Any],
    result: Loaded,
) -> None:
    """Append a file's rows to the table `staging`. Raises `invalid` once more than maxBadRecords rows are bad."""
    result.bytes += source.path.stat().st_size
    if not source.path.stat().st_size:
        return
    kind = format_of(config)
    if kind == "PARQUET":
        _read_parquet(cursor, source, staging, fields, config)
    elif kind == "CSV":
        bad = csv_files.read(cursor, source.uri, source.path, staging, fields, config)
        _collect(bad, source, config, result, "CSV")
    else:
        bad = json_files.read(cursor, source.uri, source.path, staging, fields, config)
        _collect(bad, source, config, result, "JSON")


def format_of(config: dict[str, Any]) -> str:
    """The source format. Raises notImplemented or invalid naming it."""
    kind = str(config.get("sourceFormat") or "CSV").upper()
    if kind in UNBUILT:
        raise EngineError("notImplemented", f"Loading {kind} files is not implemented")
    if kind not in ("CSV", "NEWLINE_DELIMITED_JSON", "PARQUET"):
        raise EngineError("invalid", f"Unknown source format: {kind}")
    return kind


def _collect(bad: list[str], source: Source, config: dict[str, Any], result: Loaded, kind: str) -> None:
    result.bad += len(bad)
    prefix = "Error while reading data, error message: "
    result.errors += [
        {"reason": "invalid", "location": source.uri, "message": f"{prefix}{message}; File: {source.uri}"}
        for message in bad[:20]
    ]
    allowed = int(config.get("maxBadRecords") or 0)
    if result.bad > allowed:
        raise EngineError(
            "invalid",
            f"{prefix}{kind} processing encountered too many errors, giving up. Rows: {result.rows}; "
            f"errors: {result.bad}; "
            f"max bad: {allowed}; error percent: 0. First error: {result.errors[0]['message'].removeprefix(prefix)}",
            source.uri,
            result.errors,
        )


def _parquet_schema(cursor: duckdb.DuckDBPyConnection, sources: list[Source]) -> list[Field]:
    fields: dict[str, Field] = {}
    for source in sources:
        for name, kind, *_ in _parquet(
            cursor, source, f"DESCRIBE SELECT * FROM read_parquet({literal(str(source.path))})"
        ):
            fields.setdefault(name.lower(), detected(name, kind, datetime_is_timestamp=False))
    return list(fields.values())


def _read_parquet(
    cursor: duckdb.DuckDBPyConnection, source: Source, staging: str, fields: list[Field], config: dict[str, Any]
) -> None:
    have = {
        row[0].lower(): row[0]
        for row in _parquet(cursor, source, f"DESCRIBE SELECT * FROM read_parquet({literal(str(source.path))})")
    }
    wanted = {item["name"].lower() for item in fields}
    unknown = [name for key, name in have.items() if key not in wanted]
    if unknown and not config.get("ignoreUnknownValues"):
        raise EngineError(
            "invalid",
            f"Error while reading data, error message: No such field: {unknown[0]}; File: {source.uri}",
            source.uri,
        )
    shared = [item["name"] for item in fields if item["name"].lower() in have]
    columns = ", ".join(identifier(name) for name in shared)
    values = ", ".join(identifier(have[name.lower()]) for name in shared)
    _parquet(
        cursor,
        source,
        f"INSERT INTO {staging} ({columns}) SELECT {values} FROM read_parquet({literal(str(source.path))})",
    )


def _parquet(cursor: duckdb.DuckDBPyConnection, source: Source, sql: str) -> list[Any]:
    try:
        return cursor.execute(sql).fetchall()
    except duckdb.Error as error:
        text = str(error)
        why = "Input file is not in Parquet format." if "magic bytes" in text or "too small" in text else clean(text)
        raise EngineError(
            "invalid", f"Error while reading data, error message: {why} File: {source.uri}", source.uri
        ) from error

"""CSV files: dialect from the job's options, types detected only where asked, every bad line named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, clean
from gcpmlops.emulator.services.bigquery.engine.schema import (
    Field,
    column_name,
    detected,
    duckdb_type,
    identifier,
    literal,
    standard_name,
)

_EXTRA = 64  # columns beyond the schema that ignoreUnknownValues swallows
_DELIMITERS = {"tab": "\t", "\\t": "\t"}
_REASONS = {
    "MISSING COLUMNS": "Too few values in row",
    "TOO MANY COLUMNS": "Too many values in row",
    "UNQUOTED VALUE": "Missing close quote character (\")",
    "LINE SIZE OVER MAXIMUM": "Row is larger than the maximum allowed size",
    "INVALID ENCODING": "Bad character (ASCII 0) or invalid UTF-8 encountered",
    "INVALID STATE": "Data between close quote character (\") and field separator",
}


def infer(cursor: duckdb.DuckDBPyConnection, files: list[tuple[str, Path]], config: dict[str, Any]) -> list[Field]:
    """Names from the header, types from the content of the first file that has any."""
    for uri, path in files:
        if path.stat().st_size:
            return _infer_one(cursor, uri, path, config)
    raise EngineError("invalid", f"Unable to infer a schema: the source is empty. File: {files[0][0]}", files[0][0])


def _infer_one(cursor: duckdb.DuckDBPyConnection, uri: str, path: Path, config: dict[str, Any]) -> list[Field]:
    skip = config.get("skipLeadingRows")
    header = ", header = true" if skip else ""
    # A line that breaks must not change what is detected: it is skipped here and fails the load afterwards.
    sql = (f"DESCRIBE SELECT * FROM read_csv({literal(str(path))}, {_dialect(path, config)}, skip = {max(int(skip or 0) - 1, 0)}, "
           f"ignore_errors = true, null_padding = true, sample_size = 20480{header})")
    try:
        rows = cursor.execute(sql).fetchall()
        # The header decides whether the first line is data when the caller did not say how many lines to skip.
        sniffed = cursor.execute(
            f"SELECT HasHeader FROM sniff_csv({literal(str(path))}, {_dialect(path, config)}, ignore_errors = true)").fetchone()
    except duckdb.Error as error:
        raise EngineError("invalid", f"Error while reading data, error message: {clean(str(error))}; File: {uri}", uri) from error
    headed = bool(skip) or bool(sniffed and sniffed[0])
    config.setdefault("skipLeadingRows", 1 if headed else 0)
    taken: set[str] = set()
    return [detected(column_name(name, taken, index) if headed else f"{_kind_name(kind)}_field_{index}", kind, datetime_is_timestamp=True)
            for index, (name, kind, *_) in enumerate(rows)]


def _kind_name(kind: str) -> str:
    return {"BIGINT": "int64", "DOUBLE": "double", "VARCHAR": "string", "BOOLEAN": "bool"}.get(kind, kind.split()[0].lower())


def read(cursor: duckdb.DuckDBPyConnection, uri: str, path: Path, staging: str, fields: list[Field], config: dict[str, Any]) -> list[str]:
    """Append the good rows to `staging`; returns a message for each bad one."""
    repeated = next((field["name"] for field in fields if field["mode"] == "REPEATED" or field["type"] == "RECORD"), None)
    if repeated:
        raise EngineError("invalid", f"Error while reading data, error message: CSV cannot hold nested or repeated data: field {repeated}; File: {uri}", uri)
    extra = _EXTRA if config.get("ignoreUnknownValues") else 0
    columns = [f"{literal(field['name'])}: {literal(_read_type(field))}" for field in fields]
    columns += [f"'__extra_{index}': 'VARCHAR'" for index in range(extra)]
    padding = bool(config.get("allowJaggedRows") or extra)
    values = ", ".join(_value(field) for field in fields)
    source = (f"read_csv({literal(str(path))}, {_dialect(path, config)}, header = false, skip = {int(config.get('skipLeadingRows') or 0)}, "
              f"auto_detect = false, columns = {{{', '.join(columns)}}}, null_padding = {str(padding).lower()}, "
              f"store_rejects = true, rejects_table = 'bad_rows', rejects_scan = 'bad_scans', max_line_size = 100000000)")
    _forget(cursor)
    try:
        cursor.execute(f"INSERT INTO {staging} SELECT {values} FROM {source}")
    except duckdb.Error as error:
        raise EngineError("invalid", f"Error while reading data, error message: {clean(str(error))}; File: {uri}", uri) from error
    return _bad_rows(cursor, fields)


def _read_type(field: Field) -> str:
    return "VARCHAR" if field["type"] in ("BYTES", "GEOGRAPHY", "JSON", "INTERVAL") else duckdb_type(field)


def _value(field: Field) -> str:
    name = identifier(field["name"])
    if field["type"] == "BYTES":
        return f"from_base64({name})"
    if field["type"] == "GEOGRAPHY":
        return f"ST_GeomFromText({name})"
    return f"{name}::{duckdb_type(field)}" if field["type"] in ("JSON", "INTERVAL") else name


def _dialect(path: Path, config: dict[str, Any]) -> str:
    delimiter = config.get("fieldDelimiter") or ","
    quote = config.get("quote", '"')
    null = config.get("nullMarker") or ""
    encoding = "latin-1" if str(config.get("encoding", "")).upper() == "ISO-8859-1" else "utf-8"
    with path.open("rb") as file:
        compression = "gzip" if file.read(2) == b"\x1f\x8b" else "none"
    return (f"delim = {literal(_DELIMITERS.get(delimiter, delimiter))}, quote = {literal(quote)}, escape = {literal(quote)}, "
            f"nullstr = {literal(null)}, encoding = '{encoding}', compression = '{compression}'")


def _forget(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute("DROP TABLE IF EXISTS temp.bad_rows; DROP TABLE IF EXISTS temp.bad_scans")


def _bad_rows(cursor: duckdb.DuckDBPyConnection, fields: list[Field]) -> list[str]:
    rows = cursor.execute(
        "SELECT line, any_value(line_byte_position), min_by(column_idx, column_idx), min_by(column_name, column_idx), "
        "min_by(error_type::VARCHAR, column_idx), any_value(csv_line), min_by(error_message, column_idx) "
        "FROM bad_rows GROUP BY line ORDER BY line").fetchall()
    _forget(cursor)
    return [_message(fields, *row) for row in rows]


def _message(fields: list[Field], line: int, start: int, index: int, name: str, kind: str, text: str, raw: str) -> str:
    where = f"line_number: {line} byte_offset_to_start_of_line: {max((start or 1) - 1, 0)}"
    if kind != "CAST":
        found = f" Found {index} column(s) while expected {len(fields)}." if kind.endswith("COLUMNS") else ""
        column = f" column_index: {max((index or 1) - 1, 0)}"
        return f"{_REASONS.get(kind, 'Unable to parse')}; {where}{column}{found}"
    field = next((field for field in fields if field["name"] == name), {"type": "STRING"})
    value = raw.split('"')[3] if raw.count('"') >= 4 else raw.split('"')[1] if raw.count('"') >= 2 else ""
    return (f'Unable to parse; {where} column_index: {index - 1} column_name: "{name}" column_type: {standard_name(field)} '
            f'value: "{value}"')

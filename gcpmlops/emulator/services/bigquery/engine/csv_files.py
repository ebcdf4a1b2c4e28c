"""CSV files: dialect from the job's options, types detected only where asked, every bad line named."""

from __future__ import annotations

import csv
import gzip
import itertools
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, clean
from gcpmlops.emulator.services.bigquery.engine.schema import (
    Field,
    column_name,
    duckdb_type,
    identifier,
    literal,
    standard_name,
)

_SAMPLE_ROWS = 20_000
_TESTS = {  # in this order; a null passes
    "BOOLEAN": "lower({0}) IN ('true', 'false')",
    "INTEGER": "regexp_full_match({0}, '[-+]?[0-9]+') AND try_cast({0} AS BIGINT) IS NOT NULL",
    "FLOAT": "regexp_full_match({0}, '[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?') "
    "AND try_cast({0} AS DOUBLE) IS NOT NULL",
    "DATE": "regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}') AND try_cast({0} AS DATE) IS NOT NULL",
    "TIME": "regexp_full_match({0}, '[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]+)?') "
    "AND try_cast({0} AS TIME) IS NOT NULL",
    "TIMESTAMP": "regexp_matches({0}, '^[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}[ T][0-9]') "
    "AND try_cast({0} AS TIMESTAMPTZ) IS NOT NULL",
}
_MAX_LINE = 8_000_000  # bytes; DuckDB allocates sixteen times as much
_EXTRA = 64  # columns beyond the schema that ignoreUnknownValues swallows
_DELIMITERS = {"tab": "\t", "\\t": "\t"}
_REASONS = {
    "MISSING COLUMNS": "Too few values in row",
    "TOO MANY COLUMNS": "Too many values in row",
    "UNQUOTED VALUE": 'Missing close quote character (")',
    "LINE SIZE OVER MAXIMUM": "Row is larger than the maximum allowed size",
    "INVALID ENCODING": "Bad character (ASCII 0) or invalid UTF-8 encountered",
    "INVALID STATE": 'Data between close quote character (") and field separator',
}


def infer(cursor: duckdb.DuckDBPyConnection, files: list[tuple[str, Path]], config: dict[str, Any]) -> list[Field]:
    """Names from the header, types from the content of the first file that has any."""
    for uri, path in files:
        if path.stat().st_size:
            return _infer_one(cursor, uri, path, config)
    raise EngineError("invalid", f"Unable to infer a schema: the source is empty. File: {files[0][0]}", files[0][0])


def _infer_one(cursor: duckdb.DuckDBPyConnection, uri: str, path: Path, config: dict[str, Any]) -> list[Field]:
    skip = int(config.get("skipLeadingRows") or 0)
    rows = _first_rows(path, config, skip + _SAMPLE_ROWS)
    first = rows[max(skip - 1, 0)] if len(rows) >= skip and rows else []
    if not first:
        raise EngineError("invalid", f"Unable to infer a schema: the source has no header. File: {uri}", uri)
    kinds = _kinds(cursor, rows[max(skip, 1) :], len(first), config)
    headed = bool(skip) or _is_header(_kinds(cursor, [first], len(first), config), kinds)
    if not headed:
        kinds = _kinds(cursor, rows, len(first), config)
    config["skipLeadingRows"] = skip or int(headed)
    taken: set[str] = set()
    names = [column_name(name if headed else "", taken, index) for index, name in enumerate(first)]
    return [
        {"name": name, "type": kind or "STRING", "mode": "NULLABLE"} for name, kind in zip(names, kinds, strict=True)
    ]


def _first_rows(path: Path, config: dict[str, Any], count: int) -> list[list[str]]:
    opener = gzip.open if _gzipped(path) else open
    encoding = "latin-1" if str(config.get("encoding", "")).upper() == "ISO-8859-1" else "utf-8-sig"
    quote = config.get("quote", '"')
    quoting: Any = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    with opener(path, "rt", encoding=encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=_delimiter(config), quotechar=quote or None, quoting=quoting)
        return [row for row in itertools.islice(reader, count) if row]


def _is_header(first: list[str | None], below: list[str | None]) -> bool:
    """Text over columns that are not text: as BigQuery tells."""
    return any(kind == "STRING" and under not in (None, "STRING") for kind, under in zip(first, below, strict=True))


def _kinds(
    cursor: duckdb.DuckDBPyConnection, rows: list[list[str]], width: int, config: dict[str, Any]
) -> list[str | None]:
    """The narrowest type of each column; None for a column without values. Rows of another width are passed over."""
    null = config.get("nullMarker") or ""
    fitting = [row for row in rows if len(row) == width]
    cells = [
        pa.array([None if row[index] == null else row[index] for row in fitting], pa.string()) for index in range(width)
    ]
    cursor.register("sample", pa.table(cells, names=[f"c{index}" for index in range(width)]))
    checks = [f"count(c{index})" for index in range(width)]
    checks += [
        f"coalesce(bool_and({test.format(f'c{index}')}) FILTER (c{index} IS NOT NULL), false)"
        for index in range(width)
        for test in _TESTS.values()
    ]
    found = cursor.execute(f"SELECT {', '.join(checks)} FROM sample").fetchone() or ()
    cursor.unregister("sample")
    kinds: list[str | None] = []
    for index in range(width):
        passed = found[width + index * len(_TESTS) : width + (index + 1) * len(_TESTS)]
        narrowest = next((kind for kind, ok in zip(_TESTS, passed, strict=True) if ok), "STRING")
        kinds.append(narrowest if found[index] else None)
    return kinds


def read(
    cursor: duckdb.DuckDBPyConnection, uri: str, path: Path, staging: str, fields: list[Field], config: dict[str, Any]
) -> list[str]:
    """Append the good rows to `staging`; returns a message for each bad one."""
    repeated = next(
        (field["name"] for field in fields if field["mode"] == "REPEATED" or field["type"] == "RECORD"), None
    )
    if repeated:
        raise EngineError(
            "invalid",
            "Error while reading data, error message: CSV cannot hold nested or repeated data: "
            f"field {repeated}; File: {uri}",
            uri,
        )
    extra = _EXTRA if config.get("ignoreUnknownValues") else 0
    columns = [f"{literal(field['name'])}: {literal(_read_type(field))}" for field in fields]
    columns += [f"'__extra_{index}': 'VARCHAR'" for index in range(extra)]
    padding = bool(config.get("allowJaggedRows") or extra)
    values = ", ".join(_value(field) for field in fields)
    source = (
        f"read_csv({literal(str(path))}, {_dialect(path, config)}, header = false, "
        f"skip = {int(config.get('skipLeadingRows') or 0)}, "
        f"auto_detect = false, columns = {{{', '.join(columns)}}}, null_padding = {str(padding).lower()}, "
        f"store_rejects = true, rejects_table = 'bad_rows', rejects_scan = 'bad_scans', max_line_size = {_MAX_LINE})"
    )
    _forget(cursor)
    try:
        cursor.execute(f"INSERT INTO {staging} SELECT {values} FROM {source}")
    except duckdb.Error as error:
        raise EngineError(
            "invalid", f"Error while reading data, error message: {clean(str(error))}; File: {uri}", uri
        ) from error
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
    quote = config.get("quote", '"')
    null = config.get("nullMarker") or ""
    encoding = "latin-1" if str(config.get("encoding", "")).upper() == "ISO-8859-1" else "utf-8"
    compression = "gzip" if _gzipped(path) else "none"
    return (
        f"delim = {literal(_delimiter(config))}, quote = {literal(quote)}, escape = {literal(quote)}, "
        f"nullstr = {literal(null)}, encoding = '{encoding}', compression = '{compression}'"
    )


def _delimiter(config: dict[str, Any]) -> str:
    delimiter = config.get("fieldDelimiter") or ","
    return _DELIMITERS.get(delimiter, delimiter)


def _gzipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _forget(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute("DROP TABLE IF EXISTS temp.bad_rows; DROP TABLE IF EXISTS temp.bad_scans")


def _bad_rows(cursor: duckdb.DuckDBPyConnection, fields: list[Field]) -> list[str]:
    rows = cursor.execute(
        "SELECT line, any_value(line_byte_position), min_by(column_idx, column_idx), min_by(column_name, column_idx), "
        "min_by(error_type::VARCHAR, column_idx), min_by(error_message, column_idx) "
        "FROM bad_rows GROUP BY line ORDER BY line"
    ).fetchall()
    _forget(cursor)
    return [_message(fields, *row) for row in rows]


def _message(fields: list[Field], line: int, start: int, index: int, name: str, kind: str, raw: str) -> str:
    where = f"line_number: {line} byte_offset_to_start_of_line: {max((start or 1) - 1, 0)}"
    if kind != "CAST":
        found = f" Found {index} column(s) while expected {len(fields)}." if kind.endswith("COLUMNS") else ""
        column = f" column_index: {max((index or 1) - 1, 0)}"
        return f"{_REASONS.get(kind, 'Unable to parse')}; {where}{column}{found}"
    field = next((field for field in fields if field["name"] == name), {"type": "STRING"})
    value = raw.split('"')[3] if raw.count('"') >= 4 else raw.split('"')[1] if raw.count('"') >= 2 else ""
    return (
        f'Unable to parse; {where} column_index: {index - 1} column_name: "{name}" column_type: {standard_name(field)} '
        f'value: "{value}"'
    )

"""Newline-delimited JSON files."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, clean
from gcpmlops.emulator.services.bigquery.engine.schema import (
    Field,
    detected,
    duckdb_type,
    identifier,
    literal,
    standard_name,
)

_OPTIONS = "format = 'newline_delimited', maximum_object_size = 104857600"
_SHOWN = 20


def infer(cursor: duckdb.DuckDBPyConnection, files: list[tuple[str, Path]]) -> list[Field]:
    """The union of the objects' fields."""
    paths = ", ".join(literal(str(path)) for _, path in files if path.stat().st_size)
    if not paths:
        raise EngineError("invalid", f"Unable to infer a schema: the source is empty. File: {files[0][0]}", files[0][0])
    try:
        rows = cursor.execute(
            f"DESCRIBE SELECT * FROM read_json([{paths}], {_OPTIONS}, {_compression(files[0][1])}, "
            "union_by_name = true, "
            "sample_size = -1, map_inference_threshold = -1)"
        ).fetchall()
    except duckdb.Error as error:
        raise _failed(files, error) from error
    return [detected(name, kind, datetime_is_timestamp=True) for name, kind, *_ in rows]


def read(
    cursor: duckdb.DuckDBPyConnection, uri: str, path: Path, staging: str, fields: list[Field], config: dict[str, Any]
) -> list[str]:
    """Append the good rows to `staging`; returns a message for each bad one."""
    if not config.get("ignoreUnknownValues"):
        _refuse_unknown(cursor, uri, path, fields)
    columns = ", ".join(f"{literal(field['name'])}: {literal(_read_type(field))}" for field in fields)
    values = ", ".join(_value(field) for field in fields)
    source = f"read_json({literal(str(path))}, {_OPTIONS}, {_compression(path)}, columns = {{{columns}}}"
    try:
        cursor.execute(f"INSERT INTO {staging} SELECT {values} FROM {source})")
        return []
    except duckdb.Error as error:
        bad = _bad_lines(cursor, path, fields)
        if not bad or len(bad) > int(config.get("maxBadRecords") or 0):
            return [message for _, message in bad] or [f"JSON parsing error: {clean(str(error))}"]
    good = _without(path, {line for line, _ in bad})
    cursor.execute(
        f"INSERT INTO {staging} SELECT {values} "
        f"FROM read_json({literal(str(good))}, {_OPTIONS}, columns = {{{columns}}})"
    )
    good.unlink()
    return [message for _, message in bad]


def _read_type(field: Field) -> str:
    scalar = field["mode"] != "REPEATED" and field["type"] in ("BYTES", "GEOGRAPHY", "INTERVAL")
    return "VARCHAR" if scalar else duckdb_type(field)


def _value(field: Field) -> str:
    name = identifier(field["name"])
    if field["mode"] == "REPEATED":
        return name
    calls = {"BYTES": f"from_base64({name})", "GEOGRAPHY": f"ST_GeomFromText({name})", "INTERVAL": f"{name}::INTERVAL"}
    return calls.get(field["type"], name)


def _compression(path: Path) -> str:
    return f"compression = '{'gzip' if _gzipped(path) else 'uncompressed'}'"


def _gzipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _refuse_unknown(cursor: duckdb.DuckDBPyConnection, uri: str, path: Path, fields: list[Field]) -> None:
    try:
        names = [
            row[0]
            for row in cursor.execute(
                f"DESCRIBE SELECT * FROM read_json({literal(str(path))}, {_OPTIONS}, {_compression(path)}, "
                "ignore_errors = true, "
                "sample_size = -1, maximum_depth = 1)"
            ).fetchall()
        ]
    except duckdb.Error:
        return  # reading names the line
    known = {field["name"].lower() for field in fields}
    for name in names:
        if name.lower() not in known:
            line = next((number for number, text in _lines(path) if name in text), 1)
            raise EngineError(
                "invalid",
                "Error while reading data, error message: JSON parsing error in row "
                f"on line_number: {line}: No such field: {name}. File: {uri}",
                uri,
            )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opener = gzip.open if _gzipped(path) else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _bad_lines(cursor: duckdb.DuckDBPyConnection, path: Path, fields: list[Field]) -> list[tuple[int, str]]:
    """Line number and message of every line that does not fit; reads the file once more, after a failure only."""
    structure = json.dumps({field["name"]: _structure(field) for field in fields})
    found = []
    for number, text in _lines(path):
        try:
            value = json.loads(text)
        except ValueError as error:
            column = getattr(error, "colno", 1)
            found.append(
                (
                    number,
                    "JSON parsing error: Parser terminated before end of string; "
                    f"line_number: {number} column: {column}",
                )
            )
            continue
        if not isinstance(value, dict):
            found.append((number, f"JSON parsing error: expected an object; line_number: {number} column: 1"))
            continue
        if message := _misfit(cursor, structure, text, value, fields):
            found.append((number, message.replace("{line}", str(number))))
    return found


def _structure(field: Field) -> Any:
    """The field's type for from_json_strict."""
    if field["type"] == "RECORD":
        kind: Any = {sub["name"]: _structure(sub) for sub in field["fields"]}
    else:
        kind = _read_type({**field, "mode": "NULLABLE"})
    return [kind] if field["mode"] == "REPEATED" else kind


def _misfit(
    cursor: duckdb.DuckDBPyConnection, structure: str, text: str, value: dict[str, Any], fields: list[Field]
) -> str | None:
    try:
        cursor.execute("SELECT from_json_strict(?, ?)", [text, structure]).fetchone()
        return None
    except duckdb.Error as error:
        raw = str(error)
    wrong = next((f for f in fields if not _fits(cursor, f, value)), None)
    if wrong is None:
        return f"JSON parsing error: {clean(raw)}; line_number: {{line}}"
    shown = re.sub(r"[{}]", "", json.dumps(value.get(wrong["name"])))
    return (
        f"JSON parsing error: Could not convert value to {standard_name(wrong)}; line_number: {{line}} "
        f'column_name: "{wrong["name"]}" value: {shown[:100]}'
    )


def _fits(cursor: duckdb.DuckDBPyConnection, field: Field, value: dict[str, Any]) -> bool:
    cell = next((item for key, item in value.items() if key.lower() == field["name"].lower()), None)
    try:
        kind = json.dumps({field["name"]: _structure(field)})
        cursor.execute("SELECT from_json_strict(?, ?)", [json.dumps({field["name"]: cell}), kind]).fetchone()
    except duckdb.Error:
        return False
    return True


def _without(path: Path, bad: set[int]) -> Path:
    good = path.with_name(path.name + ".good")
    with good.open("w", encoding="utf-8") as file:
        file.writelines(
            text if text.endswith("\n") else text + "\n" for number, text in _lines(path) if number not in bad
        )
    return good


def _failed(files: list[tuple[str, Path]], error: duckdb.Error) -> EngineError:
    name = re.search(r'file "([^"]+)"', str(error))
    uri = next((uri for uri, path in files if name and str(path) == name.group(1)), files[0][0])
    line = re.search(r"in (?:line|record/value) (\d+)", str(error))
    where = f"; line_number: {line.group(1)}" if line else ""
    return EngineError(
        "invalid",
        f"Error while reading data, error message: JSON parsing error: Parser terminated before end of "
        f"string{where}; File: {uri}",
        uri,
    )

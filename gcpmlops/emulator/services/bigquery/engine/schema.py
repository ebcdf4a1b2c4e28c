"""BigQuery schemas in DuckDB's and in Arrow's types."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
from bqemulator.catalog.models import TableFieldSchema, TableSchema
from bqemulator.storage.type_map import duckdb_type_to_bq_field

from gcpmlops.emulator.services.bigquery.engine.errors import EngineError

Field = dict[str, Any]  # TableFieldSchema of the REST API

_WIRE = {
    "INT64": "INTEGER",
    "FLOAT64": "FLOAT",
    "BOOL": "BOOLEAN",
    "STRUCT": "RECORD",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}
_STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
_DUCKDB = {
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
    "NUMERIC": "DECIMAL(38, 9)",
    "BIGNUMERIC": "DECIMAL(38, 18)",
    "JSON": "JSON",
    "GEOGRAPHY": "GEOMETRY",
    "INTERVAL": "INTERVAL",
}
_ARROW = {
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal128(38, 18),
    "JSON": pa.string(),
}
_NAME = re.compile(r"\W")


def normalise(fields: list[Field]) -> list[Field]:
    """Type names as tables.get reports them, mode filled in. Raises `invalid` for a missing name, an unknown type."""
    return [_normalise(field) for field in fields]


def _normalise(field: Field) -> Field:
    kind = str(field.get("type", "STRING")).upper()
    kind = _WIRE.get(kind, kind)
    if not field.get("name"):
        raise EngineError("invalid", "Field name cannot be empty.")
    if kind not in _DUCKDB and kind not in ("RECORD", "RANGE"):
        raise EngineError("invalid", f"Invalid value for type: {field.get('type')} is not a valid value")
    out = {**field, "type": kind, "mode": str(field.get("mode") or "NULLABLE").upper()}
    if kind == "RECORD":
        if not field.get("fields"):
            raise EngineError("invalid", f"Field {field['name']} is type RECORD but has no schema")
        out["fields"] = normalise(field["fields"])
    return out


def standard_name(field: Field) -> str:
    """INT64 for INTEGER and so on, as in BigQuery's load errors."""
    return _STANDARD.get(field["type"], str(field["type"]))


def duckdb_type(field: Field) -> str:
    """The DuckDB column type."""
    if field["type"] == "RECORD":
        inner = ", ".join(f"{identifier(sub['name'])} {duckdb_type(sub)}" for sub in field["fields"])
        kind = f"STRUCT({inner})"
    elif field["type"] == "RANGE":
        element = _DUCKDB[str((field.get("rangeElementType") or {}).get("type", "DATE")).upper()]
        kind = f'STRUCT("start" {element}, "end" {element})'
    else:
        kind = _DUCKDB[field["type"]]
    return f"{kind}[]" if field["mode"] == "REPEATED" else kind


def columns_ddl(fields: list[Field]) -> str:
    """The column list of CREATE TABLE; REQUIRED is NOT NULL."""
    return ", ".join(
        f"{identifier(field['name'])} {duckdb_type(field)}{' NOT NULL' if field['mode'] == 'REQUIRED' else ''}"
        for field in fields
    )


def identifier(name: str) -> str:
    """A quoted DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted DuckDB string."""
    return "'" + text.replace("'", "''") + "'"


def column_name(name: str, taken: set[str], position: int) -> str:
    """A header cell as a BigQuery column name, unique in `taken`."""
    base = _NAME.sub("_", name.strip().lstrip("\ufeff")) or f"string_field_{position}"
    base = f"_{base}" if base[0].isdigit() else base
    chosen, number = base, 1
    while chosen.lower() in taken:
        chosen, number = f"{base}_{number}", number + 1
    taken.add(chosen.lower())
    return chosen


def detected(name: str, kind: str, *, datetime_is_timestamp: bool) -> Field:
    """The BigQuery field of a DuckDB column type that was inferred from a file."""
    if kind.upper() in ("NULL", '"NULL"'):
        kind = "VARCHAR"
    kind = re.sub(r"\b(?:UBIGINT|UINTEGER|USMALLINT|UTINYINT|UHUGEINT)\b", "BIGINT", kind)
    kind = re.sub(r"TIMESTAMP_(?:NS|MS|S)\b", "TIMESTAMP", kind)
    kind = re.sub(r"MAP\([^)]*\)", "JSON", kind).replace("UUID", "VARCHAR")
    kind = re.sub(r"ENUM\([^)]*\)", "VARCHAR", kind)
    try:
        field = _without_std_names(duckdb_type_to_bq_field(name, kind))
    except Exception as error:
        raise EngineError("invalid", f"Field {name} has a type that BigQuery cannot hold: {kind}") from error
    return _timestamps(field) if datetime_is_timestamp else field


def _without_std_names(field: Field) -> Field:
    return normalise([field])[0]


def _timestamps(field: Field) -> Field:
    if field["type"] == "DATETIME":
        return {**field, "type": "TIMESTAMP"}
    if field["type"] == "RECORD":
        return {**field, "fields": [_timestamps(sub) for sub in field["fields"]]}
    return field


def arrow_type(field: Field) -> pa.DataType:
    """The Arrow type in which results are kept."""
    if field["type"] == "RECORD":
        kind = pa.struct([pa.field(sub["name"], arrow_type(sub)) for sub in field["fields"]])
    else:
        kind = _ARROW.get(field["type"], pa.string())
    return pa.list_(kind) if field["mode"] == "REPEATED" else kind


def to_model(fields: list[Field]) -> TableSchema:
    """The schema in bqemulator's catalog."""
    return TableSchema(fields=tuple(_model(field) for field in fields))


def _model(field: Field) -> TableFieldSchema:
    element = field.get("rangeElementType")
    return TableFieldSchema(
        name=field["name"],
        type=field["type"],
        mode=field["mode"],
        description=field.get("description"),
        fields=tuple(_model(sub) for sub in field.get("fields", ())),
        range_element_type=TableFieldSchema(name="element", type=element["type"]) if element else None,
        default_value_expression=field.get("defaultValueExpression"),
    )


def from_model(schema: TableSchema) -> list[Field]:
    """The schema in bqemulator's catalog, as REST fields."""
    return normalise([_rest(field) for field in schema.fields])


def _rest(field: TableFieldSchema) -> Field:
    out: Field = {"name": field.name, "type": field.type, "mode": field.mode}
    if field.description:
        out["description"] = field.description
    if field.default_value_expression:
        out["defaultValueExpression"] = field.default_value_expression
    if field.fields:
        out["fields"] = [_rest(sub) for sub in field.fields]
    if field.range_element_type:
        out["rangeElementType"] = {"type": field.range_element_type.type}
    return out


def dump(fields: list[Field]) -> bytes:
    """A schema as JSON."""
    return json.dumps(fields).encode()

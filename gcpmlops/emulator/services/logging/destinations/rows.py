"""Log entries as rows of BigQuery: the schema that Cloud Logging makes of them, which grows with what comes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

Field = dict[str, Any]  # TableFieldSchema of the REST API

_NAME = re.compile(r"\W", re.ASCII)
_LONGEST = 128  # characters of a column's name
_INTEGERS = {"status", "requestSize", "responseSize", "cacheFillBytes", "line", "index", "totalSplits"}
_FIRST = (("logName", "STRING"), ("timestamp", "TIMESTAMP"), ("receiveTimestamp", "TIMESTAMP"), ("insertId", "STRING"))


class ConflictError(Exception):
    """A value is of another kind than its column."""


def row(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an entry's JSON: names that columns can have, no empty values."""
    found = dict(shown)
    if "httpRequest" in found:
        found["httpRequest"] = _typed_request(found["httpRequest"])
    for part in ("httpRequest", "sourceLocation", "split"):
        if part in found:
            found[part] = {key: int(v) if key in _INTEGERS else v for key, v in found[part].items()}
    if "protoPayload" in found:
        kind = str(found["protoPayload"].get("@type", "")).rpartition(".")[2].lower() or "unknown"
        payload = found.pop("protoPayload")
        found[f"protopayload_{kind}"] = {key: value for key, value in payload.items() if key != "@type"}
    cleaned: dict[str, Any] = _clean(found)
    return cleaned


def schema(cells: Mapping[str, Any]) -> list[Field]:
    """The columns that a row needs. Raises ConflictError for a list of unlike values."""
    known = dict(_FIRST)
    first = [_field(name, kind) for name, kind in _FIRST]
    return first + [_inferred(name, value) for name, value in cells.items() if name not in known]


def merged(existing: Sequence[Field], needed: Sequence[Field]) -> list[Field]:
    """The columns of both, the existing ones first. Raises ConflictError."""
    fields = {field["name"].lower(): field for field in existing}
    for field in needed:
        key = field["name"].lower()
        fields[key] = _both(fields[key], field) if key in fields else field
    return list(fields.values())


def fitted(cells: Mapping[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    """The row with the columns' own spelling: BigQuery's names don't mind case."""
    spelled = {field["name"].lower(): field for field in fields}
    fit = {}
    for name, value in cells.items():
        field = spelled[name.lower()]
        fit[field["name"]] = _fitted_value(value, field)
    return fit


def _fitted_value(value: Any, field: Field) -> Any:
    if isinstance(value, dict):
        return fitted(value, field["fields"])
    if isinstance(value, list):
        return [_fitted_value(item, field) for item in value]
    return value


def _both(old: Field, new: Field) -> Field:
    same = (old["type"], _is_list(old)) == (new["type"], _is_list(new))
    if not same and {old["type"], new["type"]} == {"INTEGER", "FLOAT"} and _is_list(old) == _is_list(new):
        return old  # numbers of JSON
    if not same:
        raise ConflictError(f"{new['name']}: {_kind(new)}, where the table has {_kind(old)}")
    if old["type"] != "RECORD":
        return old
    return {**old, "fields": merged(old["fields"], new["fields"])}


def _kind(field: Field) -> str:
    return f"{field['type']}, repeated" if _is_list(field) else str(field["type"])


def _is_list(field: Field) -> bool:
    return bool(field.get("mode") == "REPEATED")


def _inferred(name: str, value: Any) -> Field:
    if isinstance(value, list):
        fields = [_inferred(name, item) for item in value]
        first = fields[0]
        for field in fields[1:]:
            first = _both(first, field)
        return {**first, "mode": "REPEATED"}
    if isinstance(value, dict):
        return {**_field(name, "RECORD"), "fields": [_inferred(key, item) for key, item in value.items()]}
    if isinstance(value, bool):
        return _field(name, "BOOLEAN")
    if isinstance(value, int | float):
        return _field(name, "INTEGER" if name in _INTEGERS and isinstance(value, int) else "FLOAT")
    return _field(name, "STRING")


def _field(name: str, kind: str) -> Field:
    return {"name": name, "type": kind, "mode": "NULLABLE"}


def _typed_request(request: Mapping[str, Any]) -> dict[str, Any]:
    typed = dict(request)
    if "latency" in typed:
        typed["latency"] = float(str(typed["latency"]).removesuffix("s"))
    return typed


def _clean(value: Any) -> Any:
    """Without what BigQuery has no place for: nulls, empty records and lists; lists in lists become their JSON."""
    if isinstance(value, dict):
        cleaned = {_column(key): _clean(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item is not None and item not in ({}, [])}
    if isinstance(value, list):
        items = [orjson.dumps(item).decode() if isinstance(item, list) else _clean(item) for item in value]
        return [item for item in items if item is not None and item != {}]
    return value


def _column(name: str) -> str:
    plain = _NAME.sub("_", name)[:_LONGEST]
    return plain if plain and not plain[0].isdigit() else f"_{plain}"[:_LONGEST]

"""tabledata.insertAll: rows checked one by one, then inserted together."""

from __future__ import annotations

import json
from typing import Any

from bqemulator.api.routes import tabledata as routes
from bqemulator.storage.arrow_bridge import bq_rows_to_arrow

from gcpmlops.emulator.services.bigquery.engine import schema
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, quoted
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError
from gcpmlops.emulator.services.bigquery.engine.schema import Field, identifier


async def insert_all(core: Core, reference: Reference, body: dict[str, Any]) -> dict[str, Any]:
    """Runs on the engine thread. Nothing is inserted when a row is bad, unless skipInvalidRows."""
    fields = schema.from_model(core.table(reference).schema_)
    rows = body.get("rows") or []
    if not rows:
        raise EngineError("invalid", "No rows present in the request.")
    errors = _row_errors(rows, fields, bool(body.get("ignoreUnknownValues")))
    if errors and not body.get("skipInvalidRows"):
        stopped = [
            {"index": index, "errors": [{"reason": "stopped", "message": ""}]}
            for index in range(len(rows))
            if index not in errors
        ]
        return _reply([_insert_error(index, found) for index, found in errors.items()] + stopped)
    async with core.exclusive:
        _insert(core, reference, fields, [row for index, row in enumerate(rows) if index not in errors])
    return _reply([_insert_error(index, found) for index, found in errors.items()])


def _row_errors(rows: list[dict[str, Any]], fields: list[Field], ignore_unknown: bool) -> dict[int, dict[str, str]]:
    arrow = routes._build_arrow_schema([{**field, "type": _plain(field)} for field in fields])
    known = {field["name"].lower() for field in fields}
    required = [field["name"] for field in fields if field["mode"] == "REQUIRED"]
    errors = {}
    for index, row in enumerate(rows):
        values = row.get("json") or {}
        unknown = next((name for name in values if name.lower() not in known), None)
        missing = next((name for name in required if values.get(name) is None), None)
        if unknown is not None and not ignore_unknown:
            errors[index] = {"location": unknown, "message": f"no such field: {unknown}."}
        elif missing is not None:
            errors[index] = {"location": missing, "message": f"Missing required field: {missing}."}
        elif bad := routes._partition_rows_for_insert([row], arrow)[1]:
            found = bad[0]["errors"][0]
            errors[index] = {"location": found.get("location", ""), "message": found.get("message", "")}
    return errors


def _plain(field: Field) -> str:
    return "NUMERIC" if field["type"] == "BIGNUMERIC" else str(field["type"])


def _insert(core: Core, reference: Reference, fields: list[Field], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    arrow = routes._build_arrow_schema([{**field, "type": _plain(field)} for field in fields])
    names = {field["name"].lower(): field["name"] for field in fields}
    typed = [
        {
            "json": {
                names[key.lower()]: _json(value, key, fields)
                for key, value in (row.get("json") or {}).items()
                if key.lower() in names
            }
        }
        for row in rows
    ]
    table = bq_rows_to_arrow(typed, arrow)
    values = ", ".join(
        f"ST_GeomFromHEXWKB({identifier(f['name'])})" if f["type"] == "GEOGRAPHY" else identifier(f["name"])
        for f in fields
    )
    columns = ", ".join(identifier(field["name"]) for field in fields)
    core.connection.register("inserted_rows", table)
    try:
        core.connection.execute(f"INSERT INTO {quoted(reference)} ({columns}) SELECT {values} FROM inserted_rows")
    finally:
        core.connection.unregister("inserted_rows")
    core.changes += 1
    core.context.snapshots.record_change(*reference)


def _json(value: Any, name: str, fields: list[Field]) -> Any:
    kind = next((field["type"] for field in fields if field["name"].lower() == name.lower()), "")
    return json.dumps(value) if kind == "JSON" and not isinstance(value, str) else value


def _insert_error(index: int, found: dict[str, str]) -> dict[str, Any]:
    return {"index": index, "errors": [{"reason": "invalid", "debugInfo": "", **found}]}


def _reply(errors: list[dict[str, Any]]) -> dict[str, Any]:
    reply: dict[str, Any] = {"kind": "bigquery#tableDataInsertAllResponse"}
    return {**reply, "insertErrors": errors} if errors else reply

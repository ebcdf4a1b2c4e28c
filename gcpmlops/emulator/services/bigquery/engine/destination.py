"""Writing rows into a table, all or nothing: load jobs, copy jobs and query jobs with a destination end here."""

from __future__ import annotations

from typing import Any

from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import Clustering, RangePartitioning, TableMeta, TimePartitioning

from gcpmlops.emulator.services.bigquery.engine import schema as schemas
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, display, quoted
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, not_found
from gcpmlops.emulator.services.bigquery.engine.schema import Field, identifier

_ELEMENT = "element"  # of a list, in a path of DuckDB's


def check(core: Core, target: Reference, config: dict[str, Any]) -> TableMeta | None:
    """The table as it is now, None where it is to be created. Raises what BigQuery refuses before it reads anything."""
    core.dataset(target[0], target[1])
    meta: TableMeta | None = core.catalog.get_table(*target)
    if meta is None:
        if config.get("createDisposition") == "CREATE_NEVER":
            raise not_found("Table", display(target))
        return None
    if meta.table_type != "TABLE":
        raise EngineError("invalid", f"{display(target)} is a {meta.table_type}: it cannot be a destination table")
    if config.get("writeDisposition") == "WRITE_EMPTY" and row_count(core, target):
        raise EngineError("duplicate", f"Already Exists: Table {display(target)}")
    return meta


def write(
    core: Core,
    target: Reference,
    source: str,
    fields: list[Field],
    config: dict[str, Any],
    default: str,
    *,
    own: bool = False,
) -> int:
    """Put the rows of the DuckDB relation `source` (with columns `fields`) into `target`; returns how many.

    `default` is the job type's own writeDisposition. `own`: the source is a table in the target's schema that may be
    taken over as it is. Runs on the engine thread, in one transaction.
    """
    meta = check(core, target, {"writeDisposition": default, **config})
    replaces = meta is None or config.get("writeDisposition", default) == "WRITE_TRUNCATE"
    with core.transaction() as connection:
        if meta is None or replaces:
            table = _replace(core, target, fields, meta, config)
        else:
            table = _extend(core, target, fields, meta, config)
        counted = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
        if replaces and own:
            _take_over(core, target, source, fields)
        else:
            columns = ", ".join(identifier(field["name"]) for field in fields)
            _insert(core, f"INSERT INTO {quoted(target)} ({columns}) SELECT {columns} FROM {source}")
        _register(core, table, meta)
    core.changes += 1
    core.context.snapshots.record_change(*target)
    return int(counted[0]) if counted else 0


def row_count(core: Core, target: Reference) -> int:
    """Rows of a table, at once."""
    found = core.connection.execute(f"SELECT count(*) FROM {quoted(target)}").fetchone()
    return int(found[0]) if found else 0


def create(core: Core, target: Reference, fields: list[Field]) -> None:
    """CREATE TABLE in DuckDB; a table without columns gets one that nothing shows."""
    columns = schemas.columns_ddl(fields) or "__placeholder INTEGER"
    core.connection.execute(f"CREATE OR REPLACE TABLE {quoted(target)} ({columns})")


def new_meta(core: Core, target: Reference, fields: list[Field], body: dict[str, Any]) -> TableMeta:
    """The catalog's row of a new table; `body` is a Table resource or a job configuration with the same field names."""
    now = core.context.clock.now()
    ranges = (body.get("rangePartitioning") or {}).get("range")
    return TableMeta(
        project_id=target[0],
        dataset_id=target[1],
        table_id=target[2],
        table_type="TABLE",
        schema=schemas.to_model(fields),
        friendly_name=body.get("friendlyName"),
        description=body.get("description"),
        labels=body.get("labels") or {},
        time_partitioning=_time_partitioning(body.get("timePartitioning")),
        range_partitioning=RangePartitioning(
            field=body["rangePartitioning"]["field"],
            start=int(ranges["start"]),
            end=int(ranges["end"]),
            interval=int(ranges["interval"]),
        )
        if ranges
        else None,
        clustering=Clustering(fields=tuple(body["clustering"]["fields"])) if body.get("clustering") else None,
        creation_time=now,
        last_modified_time=now,
        etag=generate_etag(*target, str(now)),
    )


def touched(core: Core, meta: TableMeta, **changes: Any) -> TableMeta:
    """The catalog's row with changes, a new lastModifiedTime and a new etag."""
    now = core.context.clock.now()
    etag = generate_etag(meta.project_id, meta.dataset_id, meta.table_id, str(now))
    return meta.model_copy(update={"last_modified_time": now, "etag": etag, **changes})


def _time_partitioning(body: dict[str, Any] | None) -> TimePartitioning | None:
    if not body:
        return None
    expiration = body.get("expirationMs")
    return TimePartitioning(
        type=body.get("type", "DAY"),
        field=body.get("field"),
        expiration_ms=int(expiration) if expiration else None,
        require_partition_filter=bool(body.get("requirePartitionFilter", False)),
    )


def _replace(
    core: Core, target: Reference, fields: list[Field], meta: TableMeta | None, config: dict[str, Any]
) -> TableMeta:
    create(core, target, fields)
    layout: dict[str, Any] = {
        key: config[key] for key in ("timePartitioning", "rangePartitioning", "clustering") if key in config
    }
    properties = config.get("destinationTableProperties") or {}
    fresh = new_meta(core, target, fields, {**layout, **properties})
    if meta is None:
        return fresh
    return touched(
        core,
        meta,
        schema_=fresh.schema_,
        clustering=fresh.clustering or meta.clustering,
        time_partitioning=fresh.time_partitioning or meta.time_partitioning,
    )


def _extend(core: Core, target: Reference, fields: list[Field], meta: TableMeta, config: dict[str, Any]) -> TableMeta:
    existing = schemas.from_model(meta.schema_)
    _merge(core, target, existing, fields, config.get("schemaUpdateOptions") or [])
    missing = [
        f["name"]
        for f in existing
        if f["mode"] == "REQUIRED" and f["name"].lower() not in {x["name"].lower() for x in fields}
    ]
    if missing:
        raise _mismatch(target, f"Field {missing[0]} is missing in new schema")
    return touched(core, meta, schema_=schemas.to_model(existing))


def _merge(
    core: Core,
    target: Reference,
    existing: list[Field],
    fields: list[Field],
    options: list[str],
    within: tuple[str, ...] = (),
) -> None:
    """Adds to `existing`, and to the table, what `fields` has more, within records too."""
    known = {field["name"].lower(): field for field in existing}
    for field in fields:
        old = known.get(field["name"].lower())
        shown = ".".join((*(name for name in within if name != _ELEMENT), field["name"]))
        if old is None:
            existing.append(_added(core, target, field, options, within))
        elif (old["type"], old["mode"] == "REPEATED") != (field["type"], field["mode"] == "REPEATED"):
            raise _mismatch(target, f"Field {shown} has changed type from {old['type']} to {field['type']}")
        elif field["type"] == "RECORD":
            below = (*within, old["name"], *([_ELEMENT] if old["mode"] == "REPEATED" else []))
            _merge(core, target, old["fields"], field["fields"], options, below)


def _added(core: Core, target: Reference, field: Field, options: list[str], within: tuple[str, ...]) -> Field:
    if "ALLOW_FIELD_ADDITION" not in options:
        raise _mismatch(target, f"Cannot add fields (field: {field['name']})")
    path = ".".join(identifier(name) for name in (*within, field["name"]))
    core.connection.execute(f"ALTER TABLE {quoted(target)} ADD COLUMN {path} {schemas.duckdb_type(field)}")
    return {**field, "mode": "NULLABLE"} if field["mode"] == "REQUIRED" else field


def _mismatch(target: Reference, why: str) -> EngineError:
    return EngineError("invalid", f"Provided Schema does not match Table {display(target)}. {why}")


def _take_over(core: Core, target: Reference, source: str, fields: list[Field]) -> None:
    for field in fields:
        if field["mode"] == "REQUIRED":
            _insert(core, f"ALTER TABLE {source} ALTER COLUMN {identifier(field['name'])} SET NOT NULL")
    core.connection.execute(f"DROP TABLE {quoted(target)}")
    core.connection.execute(f"ALTER TABLE {source} RENAME TO {identifier(target[2])}")


def _insert(core: Core, sql: str) -> None:
    try:
        core.connection.execute(sql)
    except Exception as error:
        if "NOT NULL constraint failed" not in str(error):
            raise
        column = str(error).rsplit(".", 1)[-1].strip().strip('"')
        message = f"Required field {column} cannot be null"
        raise EngineError("invalid", f"Error while reading data, error message: {message}") from error


def _register(core: Core, table: TableMeta, meta: TableMeta | None) -> None:
    if meta is None:
        core.catalog.create_table(table)
    else:
        core.catalog.update_table(table)

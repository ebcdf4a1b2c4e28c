"""Dataset and Table resources. The catalog keeps what SQL needs; every other field is kept as it was sent."""

from __future__ import annotations

from typing import Any

from bqemulator.api.routes import datasets as dataset_routes
from bqemulator.api.routes import tables as table_routes
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import Clustering, TableMeta
from bqemulator.storage.sql_identifiers import quoted_schema

from gcpmlops.emulator.services.bigquery.engine import destination, schema
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, display, millis, quoted
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError
from gcpmlops.emulator.services.bigquery.engine.queries import ANONYMOUS
from gcpmlops.emulator.services.bigquery.engine.results import Results
from gcpmlops.emulator.services.bigquery.engine.schema import identifier
from gcpmlops.emulator.services.bigquery.engine.sizes import Sizes

Body = dict[str, Any]
_OURS = {
    "kind",
    "id",
    "etag",
    "selfLink",
    "creationTime",
    "lastModifiedTime",
    "numRows",
    "numBytes",
    "schema",
    "type",
    "location",
    "tableReference",
    "datasetReference",
    "labels",
    "friendlyName",
    "description",
    "clustering",
    "timePartitioning",
    "view",
    "access",
}
_ACCESS = (
    {"role": "WRITER", "specialGroup": "projectWriters"},
    {"role": "OWNER", "specialGroup": "projectOwners"},
    {"role": "READER", "specialGroup": "projectReaders"},
)


class Tables:
    """tables.* and datasets.*; all on the engine thread."""

    def __init__(self, core: Core, results: Results, sizes: Sizes) -> None:
        self._core = core
        self._results = results
        self._sizes = sizes

    # datasets

    def create_dataset(self, project: str, body: Body, owner: str = "") -> Body:
        """Whoever makes it is its owner, unless its access is given."""
        core = self._core
        name = (body.get("datasetReference") or {}).get("datasetId", "")
        if not name.replace("_", "a").isalnum() or not name.isascii():
            raise EngineError(
                "invalid",
                f'Invalid dataset ID "{name}". Dataset IDs must be alphanumeric (plus underscores) and must be '
                "at most 1024 characters long.",
            )
        if core.catalog.get_dataset(project, name) is not None:
            raise EngineError("duplicate", f"Already Exists: Dataset {project}:{name}")
        if owner and not body.get("access"):
            body = {**body, "access": [*_ACCESS, {"role": "OWNER", "userByEmail": owner}]}
        with core.transaction():
            core.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted_schema(project, name)}")
            meta = core.catalog.create_dataset(dataset_routes._rest_to_dataset_meta(project, body, core.context.clock))
            core.keep_extras((project, name, ""), millis(meta.creation_time), _extra(body))
        return self.dataset(project, name)

    def dataset(self, project: str, name: str) -> Body:
        meta = self._core.dataset(project, name)
        body: Body = dataset_routes._dataset_to_rest(meta)
        body.setdefault("access", [*_ACCESS])
        return {**body, **self._core.extras((project, name, ""), millis(meta.creation_time))}

    def datasets(self, project: str) -> list[Body]:
        """For datasets.list, by name."""
        metas = sorted(self._core.catalog.list_datasets(project), key=lambda meta: str(meta.dataset_id))
        shown = ("kind", "id", "datasetReference", "location", "labels", "friendlyName")
        return [
            {key: value for key, value in self.dataset(project, meta.dataset_id).items() if key in shown}
            for meta in metas
        ]

    def update_dataset(self, project: str, name: str, body: Body, if_match: str | None, replace: bool) -> Body:
        core, old = self._core, self._core.dataset(project, name)
        _check_etag(if_match, old.etag)
        blank: Body = (
            {"friendlyName": None, "description": None, "labels": {}, "defaultTableExpirationMs": None}
            if replace
            else {}
        )
        merged = {**blank, **body, "datasetReference": {"datasetId": name}}
        if not replace and body.get("labels") is not None:
            merged["labels"] = _patched(old.labels, body["labels"])
        if "labels" in merged and merged["labels"] is None:
            merged["labels"] = {}
        extra = {} if replace else core.extras((project, name, ""), millis(old.creation_time))
        with core.transaction():
            meta = core.catalog.update_dataset(
                dataset_routes._rest_to_dataset_meta(project, merged, core.context.clock, old)
            )
            core.keep_extras((project, name, ""), millis(meta.creation_time), _patched(extra, _extra(body)))
        return self.dataset(project, name)

    def delete_dataset(self, project: str, name: str, contents: bool) -> None:
        core = self._core
        core.dataset(project, name)
        if not contents and (core.catalog.list_tables(project, name) or core.catalog.list_routines(project, name)):
            raise EngineError("resourceInUse", f"Dataset {project}:{name} is still in use")
        with core.transaction():
            core.connection.execute(f"DROP SCHEMA IF EXISTS {quoted_schema(project, name)} CASCADE")
            core.catalog.delete_dataset(project, name, delete_contents=contents)
        core.changes += 1

    # tables

    def create_table(self, project: str, dataset: str, body: Body) -> Body:
        core = self._core
        core.dataset(project, dataset)
        reference = (project, dataset, (body.get("tableReference") or {}).get("tableId", ""))
        if not reference[2]:
            raise EngineError("invalid", "Required parameter is missing: tableId")
        if core.catalog.get_table(*reference) is not None:
            raise EngineError("duplicate", f"Already Exists: Table {display(reference)}")
        fields = schema.normalise((body.get("schema") or {}).get("fields") or [])
        meta = destination.new_meta(core, reference, fields, body)
        with core.transaction():
            destination.create(core, reference, fields)
            core.catalog.create_table(meta)
            core.keep_extras(reference, millis(meta.creation_time), _extra(body))
        core.changes += 1
        return self.table(reference)

    def table(self, reference: Reference) -> Body:
        if reference[1] == ANONYMOUS:
            return self._anonymous(reference)
        meta = self._core.table(reference)
        body: Body = table_routes._table_to_rest(meta)
        body["location"] = self._core.dataset(*reference[:2]).location
        fields = schema.from_model(meta.schema_)
        if fields:
            body["schema"] = {"fields": fields}
        if meta.view_query:
            body["view"] = {"query": meta.view_query, "useLegacySql": False}
        self._measure(body, reference, meta)
        return {**body, **self._core.extras(reference, millis(meta.creation_time))}

    def tables(self, project: str, dataset: str) -> list[Body]:
        """For tables.list, by name."""
        self._core.dataset(project, dataset)
        metas = sorted(self._core.catalog.list_tables(project, dataset), key=lambda meta: str(meta.table_id))
        return [self._item(meta) for meta in metas]

    def update_table(self, reference: Reference, body: Body, if_match: str | None, replace: bool) -> Body:
        core, old = self._core, self._core.table(reference)
        _check_etag(if_match, old.etag)
        changes = _changes(body, old, replace)
        extra = {} if replace else core.extras(reference, millis(old.creation_time))
        with core.transaction():
            if (body.get("schema") or {}).get("fields"):
                changes["schema_"] = schema.to_model(self._new_schema(reference, old, body))
            core.catalog.update_table(destination.touched(core, old, **changes))
            core.keep_extras(reference, millis(old.creation_time), _patched(extra, _extra(body)))
        core.changes += 1
        return self.table(reference)

    def delete_table(self, reference: Reference) -> None:
        core, meta = self._core, self._core.table(reference)
        kind = "VIEW" if meta.table_type == "VIEW" else "TABLE"
        with core.transaction():
            core.connection.execute(f"DROP {kind} IF EXISTS {quoted(reference)}")
            core.catalog.delete_table(*reference)
            core.context.snapshots.drop_snapshots_for_table(*reference, include_user=False)
            core.catalog.delete_materialized_view(*reference, not_found_ok=True)
        core.changes += 1

    def _measure(self, body: Body, reference: Reference, meta: TableMeta) -> None:
        if meta.table_type == "VIEW":
            counted = {"numRows": "0", "numBytes": "0"}
        else:
            counted = {
                "numRows": str(destination.row_count(self._core, reference) if meta.schema_.fields else 0),
                "numBytes": str(self._sizes.of_table(reference)),
            }
        body.update(
            counted,
            numLongTermBytes="0",
            numActiveLogicalBytes=counted["numBytes"],
            numTotalLogicalBytes=counted["numBytes"],
        )

    def _item(self, meta: TableMeta) -> Body:
        body: Body = table_routes._table_to_list_item(meta)
        full: Body = table_routes._table_to_rest(meta)
        body.update(
            {key: full[key] for key in ("labels", "friendlyName", "timePartitioning", "clustering") if key in full}
        )
        return {**body, "view": {"useLegacySql": False}} if meta.table_type == "VIEW" else body

    def _anonymous(self, reference: Reference) -> Body:
        table, fields = self._results.load(reference[2].removeprefix("anon"))
        return {
            "kind": "bigquery#table",
            "id": display(reference),
            "type": "TABLE",
            "location": "US",
            "numRows": str(table.num_rows),
            "numBytes": str(table.nbytes),
            "schema": {"fields": fields},
            "etag": generate_etag(*reference),
            "tableReference": {"projectId": reference[0], "datasetId": reference[1], "tableId": reference[2]},
        }

    def _new_schema(self, reference: Reference, old: TableMeta, body: Body) -> list[schema.Field]:
        """Columns may be added, and REQUIRED relaxed; nothing else, as in BigQuery."""
        fields = schema.normalise(body["schema"]["fields"])
        existing = schema.from_model(old.schema_)
        known = {field["name"].lower(): field for field in existing}
        if gone := [name for name in known if name not in {field["name"].lower() for field in fields}]:
            raise EngineError(
                "invalid",
                f"Provided Schema does not match Table {display(reference)}. Field {gone[0]} is missing in new schema",
            )
        if not existing:
            destination.create(self._core, reference, fields)
            return fields
        for field in fields:
            self._alter(reference, known.get(field["name"].lower()), field)
        return fields

    def _alter(self, reference: Reference, old: schema.Field | None, field: schema.Field) -> None:
        alter, name = f"ALTER TABLE {quoted(reference)}", identifier(field["name"])
        if old is None:
            if field["mode"] == "REQUIRED":
                raise EngineError(
                    "invalid",
                    f"Provided Schema does not match Table {display(reference)}. Cannot add required fields to an "
                    f"existing schema. (field: {field['name']})",
                )
            self._core.connection.execute(f"{alter} ADD COLUMN {name} {schema.duckdb_type(field)}")
        elif old["type"] != field["type"]:
            raise EngineError(
                "invalid",
                f"Provided Schema does not match Table {display(reference)}. Field {field['name']} has changed type "
                f"from {old['type']} to {field['type']}",
            )
        elif old["mode"] == "REQUIRED" and field["mode"] == "NULLABLE":
            self._core.connection.execute(f"{alter} ALTER COLUMN {name} DROP NOT NULL")


def _extra(body: Body) -> Body:
    return {key: value for key, value in body.items() if key not in _OURS}


def _patched(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """JSON merge patch: null removes."""
    return {key: value for key, value in {**old, **new}.items() if value is not None}


def _check_etag(if_match: str | None, etag: str) -> None:
    if if_match and if_match not in ("*", etag):
        raise EngineError("conditionNotMet", "Precondition Failed: the resource's etag does not match")


def _changes(body: Body, old: TableMeta, replace: bool) -> dict[str, Any]:
    blank: dict[str, Any] = {"friendly_name": None, "description": None, "labels": {}} if replace else {}
    names = {"friendlyName": "friendly_name", "description": "description"}
    changes = {**blank, **{column: body[name] for name, column in names.items() if name in body}}
    if "labels" in body:
        changes["labels"] = (
            _patched({} if replace else old.labels, body["labels"] or {}) if body["labels"] is not None else {}
        )
    if (body.get("clustering") or {}).get("fields"):
        changes["clustering"] = Clustering(fields=tuple(body["clustering"]["fields"]))
    if (body.get("view") or {}).get("query"):
        changes["view_query"] = body["view"]["query"]
    return changes

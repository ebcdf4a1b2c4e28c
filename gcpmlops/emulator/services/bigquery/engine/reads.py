"""Rows out of the engine: result pages, tabledata.list, and the Storage Read API's Arrow batches."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pyarrow as pa
from bqemulator.sql.inner_query import rewrite_and_translate_statement
from bqemulator.sql.table_rewriter import rewrite_table_refs
from bqemulator.sql.translator import SQLTranslator

from gcpmlops.emulator.services.bigquery.engine import rows, schema
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, display, quoted
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, translate
from gcpmlops.emulator.services.bigquery.engine.queries import ANONYMOUS
from gcpmlops.emulator.services.bigquery.engine.results import Results, canonical
from gcpmlops.emulator.services.bigquery.engine.schema import Field, identifier

_PAGE_ROWS = 100_000
_BATCH_ROWS = 20_000


class Reads:
    """Reads from result files and from tables; the table reads use cursors, so that they wait for no job."""

    def __init__(self, core: Core, results: Results) -> None:
        self._core = core
        self._results = results

    def result_page(self, job: str, start: int, limit: int | None, int64: bool) -> tuple[bytes, int, int, list[Field]]:
        """JSON rows, how many, the total, the schema."""
        table, fields = self._results.load(job)
        return *self._page(table, fields, start, limit, int64), fields

    def table_page(
        self, reference: Reference, start: int, limit: int | None, int64: bool, selected: str | None
    ) -> tuple[bytes, int, int]:
        """JSON rows of a table, how many, the total."""
        if reference[1] == ANONYMOUS:
            table, fields = self._results.load(reference[2].removeprefix("anon"))
            return self._page(table, fields, start, limit, int64)
        fields = self._columns(reference, selected.split(",") if selected else [])
        wanted = min(limit if limit is not None else _PAGE_ROWS, _PAGE_ROWS)
        with self._core.cursor() as cursor:
            total = (cursor.execute(f"SELECT count(*) FROM {quoted(reference)}").fetchone() or (0,))[0]
            sql = f"SELECT {_select(fields)} FROM {quoted(reference)} LIMIT {wanted} OFFSET {start}"
            table = canonical(cursor.execute(sql).to_arrow_table(), fields) if fields else pa.table({})
            body, count = rows.page(cursor, table, fields, wanted, int64)
        return body, count, total

    def _page(
        self, table: pa.Table, fields: list[Field], start: int, limit: int | None, int64: bool
    ) -> tuple[bytes, int, int]:
        wanted = min(limit if limit is not None else _PAGE_ROWS, _PAGE_ROWS)
        with self._core.cursor() as cursor:
            body, count = rows.page(cursor, table.slice(start, wanted), fields, wanted, int64)
        return body, count, table.num_rows

    def _columns(self, reference: Reference, selected: list[str]) -> list[Field]:
        meta = self._core.table(reference)
        if meta.table_type not in ("TABLE", "SNAPSHOT", "CLONE", "MATERIALIZED_VIEW"):
            raise EngineError("invalid", f"Cannot list a table of type {meta.table_type}.")
        fields = schema.from_model(meta.schema_)
        names = {name.strip().split(".")[0].lower() for name in selected}
        unknown = names - {field["name"].lower() for field in fields}
        if unknown:
            raise EngineError("invalid", f"No such field: {min(unknown)} in table {display(reference)}")
        return [field for field in fields if not names or field["name"].lower() in names]

    async def open_session(self, reference: Reference, selected: list[str], restriction: str) -> dict[str, Any]:
        """Freeze what a read session shows; returns its key, Arrow schema, row and byte counts."""
        if reference[1] == ANONYMOUS:
            table, fields = self._results.load(reference[2].removeprefix("anon"))
            if selected:
                fields = [field for field in fields if field["name"] in selected]
                table = table.select([field["name"] for field in fields])
            if restriction:
                raise EngineError("notImplemented", "row_restriction on the results of a query is not implemented")
        else:
            fields = self._columns(reference, selected)
            table = await self._core.run(lambda: self._select(reference, fields, restriction))
        key = f"read-{uuid.uuid4().hex}"
        self._results.save(key, table, fields)
        batches = -(-table.num_rows // _BATCH_ROWS)
        return {
            "key": key,
            "schema": self.session_schema(key),
            "rows": table.num_rows,
            "bytes": table.nbytes,
            "batches": batches,
        }

    async def _select(self, reference: Reference, fields: list[Field], restriction: str) -> pa.Table:
        project, dataset, name = reference
        columns = ", ".join(f"`{field['name']}`" for field in fields)
        where = f" WHERE {restriction}" if restriction else ""
        sql = f"SELECT {columns} FROM `{project}.{dataset}.{name}`{where}"
        try:
            from bqemulator.row_access.identity import CallerIdentity

            duck = await rewrite_and_translate_statement(
                sql,
                project_id=project,
                ctx=self._core.context,
                caller=CallerIdentity("user:reader"),
                translator=SQLTranslator(),
            )
            return self._core.context.engine.fetch_arrow(rewrite_table_refs(duck, project))
        except Exception as error:
            raise EngineError("invalid", f"request failed: row filter error: {translate(error).message}") from error

    def session_schema(self, key: str) -> bytes:
        """The Arrow schema of a session, serialised."""
        table, fields = self._results.load(key)
        schema_bytes: bytes = _for_reading(table.slice(0, 0), fields).schema.serialize().to_pybytes()
        return schema_bytes

    def batch(self, key: str, index: int) -> tuple[bytes, int]:
        """One Arrow record batch, serialised, and its rows."""
        table, fields = self._results.load(key)
        part = _for_reading(table.slice(index * _BATCH_ROWS, _BATCH_ROWS), fields).combine_chunks()
        if not part.num_rows:
            return b"", 0
        return part.to_batches()[0].serialize().to_pybytes(), part.num_rows


def _select(fields: list[Field]) -> str:
    return ", ".join(identifier(field["name"]) for field in fields)


def _for_reading(table: pa.Table, fields: list[Field]) -> pa.Table:
    """BIGNUMERIC in the width that readers expect, and no metadata of ours."""
    columns = [
        column.cast(pa.decimal256(76, 38)) if field["type"] == "BIGNUMERIC" and field["mode"] != "REPEATED" else column
        for column, field in zip(table.columns, fields, strict=True)
    ]
    return pa.Table.from_arrays(
        columns,
        schema=pa.schema(
            [
                pa.field(field["name"], column.type, nullable=field["mode"] == "NULLABLE")
                for column, field in zip(columns, fields, strict=True)
            ]
        ),
    )


def page_json(head: dict[str, Any], body: bytes) -> bytes:
    """`head` with `rows` appended unparsed; left out where there are none, since clients take `rows` for a page."""
    if body == b"[]":
        return json.dumps(head).encode()
    return json.dumps(head).encode()[:-1] + b',"rows":' + body + b"}"

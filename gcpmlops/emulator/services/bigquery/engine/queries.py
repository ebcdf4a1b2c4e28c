"""Query jobs: bqemulator runs the SQL; destination, result files, statistics and error words are ours."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pyarrow as pa
from bqemulator.api.routes import jobs as routes
from bqemulator.jobs.executor import JOB_RESULTS, JOB_SCHEMAS, classify_statement_type, execute_query_job
from bqemulator.row_access.identity import CallerIdentity
from bqemulator.sql.rewriter.legacy_sql import rewrite_legacy_to_standard
from sqlglot import exp

from gcpmlops.emulator.services.bigquery.engine import current_time, destination, offsets, schema, statements
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference, reference_of
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, translate
from gcpmlops.emulator.services.bigquery.engine.results import Results, canonical
from gcpmlops.emulator.services.bigquery.engine.sizes import Sizes

ANONYMOUS = "_anonymous"  # the dataset that BigQuery shows as the home of results without a destination
_ROWLESS = {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE_TABLE"}
_BILLED = 10 * 1024 * 1024  # BigQuery bills at least so many bytes


class Queries:
    """Runs query jobs one at a time."""

    def __init__(self, core: Core, results: Results, sizes: Sizes) -> None:
        self._core = core
        self._results = results
        self._sizes = sizes
        self._running: str | None = None
        self._cancelled: set[str] = set()

    async def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """`request` has `project`, `job`, `config` (JobConfigurationQuery), `caller`, `dry_run`.

        Returns `statistics`, `schema`, `totalRows` (absent where the statement has no rows), `destination`.
        """
        return await self._core.run(lambda: self._exclusive(request))

    async def warm(self, request: dict[str, Any]) -> None:
        """Run a query on the engine thread and forget its result."""
        await self._exclusive(request)
        self._results.delete(request["job"])

    def cancel(self, job: str) -> None:
        """Interrupt the job if it runs, or keep it from starting."""
        self._cancelled.add(job)
        if self._running == job:
            self._core.interrupt()

    async def _exclusive(self, request: dict[str, Any]) -> dict[str, Any]:
        job, config = request["job"], request["config"]
        async with self._core.exclusive:
            self._refuse_cancelled(job)
            self._running = job
            sql = prepared(config, request["project"])
            if request.get("now"):
                sql = current_time.as_of(sql, datetime.fromisoformat(request["now"]))
            try:
                statements.refuse_unbuilt(sql)
                return await (self._dry_run(request, sql) if request.get("dry_run") else self._run(request, sql))
            except Exception as error:
                self._refuse_cancelled(job)
                raise statements.explain(self._core, sql, request["project"], translate(error)) from error
            finally:
                self._running = None
                self._cancelled.discard(job)

    def _refuse_cancelled(self, job: str) -> None:
        if job in self._cancelled:
            raise EngineError("stopped", "Job execution was cancelled: User requested cancellation")

    async def _run(self, request: dict[str, Any], sql: str) -> dict[str, Any]:
        project, config = request["project"], request["config"]
        processed = self._processed(sql, project, config)
        kind = classify_statement_type(sql)
        target = _target(config, project)
        if target is not None and kind in ("SELECT", ""):
            destination.check(self._core, target, {"writeDisposition": "WRITE_EMPTY", **config})
        table, meta, fields = await self._execute(project, sql, config, request["caller"])
        query = meta.statistics["query"]
        kind = query.get("statementType", kind)
        if kind in ("SELECT", ""):
            table, fields = _named(table, fields, statements.unnamed_columns(sql))
        statistics = {"query": {**query, **processed}, "totalBytesProcessed": processed["totalBytesProcessed"]}
        statistics.update({key: value for key, value in meta.statistics.items() if key != "query"})
        if kind not in ("SELECT", ""):
            self._changed(sql, project, kind)
        return self._finished(request, statistics, table, fields, kind, target, meta.configuration)

    async def _execute(
        self, project: str, sql: str, config: dict[str, Any], caller: str
    ) -> tuple[pa.Table, Any, list[Any]]:
        key = uuid.uuid4().hex
        identity = CallerIdentity(principal=caller)
        meta = await execute_query_job(
            project, key, sql, config.get("queryParameters"), self._core.context, caller=identity
        )
        return JOB_RESULTS.pop(key), meta, schema.normalise(JOB_SCHEMAS.pop(key, []))

    def _finished(
        self,
        request: dict[str, Any],
        statistics: dict[str, Any],
        table: pa.Table,
        fields: list[Any],
        kind: str,
        target: Reference | None,
        configuration: dict[str, Any],
    ) -> dict[str, Any]:
        project, job = request["project"], request["job"]
        rows = kind in ("SELECT", "SCRIPT", "") and bool(fields)
        if rows:
            self._results.save(job, table, fields)
        if rows and target is not None and kind != "SCRIPT":
            self._write(target, table, fields, request["config"])
        elif kind.startswith("CREATE_TABLE"):
            target = reference_of(configuration["query"]["destinationTable"], project)
        else:
            target = (project, ANONYMOUS, f"anon{job}")
        reply: dict[str, Any] = {
            "statistics": statistics,
            "schema": fields if rows else [],
            "destination": {"projectId": target[0], "datasetId": target[1], "tableId": target[2]},
        }
        if rows:
            reply["totalRows"] = str(table.num_rows)
        return reply

    def _write(self, target: Reference, table: pa.Table, fields: list[Any], config: dict[str, Any]) -> None:
        core = self._core
        core.connection.register("query_result", canonical(table, fields))
        try:
            destination.write(core, target, "query_result", fields, config, "WRITE_EMPTY")
        finally:
            core.connection.unregister("query_result")

    async def _dry_run(self, request: dict[str, Any], sql: str) -> dict[str, Any]:
        project, config = request["project"], request["config"]
        preview = await routes._dry_run_response(
            project_id=project,
            job_id=uuid.uuid4().hex,
            bq_sql=sql,
            query_params=config.get("queryParameters"),
            ctx=self._core.context,
            caller=CallerIdentity(principal=request["caller"]),
            wire_shape="insert",
        )
        processed = self._processed(sql, project, config)
        fields = schema.normalise(preview["schema"]["fields"])
        query = {
            "statementType": preview.get("statementType", "SELECT"),
            "cacheHit": False,
            **processed,
            "totalBytesBilled": "0",
            "schema": {"fields": fields},
        }
        return {
            "statistics": {"query": query, "totalBytesProcessed": processed["totalBytesProcessed"]},
            "schema": fields,
        }

    def _processed(self, sql: str, project: str, config: dict[str, Any]) -> dict[str, Any]:
        size = self._sizes.of_query(sql, project)
        limit = config.get("maximumBytesBilled")
        billed = max(size, _BILLED) if size else 0
        if limit and billed > int(limit):
            raise EngineError(
                "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {limit}. {billed} or higher required.",
            )
        references = [{"projectId": p, "datasetId": d, "tableId": t} for p, d, t in statements.tables(sql, project)]
        return {"totalBytesProcessed": str(size), "totalBytesBilled": str(billed), "referencedTables": references}

    def _changed(self, sql: str, project: str, kind: str) -> None:
        """Bring the catalog up to date with what bqemulator does not record: clustering, modification times."""
        core = self._core
        core.changes += 1
        for tree in statements.trees(sql):
            target = tree.find(exp.Table)
            parts = [part for item in target.parts for part in item.name.split(".")] if target is not None else []
            meta = (
                core.catalog.get_table(".".join(parts[:-2]) or project, parts[-2], parts[-1])
                if len(parts) > 1
                else None
            )
            if meta is None:
                continue
            if kind.startswith("CREATE_TABLE"):
                core.catalog.update_table(destination.touched(core, meta, **statements.layout(tree)))
            elif kind in _ROWLESS:
                core.catalog.update_table(destination.touched(core, meta))


def prepared(config: dict[str, Any], project: str) -> str:
    """The SQL with the default dataset and legacy syntax applied. Raises invalidQuery where there is none."""
    sql = str(config.get("query") or "")
    if not sql.strip():
        raise EngineError("invalid", "Required parameter is missing: query")
    if config.get("useLegacySql"):
        sql = str(rewrite_legacy_to_standard(sql))
    if config.get("defaultDataset"):
        sql = str(routes._apply_default_dataset(sql, config, request_project_id=project))
    return offsets.as_ordinals(sql)


def _target(config: dict[str, Any], project: str) -> Reference | None:
    body = config.get("destinationTable")
    if not body or body.get("datasetId") == ANONYMOUS:
        return None
    return reference_of(body, project)


def _named(table: pa.Table, fields: list[Any], names: dict[int, str]) -> tuple[pa.Table, list[Any]]:
    """The result with BigQuery's names (``f0_``) for expressions that have none, in place of DuckDB's."""
    if not names or max(names) >= len(fields):
        return table, fields
    renamed = [names.get(at, name) for at, name in enumerate(table.column_names)]
    return table.rename_columns(renamed), [{**f, "name": n} for f, n in zip(fields, renamed, strict=True)]

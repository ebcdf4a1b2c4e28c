"""The engine's HTTP routes. ``/engine/...`` is for the front only; ``/bigquery/v2/...`` are BigQuery's own paths."""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from bqemulator.api.app import create_app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gcpmlops.emulator.services.bigquery.engine import accesses, loads, reads, streaming, transfers
from gcpmlops.emulator.services.bigquery.engine.core import Core, Reference
from gcpmlops.emulator.services.bigquery.engine.errors import EngineError, translate
from gcpmlops.emulator.services.bigquery.engine.queries import Queries
from gcpmlops.emulator.services.bigquery.engine.results import Results
from gcpmlops.emulator.services.bigquery.engine.sizes import Sizes
from gcpmlops.emulator.services.bigquery.engine.tables import Body, Tables

log = logging.getLogger(__name__)
Endpoint = Callable[[Request], Awaitable[Response]]


class EngineApp:
    """Builds the Starlette app over one Core."""

    def __init__(self, directory: Path) -> None:
        self.core = Core(directory)
        self.results = Results(directory / "results")
        self.sizes = Sizes(self.core)
        self.queries = Queries(self.core, self.results, self.sizes)
        self.tables = Tables(self.core, self.results, self.sizes)
        self.reads = reads.Reads(self.core, self.results)
        self._rest = httpx.ASGITransport(app=create_app(self.core.context), raise_app_exceptions=False)

    def warm(self) -> None:
        """Import what DuckDB imports at its first Arrow table, and SQL translation at its first query."""
        with self.core.cursor() as cursor:
            cursor.register("warm", pa.table({"a": ["1"]}))
            cursor.execute("SELECT try_cast(a AS TIMESTAMPTZ) FROM warm").fetchall()
        config = {"query": "SELECT COUNT(*) AS n FROM UNNEST([1, 2]) AS x"}
        self.core.run_blocking(
            lambda: self.queries.warm({"project": "warm", "job": "warm", "config": config, "caller": "user:warm"})
        )

    def build(self) -> Starlette:
        project = "/bigquery/v2/projects/{project}"
        dataset = project + "/datasets/{dataset}"
        table = dataset + "/tables/{table}"
        routes = [
            ("/engine/ready", "GET", self.ready),
            ("/engine/query", "POST", self.query),
            ("/engine/accesses", "POST", self.accesses),
            ("/engine/load", "POST", self.load),
            ("/engine/copy", "POST", self.copy),
            ("/engine/extract", "POST", self.extract),
            ("/engine/cancel", "POST", self.cancel),
            ("/engine/results/{job}", "GET", self.result),
            ("/engine/results/{job}", "DELETE", self.forget),
            ("/engine/sessions", "POST", self.session),
            ("/engine/sessions/{key}/{index:int}", "GET", self.batch),
            ("/engine/sessions/{key}/schema", "GET", self.session_schema),
            (project + "/datasets", "GET", self.list_datasets),
            (project + "/datasets", "POST", self.insert_dataset),
            (dataset, "GET", self.get_dataset),
            (dataset, "PATCH", self.update_dataset),
            (dataset, "PUT", self.update_dataset),
            (dataset, "DELETE", self.delete_dataset),
            (dataset + "/tables", "GET", self.list_tables),
            (dataset + "/tables", "POST", self.insert_table),
            (table, "GET", self.get_table),
            (table, "PATCH", self.update_table),
            (table, "PUT", self.update_table),
            (table, "DELETE", self.delete_table),
            (table + "/data", "GET", self.list_rows),
            (table + "/insertAll", "POST", self.insert_all),
            ("/bigquery/v2/{rest:path}", "", self.bqemulator),
        ]
        return Starlette(
            routes=[
                Route(
                    path, _answered(endpoint), methods=[method] if method else ["GET", "POST", "PUT", "PATCH", "DELETE"]
                )
                for path, method, endpoint in routes
            ]
        )

    # the front's own calls

    async def ready(self, request: Request) -> Response:
        return JSONResponse({"changes": self.core.changes})

    async def query(self, request: Request) -> Response:
        return JSONResponse(await self.queries.run(await request.json()))

    async def accesses(self, request: Request) -> Response:
        """What a query does with which tables; nothing where it can't be read: running it says why."""
        body = await request.json()
        found = await _thread(accesses.of_query, body["config"], body["project"])
        return JSONResponse({"accesses": found})

    async def load(self, request: Request) -> Response:
        return JSONResponse(await loads.run(self.core, await request.json()))

    async def copy(self, request: Request) -> Response:
        return JSONResponse(await transfers.copy(self.core, await request.json()))

    async def extract(self, request: Request) -> Response:
        return JSONResponse(await transfers.extract(self.core, await request.json()))

    async def cancel(self, request: Request) -> Response:
        self.queries.cancel((await request.json())["job"])
        return JSONResponse({})

    async def forget(self, request: Request) -> Response:
        self.results.delete(request.path_params["job"])
        return JSONResponse({})

    async def result(self, request: Request) -> Response:
        """A page of query results: `schema`, `totalRows`, `pageToken`, `rows`."""
        start, limit, int64 = _paging(request)
        rows, count, total, fields = await _thread(
            self.reads.result_page, request.path_params["job"], start, limit, int64
        )
        head: Body = {"totalRows": str(total), "schema": {"fields": fields}}
        return _rows(head, rows, start, count, total, limit)

    async def session(self, request: Request) -> Response:
        body = await request.json()
        reference = (body["project"], body["dataset"], body["table"])
        opened = await self.reads.open_session(reference, body.get("selected") or [], body.get("restriction") or "")
        return JSONResponse({**opened, "schema": base64.b64encode(opened["schema"]).decode()})

    async def session_schema(self, request: Request) -> Response:
        return Response(await _thread(self.reads.session_schema, request.path_params["key"]))

    async def batch(self, request: Request) -> Response:
        data, rows = await _thread(self.reads.batch, request.path_params["key"], request.path_params["index"])
        return Response(data, headers={"x-rows": str(rows)})

    # BigQuery's own paths

    async def list_datasets(self, request: Request) -> Response:
        items = await self._engine(lambda: self.tables.datasets(request.path_params["project"]))
        return _listed(request, [item for item in items if _matches(item, request)], "datasets", "bigquery#datasetList")

    async def insert_dataset(self, request: Request) -> Response:
        body, owner = await request.json(), request.headers.get("x-caller", "").removeprefix("user:")
        return JSONResponse(
            await self._engine(lambda: self.tables.create_dataset(request.path_params["project"], body, owner))
        )

    async def get_dataset(self, request: Request) -> Response:
        names = request.path_params
        return JSONResponse(await self._engine(lambda: self.tables.dataset(names["project"], names["dataset"])))

    async def update_dataset(self, request: Request) -> Response:
        names, body, match = request.path_params, await request.json(), request.headers.get("if-match")
        replace = request.method == "PUT"
        return JSONResponse(
            await self._engine(
                lambda: self.tables.update_dataset(names["project"], names["dataset"], body, match, replace)
            )
        )

    async def delete_dataset(self, request: Request) -> Response:
        names, contents = request.path_params, request.query_params.get("deleteContents", "").lower() == "true"
        await self._engine(lambda: self.tables.delete_dataset(names["project"], names["dataset"], contents))
        return Response(status_code=204)

    async def list_tables(self, request: Request) -> Response:
        names = request.path_params
        items = await self._engine(lambda: self.tables.tables(names["project"], names["dataset"]))
        return _listed(request, items, "tables", "bigquery#tableList")

    async def insert_table(self, request: Request) -> Response:
        names, body = request.path_params, await request.json()
        view = (body.get("view") or body.get("materializedView") or {}).get("query")
        if view:
            await self._create_view(names["project"], names["dataset"], body, view, "CREATE")
            reference = (names["project"], names["dataset"], body["tableReference"]["tableId"])
            return JSONResponse(
                await self._engine(lambda: self.tables.update_table(reference, {**body, "schema": {}}, None, False))
            )
        return JSONResponse(
            await self._engine(lambda: self.tables.create_table(names["project"], names["dataset"], body))
        )

    async def get_table(self, request: Request) -> Response:
        return JSONResponse(await self._engine(lambda: self.tables.table(_reference(request))))

    async def update_table(self, request: Request) -> Response:
        body, match, replace = await request.json(), request.headers.get("if-match"), request.method == "PUT"
        view = (body.get("view") or {}).get("query")
        if view:
            await self._create_view(
                *_reference(request)[:2],
                {**body, "tableReference": {"tableId": _reference(request)[2]}},
                view,
                "CREATE OR REPLACE",
            )
            body = {**body, "schema": {}}
        return JSONResponse(
            await self._engine(lambda: self.tables.update_table(_reference(request), body, match, replace))
        )

    async def delete_table(self, request: Request) -> Response:
        await self._engine(lambda: self.tables.delete_table(_reference(request)))
        return Response(status_code=204)

    async def list_rows(self, request: Request) -> Response:
        start, limit, int64 = _paging(request)
        selected = request.query_params.get("selectedFields")
        rows, count, total = await _thread(self.reads.table_page, _reference(request), start, limit, int64, selected)
        head: Body = {"kind": "bigquery#tableDataList", "totalRows": str(total)}
        return _rows(head, rows, start, count, total, limit)

    async def insert_all(self, request: Request) -> Response:
        body = await request.json()
        return JSONResponse(await self.core.run(lambda: streaming.insert_all(self.core, _reference(request), body)))

    async def bqemulator(self, request: Request) -> Response:
        """Routines, models, row access policies: bqemulator's own routes, on the engine thread."""
        body = await request.body()
        headers = {"content-type": "application/json", "x-bqemu-caller": request.headers.get("x-caller", "")}

        async def ask() -> tuple[int, bytes]:
            async with httpx.AsyncClient(transport=self._rest, base_url="http://engine") as client:
                reply = await client.request(
                    request.method,
                    str(request.url.path),
                    params=dict(request.query_params),
                    content=body,
                    headers=headers,
                )
                return reply.status_code, reply.content

        status, content = await self.core.run(ask)
        return Response(content, status, media_type="application/json")

    async def _create_view(self, project: str, dataset: str, body: Body, query: str, verb: str) -> None:
        kind = "MATERIALIZED VIEW" if body.get("materializedView") else "VIEW"
        name = f"`{project}.{dataset}.{body['tableReference']['tableId']}`"
        if (
            verb == "CREATE"
            and self.core.catalog.get_table(project, dataset, body["tableReference"]["tableId"]) is not None
        ):
            raise EngineError(
                "duplicate", f"Already Exists: Table {project}:{dataset}.{body['tableReference']['tableId']}"
            )
        config = {"query": f"{verb} {kind} {name} AS {query}"}
        await self.queries.run({"project": project, "job": "view", "config": config, "caller": "user:owner"})

    async def _engine(self, work: Callable[[], Any]) -> Any:
        """Run a synchronous piece of work on the engine thread, between jobs' statements."""

        async def step() -> Any:
            return work()

        return await self.core.run(step)


def _answered(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:
            found = translate(error)
            if found.reason == "internalError":
                log.exception("%s %s failed", request.method, request.url.path)
            return JSONResponse(found.body(), found.status)

    return answer


async def _thread(work: Callable[..., Any], *arguments: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(work, *arguments)


def _reference(request: Request) -> Reference:
    names = request.path_params
    return names["project"], names["dataset"], names["table"].split("$")[0].split("@")[0]


def _paging(request: Request) -> tuple[int, int | None, bool]:
    query = request.query_params
    try:
        start = int(query.get("pageToken") or query.get("startIndex") or 0)
        limit = int(query["maxResults"]) if query.get("maxResults") else None
    except ValueError:
        raise EngineError("invalid", "Invalid pageToken, startIndex or maxResults") from None
    return start, limit, query.get("formatOptions.useInt64Timestamp", "").lower() == "true"


def _rows(head: Body, rows: bytes, start: int, count: int, total: int, limit: int | None) -> Response:
    if start + count < total and limit != 0:
        head["pageToken"] = str(start + count)
    return Response(reads.page_json(head, rows), media_type="application/json")


def _listed(request: Request, items: list[Body], key: str, kind: str) -> Response:
    start, limit, _ = _paging(request)
    page = items[start : start + (limit or 1000)]
    body: Body = {"kind": kind, "totalItems": len(items), **({key: page} if page else {})}
    if start + len(page) < len(items):
        body["nextPageToken"] = str(start + len(page))
    return JSONResponse(body)


def _matches(item: Body, request: Request) -> bool:
    """The ``labels.key:value`` filter of datasets.list."""
    for term in request.query_params.get("filter", "").split():
        key, _, value = term.removeprefix("labels.").partition(":")
        labels = item.get("labels") or {}
        if key not in labels or (value and labels[key] != value):
            return False
    return True

"""bigquery.googleapis.com: the routes. Jobs and uploads are answered here, resources by the engine."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from google.api_core.exceptions import GoogleAPICallError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.access.bigquery import BigQueryGuard
from gcpmlops.emulator.services.bigquery import batch, views
from gcpmlops.emulator.services.bigquery.errors import BigQueryError, from_engine, from_google, from_status
from gcpmlops.emulator.services.bigquery.jobs import Jobs, Now, result_key
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine
from gcpmlops.emulator.services.bigquery.records import Job, JobRecords, Rows
from gcpmlops.emulator.services.bigquery.transfer import Transfer
from gcpmlops.emulator.services.bigquery.uploads import Uploads, split_related
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)
T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]

_INSERT_WAIT_S = 3.0  # most jobs are done by then, and the client need not poll
_QUERY_WAIT_S = 10.0  # BigQuery's default of timeoutMs
_MULTIPART_BYTES = 256 * 1024 * 1024
_CALLS_AT_ONCE = 16


class BigQueryApp:
    """An ASGI app.

    Args:
        engine: the engine process; started at the first request that needs it.
        store: the emulator's store, for job records.
        objects: Cloud Storage, for gs:// URIs.
        directory: private, on the same file system as the objects' blobs (loads hard-link them).
        clock: the emulator's clock.
        project: the project that projects.list shows.
    """

    def __init__(
        self,
        engine: BigQueryEngine,
        store: Rows,
        objects: ObjectStore,
        directory: Path,
        clock: Now,
        project: str,
        *,
        guard: BigQueryGuard | None = None,
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._project = project
        self._uploads = Uploads(directory / "uploads")
        self._jobs = Jobs(JobRecords(store), engine, Transfer(objects, directory / "staging"), clock, guard=guard)
        self._pool = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="bigquery")
        self._app = Starlette(
            routes=[
                Route(path, _answered(self._guarded(method, path, endpoint)), methods=[method])
                for method, path, endpoint in self._routes()
            ],
            exception_handlers={404: _unbuilt, 405: _unbuilt},
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope["path"] = self._by_id(scope["path"])
        await self._app(scope, receive, send)

    def _guarded(self, verb: str, template: str, endpoint: Endpoint) -> Endpoint:
        """Asked about before it answers; jobs are asked about when their configuration is known."""
        guard = self._guard
        if guard is None or "/datasets" not in template:
            return endpoint

        async def answer(request: Request) -> Response:
            await self._call(guard.resource, verb, template, request.path_params, request.scope["state"]["caller"])
            reply = await endpoint(request)
            guard.changed(verb, template)
            return reply

        return answer

    def _by_id(self, path: str) -> str:
        """The path with the project's id where its number stands: jobs on Vertex AI know only the number."""
        return path.replace(f"/projects/{project_number(self._project)}/", f"/projects/{self._project}/", 1)

    def warm(self) -> None:
        """Start the engine in the background."""
        self._engine.warm()

    def close(self) -> None:
        """Stop the engine and the threads."""
        self._engine.close()
        self._jobs.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _routes(self) -> list[tuple[str, str, Endpoint]]:
        root = "/bigquery/v2/projects"
        project, dataset = root + "/{project}", root + "/{project}/datasets/{dataset}"
        table, routine, model = (
            dataset + "/tables/{table}",
            dataset + "/routines/{routine}",
            dataset + "/models/{model}",
        )
        routes: list[tuple[str, str, Endpoint]] = [
            ("GET", root, self.list_projects),
            ("GET", project + "/serviceAccount", self.service_account),
            ("POST", project + "/queries", self.query),
            ("GET", project + "/queries/{job}", self.query_results),
            ("POST", project + "/jobs", self.insert_job),
            ("GET", project + "/jobs", self.list_jobs),
            ("GET", project + "/jobs/{job}", self.get_job),
            ("POST", project + "/jobs/{job}/cancel", self.cancel_job),
            ("DELETE", project + "/jobs/{job}/delete", self.delete_job),
            ("POST", "/upload/bigquery/v2/projects/{project}/jobs", self.upload),
            ("PUT", "/upload/bigquery/v2/projects/{project}/jobs", self.upload_chunk),
            ("PUT", "/resumable/upload/bigquery/v2/projects/{project}/jobs", self.upload_chunk),
            ("POST", "/resumable/upload/bigquery/v2/projects/{project}/jobs", self.upload),
            ("POST", "/batch/bigquery/v2", self.batch),
            ("POST", "/batch", self.batch),
            ("GET", table + "/data", self.relay),
            ("POST", table + "/insertAll", self.relay),
        ]
        for collection, member in (
            (project + "/datasets", dataset),
            (dataset + "/tables", table),
            (dataset + "/routines", routine),
        ):
            routes += [
                ("GET", collection, self.resource),
                ("POST", collection, self.resource),
                ("GET", member, self.resource),
                ("PATCH", member, self.resource),
                ("PUT", member, self.resource),
                ("DELETE", member, self.resource),
            ]
        routes += [
            ("GET", dataset + "/models", self.resource),
            ("GET", model, self.resource),
            ("PATCH", model, self.resource),
            ("DELETE", model, self.resource),
            ("GET", table + "/rowAccessPolicies", self.resource),
        ]
        return routes

    # projects

    async def list_projects(self, request: Request) -> Response:
        return JSONResponse(views.projects(self._project))

    async def service_account(self, request: Request) -> Response:
        return JSONResponse(views.service_account(request.path_params["project"]))

    # jobs

    async def insert_job(self, request: Request) -> Response:
        project, body, caller = request.path_params["project"], await _json(request), _caller(request)
        if (body.get("configuration") or {}).get("dryRun"):
            return _shown(request, await self._call(self._jobs.dry_run, project, body, caller))
        job = await self._call(self._jobs.start, project, body, caller)
        return _shown(request, await self._jobs.wait(project, job["jobReference"]["jobId"], _INSERT_WAIT_S))

    async def get_job(self, request: Request) -> Response:
        job = await self._call(self._jobs.records.get, request.path_params["project"], request.path_params["job"])
        return _shown(request, job)

    async def list_jobs(self, request: Request) -> Response:
        query = request.query_params
        if query.get("parentJobId"):
            return JSONResponse(
                {"kind": "bigquery#jobList", "etag": "", "jobs": []}
            )  # scripts run inside their own job
        offset, limit = int(query.get("pageToken") or 0), int(query.get("maxResults") or 50)
        user = None if query.get("allUsers", "").lower() == "true" else _caller(request)
        states = [state.upper() for state in query.getlist("stateFilter")]
        jobs = await self._call(
            partial(
                self._jobs.records.list,
                request.path_params["project"],
                user=user,
                states=states,
                offset=offset,
                limit=limit + 1,
                since=int(query.get("minCreationTime") or 0),
                until=int(query.get("maxCreationTime") or 2**62),
            )
        )
        return JSONResponse(views.job_list(jobs[:limit], str(offset + limit) if len(jobs) > limit else None))

    async def cancel_job(self, request: Request) -> Response:
        project, name = request.path_params["project"], request.path_params["job"]
        job = await self._call(self._jobs.cancel, project, name)
        if job["status"]["state"] != "DONE":
            job = await self._jobs.wait(project, name, _INSERT_WAIT_S)
        return JSONResponse({"kind": "bigquery#jobCancelResponse", "job": views.job(job, _base(request))})

    async def delete_job(self, request: Request) -> Response:
        await self._call(self._jobs.delete, request.path_params["project"], request.path_params["job"])
        return Response(status_code=204)

    # queries

    async def query(self, request: Request) -> Response:
        """jobs.query: insert, wait, first page."""
        project, body, caller = request.path_params["project"], await _json(request), _caller(request)
        job_body = views.job_of_query(body)
        if body.get("dryRun"):
            return JSONResponse(views.dry_run(await self._call(self._jobs.dry_run, project, job_body, caller)))
        job = await self._call(self._jobs.start, project, job_body, caller)
        seconds = int(body.get("timeoutMs") or _QUERY_WAIT_S * 1000) / 1000
        job = await self._jobs.wait(project, job["jobReference"]["jobId"], seconds)
        int64 = (body.get("formatOptions") or {}).get("useInt64Timestamp", False)
        return await self._answer(
            job,
            "bigquery#queryResponse",
            {"maxResults": body.get("maxResults"), "formatOptions.useInt64Timestamp": str(int64).lower()},
        )

    async def query_results(self, request: Request) -> Response:
        """jobs.getQueryResults: waits up to timeoutMs; a failed job is an HTTP error."""
        project, name, query = request.path_params["project"], request.path_params["job"], request.query_params
        seconds = int(query.get("timeoutMs") or _QUERY_WAIT_S * 1000) / 1000
        return await self._answer(
            await self._jobs.wait(project, name, seconds), "bigquery#getQueryResultsResponse", dict(query)
        )

    async def _answer(self, job: Job, kind: str, query: dict[str, Any]) -> Response:
        if "query" not in job["configuration"]:
            raise BigQueryError("invalid", f"Job {job['id']} is not a query job")
        if "errorResult" in job["status"]:
            raise from_status(job["status"])
        head = views.query_head(job, kind)
        if job["status"]["state"] != "DONE" or not job.get("hasRows"):
            return JSONResponse(head)
        reply = await self._call(
            self._engine.request, "GET", f"/engine/results/{result_key(job)}?{views.encoded(query)}"
        )
        if reply.status >= 400:
            raise from_engine(reply.body)
        return Response(json.dumps(head).encode()[:-1] + b"," + reply.body[1:], media_type="application/json")

    # uploads

    async def upload(self, request: Request) -> Response:
        """A load job with its data: in one multipart body, or the start of a resumable upload."""
        project, kind = request.path_params["project"], request.query_params.get("uploadType")
        if kind == "resumable":
            key = await self._call(self._uploads.begin, project, await _json(request), _caller(request))
            url = f"{_base(request)}/upload/bigquery/v2/projects/{project}/jobs?uploadType=resumable&upload_id={key}"
            return Response(headers={"location": url, "x-guploader-uploadid": key, "content-length": "0"})
        if kind != "multipart":
            raise BigQueryError("notImplemented", f"uploadType={kind} of bigquery.jobs.insert is not implemented")
        body, data = split_related(request.headers.get("content-type", ""), await _body(request))
        path = await self._call(self._uploads.store, data)
        return await self._uploaded(request, project, body, _caller(request), path)

    async def upload_chunk(self, request: Request) -> Response:
        key = request.query_params.get("upload_id", "")
        meta = await self._call(self._uploads.job, key)
        progress = await self._call(
            self._uploads.receive, key, request.headers.get("content-range"), await _body(request)
        )
        if not progress.complete:
            received = {"range": f"bytes=0-{progress.received - 1}"} if progress.received else {}
            return Response(status_code=308, headers={**received, "content-length": "0"})
        path = await self._call(self._uploads.take, key)
        return await self._uploaded(request, meta["project"], meta["body"], meta["caller"], path)

    async def _uploaded(self, request: Request, project: str, body: Job, caller: str, path: Path) -> Response:
        try:
            job = await self._call(self._jobs.start, project, body, caller, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return _shown(request, await self._jobs.wait(project, job["jobReference"]["jobId"], _INSERT_WAIT_S))

    # resources and rows: the engine answers

    async def resource(self, request: Request) -> Response:
        """Datasets, tables, routines, models."""
        reply = await self._forward(request)
        if not reply.body:
            return Response(status_code=204 if request.method == "DELETE" else reply.status)
        return JSONResponse(views.linked(json.loads(reply.body), _base(request)))

    async def relay(self, request: Request) -> Response:
        """Rows: the engine's bytes as they are."""
        return Response((await self._forward(request)).body, media_type="application/json")

    async def batch(self, request: Request) -> Response:
        """Several requests in one multipart/mixed body."""
        return await batch.answer(self, request, await _body(request))

    async def _forward(self, request: Request) -> Any:
        target = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if request.url.query:
            target += f"?{request.url.query}"
        headers = {"x-caller": f"user:{_caller(request)}"}
        if match := request.headers.get("if-match"):
            headers["if-match"] = match
        reply = await self._call(
            self._engine.request, request.method, views.quoted(target), await _body(request), headers
        )
        if reply.status >= 400:
            raise from_engine(reply.body)
        return reply

    async def _call(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *arguments))


def _answered(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except GoogleAPICallError as error:
            found = from_google(error)
        except BigQueryError as error:
            found = error
        except ValueError as error:
            found = BigQueryError("invalid", f"Invalid value: {error}")
        except Exception as error:
            log.exception("%s %s failed", request.method, request.url.path)
            found = BigQueryError("internalError", f"{type(error).__name__}: the request failed inside the emulator")
        status, body = found.to_json()
        return JSONResponse(body, status)

    return answer


async def _unbuilt(request: Request, _error: Exception) -> Response:
    path = request.url.path
    status, body = BigQueryError(
        "notImplemented", f"{views.method_name(request.method, path)} is not implemented ({request.method} {path})"
    ).to_json()
    return JSONResponse(body, status)


def _shown(request: Request, job: Job) -> Response:
    return JSONResponse(views.job(job, _base(request)))


def _caller(request: Request) -> str:
    caller = request.scope.get("state", {}).get("caller")
    return str(caller.email) if caller is not None else "anonymous@localhost"


def _base(request: Request) -> str:
    """Scheme, host and root path that the caller used."""
    return str(request.base_url).rstrip("/")


async def _json(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        raise BigQueryError("parseError", "Parse Error: the request body is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise BigQueryError("parseError", "Parse Error: the request body is not a JSON object")
    return parsed


async def _body(request: Request) -> bytes:
    """The whole body. Raises uploadTooLarge."""
    if int(request.headers.get("content-length") or 0) > _MULTIPART_BYTES:
        raise BigQueryError(
            "uploadTooLarge",
            f"The request body is larger than {_MULTIPART_BYTES} bytes: use a resumable upload in chunks",
        )
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _MULTIPART_BYTES:
            raise BigQueryError("uploadTooLarge", f"The request body is larger than {_MULTIPART_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)

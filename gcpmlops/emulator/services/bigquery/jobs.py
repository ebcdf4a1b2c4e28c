"""Jobs: recorded, run on threads, waited for, cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from google.api_core.exceptions import GoogleAPICallError

from gcpmlops.emulator.services.bigquery import grants
from gcpmlops.emulator.services.bigquery.errors import BigQueryError, from_google
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine
from gcpmlops.emulator.services.bigquery.records import Job, JobRecords, key_of
from gcpmlops.emulator.services.bigquery.transfer import Transfer, uris_of

log = logging.getLogger(__name__)

KINDS = ("query", "load", "extract", "copy")
_AT_ONCE = 16
_SAME = timedelta(seconds=1)  # clocks that are no further apart are one


class Now(Protocol):
    """The emulator's clock."""

    def now(self) -> Any: ...


class Guard(Protocol):
    """Asks whether the caller may: services/access/bigquery.py."""

    def job(self, project: str, configuration: Mapping[str, Any], email: str) -> None: ...
    def changed(self, verb: str, template: str) -> None: ...
    def datasets(self, project: str, query: Mapping[str, Any]) -> list[tuple[str, str]]: ...


class Jobs:
    """Starts jobs and keeps their records. `close` waits for none: the engine's end fails what runs."""

    def __init__(
        self,
        records: JobRecords,
        engine: BigQueryEngine,
        transfer: Transfer,
        clock: Now,
        *,
        guard: Guard | None = None,
    ) -> None:
        self.records = records
        self._guard = guard
        self._engine = engine
        self._transfer = transfer
        self._clock = clock
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bigquery-job")
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], Future[Job]] = {}
        self._fail_leftovers()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def start(self, project: str, body: Job, caller: str, upload: Path | None = None) -> Job:
        """jobs.insert: record the job and run it; `upload` is a file that replaces its source URIs (and is removed)."""
        job = self._new(project, body, caller)
        _check(job["configuration"], upload)
        self._ask(job, caller)
        self._engine.warm()
        self.records.insert(job)
        with self._lock:
            self._running[key_of(job)] = self._pool.submit(self._run, job, upload)
        return job

    def dry_run(self, project: str, body: Job, caller: str) -> Job:
        """The job as it would be; nothing is kept. Raises the query's error."""
        job = self._new(project, body, caller)
        query = job["configuration"].get("query")
        if query is None:
            raise BigQueryError("invalid", "Only query jobs can be dry runs")
        self._ask(job, caller)
        request = {"project": project, "job": "dry-run", "config": query, "caller": f"user:{caller}", "dry_run": True}
        answer = self._engine.call("/engine/query", request | self._time())
        self._finish(job, answer)
        return job

    def _ask(self, job: Job, caller: str) -> None:
        if self._guard is not None:
            self._guard.job(job["jobReference"]["projectId"], job["configuration"], caller)

    async def wait(self, project: str, name: str, seconds: float) -> Job:
        """The job, after it is done or `seconds` have passed."""
        with self._lock:
            future = self._running.get((project, name))
        if future is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), seconds)
        return self.records.get(project, name)

    def cancel(self, project: str, name: str) -> Job:
        """Asks the engine to stop the job's statement; the job ends by itself."""
        job = self.records.get(project, name)
        if job["status"]["state"] != "DONE" and "query" in job["configuration"]:
            self._engine.call("/engine/cancel", {"job": result_key(job)})
        return job

    def delete(self, project: str, name: str) -> None:
        """Forget a finished job and its results."""
        job = self.records.get(project, name)
        self.records.delete(project, name)
        if "query" in job["configuration"]:
            self._engine.request("DELETE", f"/engine/results/{result_key(job)}")

    def _new(self, project: str, body: Job, caller: str) -> Job:
        reference = body.get("jobReference") or {}
        name = reference.get("jobId") or f"job_{uuid.uuid4().hex}"
        if not re.fullmatch(r"[A-Za-z0-9_\-]{1,1024}", name):
            raise BigQueryError(
                "invalid",
                f'Invalid job ID "{name}". Job IDs must be alphanumeric (plus underscores and dashes) and must '
                "be at most 1024 characters long.",
            )
        configuration = dict(body.get("configuration") or {})
        kind = next((kind for kind in KINDS if kind in configuration), None)
        if kind is None:
            raise BigQueryError(
                "invalid",
                "Job configuration must contain exactly one job-specific configuration object "
                "(e.g., query, load, extract, spreadsheetExtract), but there were 0: ",
            )
        configuration["jobType"] = kind.upper()
        location = reference.get("location") or "US"
        return {
            "kind": "bigquery#job",
            "id": f"{project}:{location}.{name}",
            "etag": uuid.uuid4().hex,
            "jobReference": {"projectId": project, "jobId": name, "location": location},
            "configuration": configuration,
            "status": {"state": "RUNNING"},
            "user_email": caller,
            "principal_subject": f"user:{caller}",
            "statistics": {"creationTime": self._millis(), "startTime": self._millis()},
        }

    def _run(self, job: Job, upload: Path | None) -> Job:
        try:
            self._finish(job, self._execute(job, upload))
        except Exception as error:  # noqa: BLE001 - it is the job's error
            self._fail(job, error)
        try:
            self.records.save(job)
        finally:
            with self._lock:
                self._running.pop(key_of(job), None)
        return job

    def _execute(self, job: Job, upload: Path | None) -> dict[str, Any]:
        configuration, project = job["configuration"], job["jobReference"]["projectId"]
        if "query" in configuration:
            statement = grants.parsed(str(configuration["query"].get("query") or ""))
            if statement is not None:
                answer = grants.run(self._engine, project, statement)
                if self._guard is not None:
                    self._guard.changed("PATCH", "datasets")
                return answer
            with self._making_datasets(job):
                return self._engine.call(
                    "/engine/query",
                    {
                        "project": project,
                        "job": result_key(job),
                        "config": configuration["query"],
                        "caller": f"user:{job['user_email']}",
                        **self._time(),
                    },
                )
        if "copy" in configuration:
            return self._engine.call("/engine/copy", {"project": project, "config": configuration["copy"]})
        with self._transfer.workspace() as workspace:
            if "load" in configuration:
                return self._load(project, configuration["load"], workspace, upload)
            return self._extract(project, configuration["extract"], workspace)

    @contextlib.contextmanager
    def _making_datasets(self, job: Job) -> Iterator[None]:
        """Who makes a dataset by a statement is its owner; where anything is asked about, that counts at once."""
        if self._guard is None:
            yield
            return
        concerned = self._guard.datasets(job["jobReference"]["projectId"], job["configuration"]["query"])
        new = [of for of in concerned if grants.access_of(self._engine, *of) is None]
        try:
            yield
        finally:
            for of in new:
                grants.make_owner(self._engine, *of, job["user_email"])
            if concerned:
                self._guard.changed("PATCH", "datasets")

    def _load(self, project: str, config: dict[str, Any], workspace: Path, upload: Path | None) -> dict[str, Any]:
        if upload is not None:
            upload.rename(workspace / "upload")
            files = [{"uri": "the uploaded file", "path": str(workspace / "upload")}]
        else:
            files = self._transfer.stage(config["sourceUris"], workspace)
        return self._engine.call("/engine/load", {"project": project, "config": config, "files": files})

    def _extract(self, project: str, config: dict[str, Any], workspace: Path) -> dict[str, Any]:
        self._transfer.check_destination(uris_of(config))
        answer = self._engine.call(
            "/engine/extract", {"project": project, "config": config, "directory": str(workspace)}
        )
        kind = str(config.get("destinationFormat") or "CSV").upper()
        self._transfer.store(answer["files"], kind, str(config.get("compression") or "NONE").upper())
        return answer

    def _finish(self, job: Job, answer: dict[str, Any]) -> None:
        job["statistics"].update(answer["statistics"], endTime=self._millis())
        job["status"] = {"state": "DONE", **({"errors": answer["errors"]} if answer.get("errors") else {})}
        if "query" in job["configuration"]:
            query = {
                **job["configuration"]["query"],
                **({"destinationTable": answer["destination"]} if "destination" in answer else {}),
            }
            job["configuration"]["query"] = query
            job["hasRows"] = "totalRows" in answer

    def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, GoogleAPICallError):
            error = from_google(error)
        if not isinstance(error, BigQueryError):
            log.error("job %s", job["id"], exc_info=error)
            error = BigQueryError("internalError", f"{type(error).__name__}: the job failed inside the emulator")
        job["status"] = {"state": "DONE", "errorResult": error.proto(), "errors": error.errors}
        job["statistics"]["endTime"] = self._millis()

    def _fail_leftovers(self) -> None:
        for job in self.records.unfinished():
            self._fail(job, BigQueryError("backendError", "The emulator was stopped while this job ran"))
            self.records.save(job)

    def _time(self) -> dict[str, str]:
        """The emulator's time for the engine, where it is not this machine's, which the engine goes by."""
        now: datetime = self._clock.now()
        return {} if abs(now - datetime.now(UTC)) < _SAME else {"now": now.isoformat()}

    def _millis(self) -> str:
        return str(int(self._clock.now().timestamp() * 1000))


def result_key(job: Job) -> str:
    """What the engine calls a job: ids are only unique within a project."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join(key_of(job))).hex


def _check(configuration: dict[str, Any], upload: Path | None) -> None:
    """What BigQuery refuses at jobs.insert, before there is a job."""
    load = configuration.get("load")
    if load is not None:
        if not (load.get("destinationTable") or {}).get("tableId"):
            raise BigQueryError("invalid", "Required parameter is missing: destinationTable")
        if not load.get("sourceUris") and upload is None:
            raise BigQueryError("invalid", "Load configuration must specify at least one source URI")
    if "query" in configuration and not str(configuration["query"].get("query") or "").strip():
        raise BigQueryError("invalid", "Required parameter is missing: query")
    for kind, parameter in (("extract", "sourceTable"), ("copy", "destinationTable")):
        if kind in configuration and not configuration[kind].get(parameter):
            raise BigQueryError(
                "notImplemented" if configuration[kind].get("sourceModel") else "invalid",
                f"Required parameter is missing: {parameter}",
            )

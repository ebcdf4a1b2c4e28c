"""BigQuery for the other services: tables by bq:// URI, SQL, and files in and out, without a user's jobs."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from google.api_core import exceptions

from gcpmlops.emulator.services.bigquery.errors import BigQueryError, from_engine
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine

T = TypeVar("T")

_URI = re.compile(r"bq://(?P<project>[^/]+?)(?:\.(?P<dataset>\w+)(?:\.(?P<table>[^.`]+))?)?")
_CALLER = "user:vertex-ai"
_ERRORS: dict[int, type[exceptions.GoogleAPICallError]] = {
    400: exceptions.InvalidArgument,
    403: exceptions.PermissionDenied,
    404: exceptions.NotFound,
    409: exceptions.AlreadyExists,
    501: exceptions.MethodNotImplemented,
    503: exceptions.ServiceUnavailable,
}


@dataclass(frozen=True)
class Table:
    """A table's name; the dataset and the table may be missing in a destination."""

    project: str
    dataset: str = ""
    table: str = ""

    @property
    def uri(self) -> str:
        return "bq://" + ".".join(filter(None, (self.project, self.dataset, self.table)))

    @property
    def sql(self) -> str:
        """Quoted for GoogleSQL."""
        return f"`{self.project}.{self.dataset}.{self.table}`"

    @property
    def resource(self) -> dict[str, str]:
        """A TableReference."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}


class Tables:
    """Thread-safe; the engine is started by the first call.

    Args:
        engine: the engine process.
        directory: private, for files on their way in and out; emptied here.
        projects: project numbers and the ids that they stand for.
    """

    def __init__(self, engine: BigQueryEngine, directory: Path, projects: dict[str, str]) -> None:
        self._engine = engine
        self._directory = directory
        self._projects = projects
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)

    def parse(self, uri: str, field: str) -> Table:
        """The parts of ``bq://PROJECT[.DATASET[.TABLE]]``. Raises InvalidArgument naming the field."""
        found = _URI.fullmatch(uri)
        if found is None:
            raise exceptions.InvalidArgument(f"{field}: {uri!r} is not bq://PROJECT.DATASET.TABLE.")
        project = self._projects.get(found["project"], found["project"])
        return Table(project, found["dataset"] or "", found["table"] or "")

    def fields(self, table: Table) -> list[dict[str, Any]]:
        """The columns of a table or view. Raises NotFound."""
        found: list[dict[str, Any]] = self._get(table).get("schema", {}).get("fields", [])
        return found

    def is_view(self, table: Table) -> bool:
        """Raises NotFound."""
        return self._get(table).get("type") not in ("TABLE", "SNAPSHOT", "CLONE")

    def temporary(self, beside: Table) -> Table:
        """A name for a table that lives for a while in the same dataset."""
        return Table(beside.project, beside.dataset, f"gcpmlops_{uuid.uuid4().hex}")

    def create_dataset(self, table: Table, location: str) -> None:
        """Makes the table's dataset where it isn't there."""
        reference = {"projectId": table.project, "datasetId": table.dataset}
        body = {"datasetReference": reference, "location": location}
        try:
            self._resource("POST", f"/bigquery/v2/projects/{table.project}/datasets", body)
        except exceptions.AlreadyExists:
            return

    def delete(self, table: Table) -> None:
        """Drops a table that may be there."""
        self.query(table.project, f"DROP TABLE IF EXISTS {table.sql}")

    def query(self, project: str, sql: str) -> list[tuple[Any, ...]]:
        """Runs GoogleSQL; the rows, each value a string or None. For small results. Raises what BigQuery reports."""
        key = f"service-{uuid.uuid4().hex}"
        message = {"project": project, "job": key, "config": {"query": sql}, "caller": _CALLER}
        answer = _translated(lambda: self._engine.call("/engine/query", message))
        if "totalRows" not in answer:
            return []
        try:
            page = self._resource("GET", f"/engine/results/{key}")
        finally:
            self._engine.request("DELETE", f"/engine/results/{key}")
        return [tuple(cell["v"] for cell in row["f"]) for row in page.get("rows", [])]

    def load(self, table: Table, files: Sequence[Path], config: dict[str, Any]) -> None:
        """Loads local files; `config` is a JobConfigurationLoad without its destination."""
        message = {
            "project": table.project,
            "config": {**config, "destinationTable": table.resource},
            "files": [{"uri": path.name, "path": str(path)} for path in files],
        }
        _translated(lambda: self._engine.call("/engine/load", message))

    def append(self, uri: str, location: str, schema: list[dict[str, str]], rows: Iterable[bytes]) -> None:
        """JSON objects into a table; it and its dataset, in that location, are made where they aren't there."""
        table = self.parse(uri, "uri")
        config = {"sourceFormat": "NEWLINE_DELIMITED_JSON", "schema": {"fields": schema}}
        with self.workspace() as directory:
            path = directory / "rows.json"
            path.write_bytes(b"\n".join(rows))
            try:
                self.load(table, [path], config)
            except exceptions.NotFound:
                self.create_dataset(table, location)
                self.load(table, [path], config)

    def extract(self, table: Table, kind: str, directory: Path) -> list[Path]:
        """Writes a table's rows to files below `directory`; `kind` is CSV, NEWLINE_DELIMITED_JSON or PARQUET."""
        config = {
            "sourceTable": table.resource,
            "destinationUris": ["gs://local/rows-*"],
            "destinationFormat": kind,
        }
        message = {"project": table.project, "config": config, "directory": str(directory)}
        answer = _translated(lambda: self._engine.call("/engine/extract", message))
        return [Path(file["path"]) for file in answer["files"]]

    @contextmanager
    def materialised(self, table: Table) -> Iterator[Table]:
        """The table itself, or for a view a table that holds its rows for a while: only tables can be extracted."""
        if not self.is_view(table):
            yield table
            return
        copy = self.temporary(table)
        self.query(copy.project, f"CREATE TABLE {copy.sql} AS SELECT * FROM {table.sql}")
        try:
            yield copy
        finally:
            self.delete(copy)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty directory, removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self._directory) as path:
            yield Path(path)

    def _get(self, table: Table) -> dict[str, Any]:
        path = f"/bigquery/v2/projects/{table.project}/datasets/{table.dataset}/tables/{quote(table.table)}"
        return self._resource("GET", path)

    def _resource(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            data = json.dumps(body).encode() if body is not None else b""
            reply = self._engine.request(method, path, data, {"x-caller": _CALLER})
            if reply.status >= 400:
                raise from_engine(reply.body)
            answer: dict[str, Any] = json.loads(reply.body)
            return answer

        return _translated(ask)


def _translated(work: Callable[[], T]) -> T:
    """BigQuery's error as the one that other services raise."""
    try:
        return work()
    except BigQueryError as error:
        code, _ = error.to_json()
        raise _ERRORS.get(code, exceptions.InternalServerError)(error.message) from error

"""Datasets, tables, loads, queries and data checks of BigQuery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gcpmlops._bigquery import loads
from gcpmlops._bigquery.query import parameters_of
from gcpmlops._bigquery.tables import Dataset, QueryResult, Table, dataset_of, table_of
from gcpmlops.checks import Check, CheckReport, CheckResult
from gcpmlops.clients import Clients
from gcpmlops.exceptions import (
    AlreadyExists,
    DataCheckFailed,
    GcpMlopsError,
    InvalidArgument,
    JobFailed,
    NotFound,
    translated,
)
from gcpmlops.types import Labels, Path_, Rows, check_labels, one_of

if TYPE_CHECKING:
    from google.cloud import bigquery

__all__ = ["BigQuery", "Dataset", "QueryResult", "Table"]

WRITE_DISPOSITIONS = ("WRITE_APPEND", "WRITE_TRUNCATE", "WRITE_EMPTY")


class BigQuery:
    """`client.bigquery`. API: BigQuery v2. Names are DATASET, DATASET.TABLE or PROJECT.DATASET.TABLE."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @property
    def _client(self) -> bigquery.Client:
        return self._clients.bigquery

    def create_dataset(
        self, name: str, *, location: str | None = None, labels: Labels | None = None, description: str | None = None
    ) -> Dataset:
        """Make a dataset, in the client's location unless another is given (datasets.insert). Raises AlreadyExists."""
        from google.cloud import bigquery

        dataset = bigquery.Dataset(self._dataset_id(name))
        dataset.location = location or self._clients.config.location
        dataset.labels = check_labels(labels)
        dataset.description = description
        with translated(f"dataset {name}"):
            return dataset_of(self._client.create_dataset(dataset, **self._clients.idempotent))

    def ensure_dataset(
        self, name: str, *, location: str | None = None, labels: Labels | None = None, description: str | None = None
    ) -> Dataset:
        """Make the dataset, or bring an existing one to these labels and description; its location stays."""
        from google.api_core import exceptions as theirs

        with translated(f"dataset {name}"):
            try:  # who may not make datasets may use those that are there
                dataset = self._client.get_dataset(self._dataset_id(name), **self._clients.idempotent)
            except theirs.NotFound:
                try:
                    return self.create_dataset(name, location=location, labels=labels, description=description)
                except AlreadyExists:  # somebody else was quicker
                    dataset = self._client.get_dataset(self._dataset_id(name), **self._clients.idempotent)
            changed = [n for n, v in (("labels", labels), ("description", description)) if v is not None]
            dataset.labels = check_labels(labels) if labels is not None else dataset.labels
            dataset.description = description if description is not None else dataset.description
            if changed:
                dataset = self._client.update_dataset(dataset, changed, **self._clients.idempotent)
            return dataset_of(dataset)

    def get_dataset(self, name: str) -> Dataset:
        """The dataset (datasets.get). Raises NotFound."""
        with translated(f"dataset {name}", next_step="See the datasets with `gcpmlops bigquery list-datasets`."):
            return dataset_of(self._client.get_dataset(self._dataset_id(name), **self._clients.idempotent))

    def list_datasets(self) -> list[Dataset]:
        """The project's datasets (datasets.list)."""
        with translated(f"datasets of {self._clients.config.project}"):
            return [dataset_of(item) for item in self._client.list_datasets(**self._clients.idempotent)]

    def delete_dataset(self, name: str, *, force: bool = False) -> None:
        """Delete an empty dataset; with `force` its tables too (datasets.delete).

        Raises NotFound, FailedPrecondition.
        """
        with translated(f"dataset {name}", next_step="" if force else "force=True deletes its tables too."):
            self._client.delete_dataset(self._dataset_id(name), delete_contents=force, **self._clients.idempotent)

    def create_table(self, name: str, *, schema: Mapping[str, str], labels: Labels | None = None) -> Table:
        """Make an empty table; the schema maps column to type, "INT64" or "STRING REQUIRED" (tables.insert)."""
        from google.cloud import bigquery

        table = bigquery.Table(self._table_id(name), schema=loads.schema_fields(schema))
        table.labels = check_labels(labels)
        with translated(f"table {name}"):
            return table_of(self._client.create_table(table, **self._clients.idempotent))

    def get_table(self, name: str) -> Table:
        """The table (tables.get). Raises NotFound."""
        with translated(f"table {name}", next_step="See the tables with `gcpmlops bigquery list-tables DATASET`."):
            return table_of(self._client.get_table(self._table_id(name), **self._clients.idempotent))

    def list_tables(self, dataset: str) -> list[Table]:
        """The dataset's tables, without row counts (tables.list). Raises NotFound."""
        with translated(f"dataset {dataset}", next_step="See the datasets with `gcpmlops bigquery list-datasets`."):
            return [
                table_of(t) for t in self._client.list_tables(self._dataset_id(dataset), **self._clients.idempotent)
            ]

    def delete_table(self, name: str) -> None:
        """Delete the table with its rows (tables.delete). Raises NotFound."""
        with translated(f"table {name}"):
            self._client.delete_table(self._table_id(name), **self._clients.idempotent)

    def load(
        self,
        table: str,
        *,
        source: str | Path_ | Sequence[str] | Rows,
        schema: Mapping[str, str] | None = None,
        source_format: str | None = None,
        write_disposition: str = "WRITE_APPEND",
        skip_leading_rows: int | None = None,
        max_bad_records: int = 0,
        null_marker: str | None = None,
        partition_field: str | None = None,
        clustering_fields: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> Table:
        """Load gs:// URIs (`*` allowed), a local file, a DataFrame or a list of dicts (jobs.insert, a load job); waits.

        The format is CSV, NEWLINE_DELIMITED_JSON or PARQUET, by the file's suffix unless given. Without a schema
        BigQuery detects it. `null_marker` is what stands for NULL in a CSV file. A load that fails changes nothing:
        JobFailed has the errors with line and column.
        """
        disposition = one_of(write_disposition, WRITE_DISPOSITIONS, field="write_disposition")
        config = loads.load_config(
            source,
            source_format=source_format,
            schema=schema,
            skip_leading_rows=skip_leading_rows,
            max_bad_records=max_bad_records,
            null_marker=null_marker,
        )
        config.write_disposition = disposition
        loads.lay_out(config, partition_field=partition_field, clustering_fields=clustering_fields)
        with translated(f"table {table}"):
            job = loads.start(self._client, source, self._table_id(table), config, self._clients)
        self._finish(job, f"load into {table}", timeout)
        return self.get_table(table)

    def query(
        self,
        sql: str,
        *,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        destination: str | None = None,
        write_disposition: str = "WRITE_TRUNCATE",
        dry_run: bool = False,
        labels: Labels | None = None,
        timeout: float | None = None,
    ) -> QueryResult:
        """Run GoogleSQL and wait (jobs.insert, a query job).

        `parameters` are values for @name, or in order for `?`; their types follow from the Python values, or are given
        as ("INT64", value). With `destination` the rows go to that table. A dry run only says how many bytes it would
        read.
        Raises InvalidArgument for wrong SQL, NotFound, JobFailed.
        """
        from google.cloud import bigquery

        config = bigquery.QueryJobConfig(dry_run=dry_run, use_query_cache=not dry_run, labels=check_labels(labels))
        config.query_parameters = parameters_of(parameters)
        if destination:
            config.destination = bigquery.TableReference.from_string(self._table_id(destination))
            config.write_disposition = one_of(write_disposition, WRITE_DISPOSITIONS, field="write_disposition")
        with translated("query"):
            job = self._client.query(
                sql, job_config=config, retry=self._clients.retry, timeout=self._clients.config.timeout
            )
        if not dry_run:
            self._finish(job, "query", timeout)
        return QueryResult(job, destination=destination)

    def preview(self, table: str, *, rows: int = 10) -> list[dict[str, Any]]:
        """The table's first rows, without a query's cost (tabledata.list). Raises NotFound."""
        with translated(f"table {table}"):
            found = self._client.list_rows(self._table_id(table), max_results=rows, **self._clients.idempotent)
            return [dict(row.items()) for row in found]

    def check(self, table: str, *, checks: Sequence[Check], raise_on_failure: bool = True) -> CheckReport:
        """Run data checks in one query.

        Raises DataCheckFailed with the report, NotFound for a missing table, InvalidArgument for a missing column.
        """
        if not checks:
            raise InvalidArgument(
                "there are no checks", field="checks", allowed="one or more, such as RowCount(minimum=1)"
            )
        measures = ", ".join(f"{check.sql()} AS c{n}" for n, check in enumerate(checks))
        row = self.query(f"SELECT {measures} FROM `{self._table_id(table)}`").rows()[0]
        results = (CheckResult(c.title, c.passes(row[f"c{n}"]), row[f"c{n}"]) for n, c in enumerate(checks))
        report = CheckReport(table, tuple(results))
        if raise_on_failure and not report.passed:
            raise DataCheckFailed(str(report), report=report)
        return report

    def _finish(self, job: Any, what: str, timeout: float | None) -> None:
        """Wait for the job; its errors become JobFailed, or NotFound and InvalidArgument where the caller's."""
        try:
            with translated(what):
                job.result(retry=self._clients.retry, timeout=timeout)
        except GcpMlopsError as exc:
            errors = [_error_line(error) for error in job.errors or ()]
            if (
                isinstance(exc, NotFound)
                or not errors
                or (isinstance(exc, InvalidArgument) and job.job_type == "query")
            ):
                raise
            raise JobFailed(
                f"{what} failed (job {job.job_id}): {errors[0]}",
                job=job.job_id,
                state="DONE",
                cause=errors[0],
                log_tail=errors[1:],
            ) from exc

    def _dataset_id(self, name: str) -> str:
        parts = name.split(".")
        if not 1 <= len(parts) <= 2 or not all(parts):
            raise InvalidArgument(
                f"{name!r} is not a dataset", field="dataset", value=name, allowed="DATASET, PROJECT.DATASET"
            )
        return name if len(parts) == 2 else f"{self._clients.config.require('project')}.{name}"

    def _table_id(self, name: str) -> str:
        parts = name.replace(":", ".", 1).split(".") if ":" in name else name.split(".")
        if not 2 <= len(parts) <= 3 or not all(parts) or "`" in name:
            allowed = "DATASET.TABLE or PROJECT.DATASET.TABLE"
            raise InvalidArgument(f"{name!r} is not a table", field="table", value=name, allowed=allowed)
        return ".".join(parts) if len(parts) == 3 else f"{self._clients.config.require('project')}.{name}"


def _error_line(error: Mapping[str, Any]) -> str:
    where = error.get("location")
    message = str(error.get("message", error.get("reason", "")))
    return f"{message} [{where}]" if where and where not in message else message

"""`gcpmlops bigquery`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels, pairs

if TYPE_CHECKING:
    from gcpmlops.checks import Check


@click.group()
def bigquery() -> None:
    """Datasets, tables, loads, queries and data checks of BigQuery."""


def _dataset(dataset: Any) -> dict[str, Any]:
    return {"name": dataset.name, "location": dataset.location, "labels": dataset.labels}


def _table(table: Any) -> dict[str, Any]:
    return {"name": table.name, "kind": table.kind, "rows": table.rows, "bytes": table.bytes}


def _whole(table: Any) -> dict[str, Any]:
    return {**_table(table), "columns": table.columns, "labels": table.labels, "modified": table.modified}


_schema = click.option(
    "--column", "schema", multiple=True, callback=pairs, metavar="NAME=TYPE", help="May be repeated."
)


@command(bigquery, "create-dataset", changes=True, example="gcpmlops bigquery create-dataset flights")
@click.argument("name")
@labels
@click.option("--description")
def create_dataset(call: Call, name: str, **given: Any) -> None:
    """Make a dataset."""
    call.show(call.change("bigquery.datasets.insert", "bigquery.create_dataset", name, **given), _dataset)


@command(bigquery, "ensure-dataset", changes=True, example="gcpmlops bigquery ensure-dataset flights")
@click.argument("name")
@labels
@click.option("--description")
def ensure_dataset(call: Call, name: str, **given: Any) -> None:
    """Make a dataset, or bring an existing one to these settings."""
    call.show(call.change("bigquery.datasets.insert, patch", "bigquery.ensure_dataset", name, **given), _dataset)


@command(bigquery, "get-dataset", example="gcpmlops bigquery get-dataset flights")
@click.argument("name")
def get_dataset(call: Call, name: str) -> None:
    """Show a dataset."""
    call.show(call.read("bigquery.get_dataset", name), _dataset)


@command(bigquery, "list-datasets", example="gcpmlops bigquery list-datasets")
def list_datasets(call: Call) -> None:
    """List the project's datasets."""
    call.show_all(call.read("bigquery.list_datasets"), _dataset, what="datasets")


@command(bigquery, "delete-dataset", changes=True, example="gcpmlops bigquery delete-dataset flights --force")
@click.argument("name")
@click.option("--force", is_flag=True, help="Delete its tables too.")
def delete_dataset(call: Call, name: str, force: bool) -> None:
    """Delete a dataset."""
    call.change("bigquery.datasets.delete", "bigquery.delete_dataset", name, force=force)
    call.say(f"Deleted {name}.")


@command(
    bigquery,
    "create-table",
    changes=True,
    example="gcpmlops bigquery create-table flights.raw --column carrier=STRING --column 'hour=INT64 REQUIRED'",
)
@click.argument("name")
@_schema
@labels
def create_table(call: Call, name: str, schema: dict[str, str] | None, **given: Any) -> None:
    """Make an empty table."""
    made = call.change("bigquery.tables.insert", "bigquery.create_table", name, schema=schema or {}, **given)
    call.show(made, _whole)


@command(bigquery, "get-table", example="gcpmlops bigquery get-table flights.raw")
@click.argument("name")
def get_table(call: Call, name: str) -> None:
    """Show a table with its columns."""
    call.show(call.read("bigquery.get_table", name), _whole)


@command(bigquery, "list-tables", example="gcpmlops bigquery list-tables flights")
@click.argument("dataset")
def list_tables(call: Call, dataset: str) -> None:
    """List a dataset's tables."""
    call.show_all(call.read("bigquery.list_tables", dataset), _table, what="tables")


@command(bigquery, "delete-table", changes=True, example="gcpmlops bigquery delete-table flights.raw")
@click.argument("name")
def delete_table(call: Call, name: str) -> None:
    """Delete a table with its rows."""
    call.change("bigquery.tables.delete", "bigquery.delete_table", name)
    call.say(f"Deleted {name}.")


@command(
    bigquery,
    "load",
    changes=True,
    example="gcpmlops bigquery load flights.raw 'gs://my-data/raw/*.csv' --write-disposition WRITE_TRUNCATE",
)
@click.argument("table")
@click.argument("sources", nargs=-1, required=True)
@_schema
@click.option("--source-format", help="CSV, NEWLINE_DELIMITED_JSON, PARQUET, AVRO or ORC; follows from the suffix.")
@click.option("--write-disposition", default="WRITE_APPEND", show_default=True, help="Or WRITE_TRUNCATE, WRITE_EMPTY.")
@click.option("--skip-leading-rows", type=int, help="Header lines of a CSV file.")
@click.option("--max-bad-records", type=int, default=0, help="Broken lines that are left out.")
@click.option("--null-marker", help="What stands for NULL in a CSV file, such as NA.")
@click.option("--partition-field", help="Column of daily partitions.")
@click.option("--clustering-field", "clustering_fields", multiple=True, help="May be repeated.")
def load(call: Call, table: str, sources: tuple[str, ...], **given: Any) -> None:
    """Load gs:// URIs or a local file into a table."""
    source = sources[0] if len(sources) == 1 else list(sources)
    with call.waiting(f"Loading {', '.join(sources)} into {table}"):
        loaded = call.change("bigquery.jobs.insert (load)", "bigquery.load", table, source=source, **given)
    call.show(loaded, _whole)


@command(
    bigquery,
    "query",
    example="gcpmlops bigquery query 'SELECT * FROM flights.raw WHERE hour > @hour' --parameter hour=INT64:6",
)
@click.argument("sql")
@click.option(
    "--parameter", "parameters", multiple=True, callback=pairs, metavar="NAME=[TYPE:]VALUE", help="May be repeated."
)
@click.option("--destination", help="Table that gets the rows.")
@click.option("--write-disposition", default="WRITE_TRUNCATE", show_default=True)
@click.option("--dry-run", is_flag=True, help="Only say how many bytes it would read.")
def query(call: Call, sql: str, dry_run: bool, parameters: dict[str, str] | None, **given: Any) -> None:
    """Run GoogleSQL and show the rows."""
    typed = {name: _typed(value) for name, value in (parameters or {}).items()}
    result = call.read("bigquery.query", sql, parameters=typed or None, dry_run=dry_run, **given)
    if dry_run:
        plan = {"dry_run": True, "bytes": result.bytes_processed}
        _output.show_one(plan, plan, call.format)
    elif given["destination"]:
        call.show(call.read("bigquery.get_table", given["destination"]), _whole)
    else:
        call.show_all(result.rows(), dict, what="rows")


_SQL_TYPES = ("BOOL", "INT64", "FLOAT64", "STRING", "DATE", "DATETIME", "TIME", "TIMESTAMP", "NUMERIC", "BIGNUMERIC")


def _typed(value: str) -> Any:
    kind, colon, rest = value.partition(":")
    if colon and kind.upper() in _SQL_TYPES:
        typed = {"BOOL": rest.lower() in ("true", "1"), "INT64": rest, "FLOAT64": rest}
        return (kind.upper(), typed.get(kind.upper(), rest))
    return value


@command(bigquery, "preview", example="gcpmlops bigquery preview flights.raw --rows 5")
@click.argument("table")
@click.option("--rows", type=int, default=10, show_default=True)
def preview(call: Call, table: str, rows: int) -> None:
    """Show a table's first rows, without a query's cost."""
    call.show_all(call.read("bigquery.preview", table, rows=rows), dict, what="rows")


@command(
    bigquery,
    "check",
    example="gcpmlops bigquery check flights.raw --min-rows 1000 --not-null carrier --in-range hour:0:23",
)
@click.argument("table")
@click.option("--min-rows", type=int, help="At least so many rows.")
@click.option("--max-rows", type=int, help="At most so many rows.")
@click.option(
    "--not-null", multiple=True, metavar="COLUMN[:FRACTION]", help="At most this fraction is NULL; 0 if not given."
)
@click.option("--unique", multiple=True, metavar="COLUMN[,COLUMN]", help="No two rows alike.")
@click.option("--in-range", multiple=True, metavar="COLUMN:MIN:MAX", help="Numbers; either may be empty.")
@click.option("--accepted", multiple=True, metavar="COLUMN:A,B,...", help="Only these values.")
@click.option("--fresh", multiple=True, metavar="COLUMN:HOURS", help="The newest value is at most so old.")
def check(call: Call, table: str, **given: Any) -> None:
    """Check a table's data; exit with 1 if a check fails."""
    report = call.read("bigquery.check", table, checks=_checks(**given), raise_on_failure=False)
    rows = [{"check": r.title, "passed": r.passed, "found": r.found} for r in report.results]
    call.show_all(rows, dict, what="checks")
    click.get_current_context().exit(0 if report.passed else 1)


def _checks(min_rows: int | None, max_rows: int | None, **given: tuple[str, ...]) -> list[Check]:
    from gcpmlops import checks

    found: list[Check] = []
    if min_rows is not None or max_rows is not None:
        found.append(checks.RowCount(minimum=min_rows or 0, maximum=max_rows))
    for text in given["not_null"]:
        column, _, fraction = text.partition(":")
        found.append(checks.NotNull(column, max_fraction=_number(fraction) or 0.0))
    found += [checks.Unique(text.split(",")) for text in given["unique"]]
    for text in given["in_range"]:
        column, minimum, maximum = [*text.split(":"), "", ""][:3]
        found.append(checks.InRange(column, minimum=_number(minimum), maximum=_number(maximum)))
    for text in given["accepted"]:
        column, _, values = text.partition(":")
        found.append(checks.Accepted(column, values=values.split(",")))
    for text in given["fresh"]:
        column, _, hours = text.partition(":")
        found.append(checks.Fresh(column, max_age=timedelta(hours=_number(hours) or 24)))
    return found


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as exc:
        raise click.BadParameter(f"{text!r} is not a number") from exc

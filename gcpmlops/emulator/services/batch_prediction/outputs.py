"""Predictions and errors: sharded files in Cloud Storage, or two BigQuery tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.batch_prediction import checks
from gcpmlops.emulator.services.batch_prediction.records import Field
from gcpmlops.emulator.services.batch_prediction.shapes import to_json
from gcpmlops.emulator.services.batch_prediction.spool import ERRORS, RESULTS, Spool
from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.datasets.sources import Sources

_NUMBERS = {bool: "BOOLEAN", int: "INTEGER", float: "FLOAT"}
_STATUS = {
    "name": "errors",
    "type": "RECORD",
    "mode": "NULLABLE",
    "fields": [
        {"name": "code", "type": "INTEGER", "mode": "NULLABLE"},
        {"name": "message", "type": "STRING", "mode": "NULLABLE"},
    ],
}
_FILES = {RESULTS: "prediction.results", ERRORS: "prediction.errors_stats"}
Line = dict[str, Any]


class Outputs:
    """Writes what a spool holds to where a job wants it."""

    def __init__(self, sources: Sources) -> None:
        self._objects = sources.objects
        self._tables = sources.tables

    def write(
        self, job: types.BatchPredictionJob, model: str, spool: Spool, folder: Path, fields: list[Field] | None
    ) -> types.BatchPredictionJob.OutputInfo:
        """Where it went. `model` is the model's display name; `fields` the input table's, where there is one."""
        if "bigquery_destination" in job.output_config:
            return self._to_tables(job, model, spool, folder, fields)
        return self._to_files(job, model, spool)

    def _to_files(self, job: types.BatchPredictionJob, model: str, spool: Spool) -> types.BatchPredictionJob.OutputInfo:
        stamp = _stamp(job.create_time, "%Y-%m-%dT%H:%M:%S.") + "Z"
        prefix = job.output_config.gcs_destination.output_uri_prefix.rstrip("/")
        directory = f"{prefix}/prediction-{model}-{stamp}"
        for kind, name in _FILES.items():
            if spool.counts[kind] or kind == RESULTS:
                paths = spool.files(kind)
                csv_wanted = job.output_config.predictions_format == "csv"
                self._store([_csv_file(path) for path in paths] if csv_wanted else paths, directory, name)
        return types.BatchPredictionJob.OutputInfo(gcs_output_directory=directory)

    def _store(self, paths: list[Path], directory: str, name: str) -> None:
        bucket, _, prefix = directory.removeprefix("gs://").partition("/")
        for at, path in enumerate(paths):
            target = f"{prefix}/{name}-{at:05d}-of-{len(paths):05d}"
            self._objects.upload(bucket, target, path, "text/plain")

    def _to_tables(
        self, job: types.BatchPredictionJob, model: str, spool: Spool, folder: Path, fields: list[Field] | None
    ) -> types.BatchPredictionJob.OutputInfo:
        predictions, errors = self._destination(job, model)
        keyed = bool(job.instance_config.key_field)
        columns = fields if fields is not None and not keyed else _columns(spool)
        names = ("prediction", "explanation") if job.generate_explanation else ("prediction",)
        texts = [{"name": name, "type": "STRING", "mode": "NULLABLE"} for name in names]
        self._load(predictions, spool.lines(RESULTS), folder, [*columns, *texts], _prediction)
        self._load(errors, spool.lines(ERRORS), folder, [*columns, _STATUS], _status)
        dataset = f"bq://{predictions.project}.{predictions.dataset}"
        return types.BatchPredictionJob.OutputInfo(
            bigquery_output_dataset=dataset, bigquery_output_table=predictions.table
        )

    def _destination(self, job: types.BatchPredictionJob, model: str) -> tuple[Table, Table]:
        given = self._tables.parse(job.output_config.bigquery_destination.output_uri, checks.DATASET)
        stamp = _stamp(job.create_time, "%Y_%m_%dT%H_%M_%S_") + "Z"
        if not given.dataset:
            dataset = re.sub(r"\W", "_", f"prediction_{model}_{stamp}")
            self._tables.create_dataset(Table(given.project, dataset), names.location_of(job.name))
            return Table(given.project, dataset, "predictions"), Table(given.project, dataset, "errors")
        table = given.table or f"predictions_{stamp}"
        errors = f"{given.table}_errors" if given.table else f"errors_{stamp}"
        return Table(given.project, given.dataset, table), Table(given.project, given.dataset, errors)

    def _load(
        self,
        table: Table,
        lines: Iterator[Line],
        folder: Path,
        fields: list[Field],
        extra: Callable[[Line], Line],
    ) -> None:
        path = folder / f"load-{table.table}"
        with path.open("wb") as file:
            for line in lines:
                row = {field["name"]: _cell(value, field) for field, value in _cells(line, fields)}
                file.write(to_json({**row, **extra(line)}) + b"\n")
        config = {
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "schema": {"fields": fields},
            "writeDisposition": "WRITE_EMPTY",
        }
        self._tables.load(table, [path], config)


def _stamp(moment: Any, form: str) -> str:
    time: datetime = moment
    return time.strftime(form) + f"{time.microsecond // 1000:03d}"


def _csv_file(source: Path) -> Path:
    """JSON lines as CSV: a column for each field of an object; other values are JSON in one column."""
    columns: dict[str, None] = {}
    with source.open("rb") as file:
        for line in file:
            columns.update(dict.fromkeys(_flat(orjson.loads(line))))
    target = source.with_name(f"{source.name}.csv")
    with source.open("rb") as file, target.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        if columns:
            writer.writerow(columns)
        for line in file:
            row = _flat(orjson.loads(line))
            writer.writerow([_text(row[name]) if name in row else "" for name in columns])
    return target


def _flat(line: Line) -> Line:
    shown = line.get("instance")
    head = shown if isinstance(shown, dict) else {name: line[name] for name in ("instance", "key") if name in line}
    return {**head, **{name: line[name] for name in ("prediction", "error") if name in line}}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _columns(spool: Spool) -> list[Field]:
    """The columns that the records have; one named `instance` where they have none."""
    kinds: dict[str, str] = {}
    for kind in (RESULTS, ERRORS):
        for line in spool.lines(kind):
            for name, value in _named(line).items():
                mine = _NUMBERS.get(type(value), "STRING") if value is not None else ""
                kinds[name] = _wider(kinds.get(name, ""), mine)
    return [{"name": name, "type": kind or "STRING", "mode": "NULLABLE"} for name, kind in kinds.items()]


def _wider(one: str, other: str) -> str:
    if not one or not other or one == other:
        return one or other
    return "FLOAT" if {one, other} == {"INTEGER", "FLOAT"} else "STRING"


def _named(line: Line) -> Line:
    """The row that stands beside a prediction: with a key field that key alone, else the whole record."""
    if "key" in line:
        return {"key": line["key"]}
    record = line["record"]
    return record if isinstance(record, dict) else {"instance": record}


def _cells(line: Line, fields: list[Field]) -> Iterator[tuple[Field, Any]]:
    row = _named(line)
    return ((field, row[field["name"]]) for field in fields if row.get(field["name"]) is not None)


def _cell(value: Any, field: Field) -> Any:
    if field["type"] == "STRING" and field.get("mode") != "REPEATED" and not isinstance(value, str):
        return _json(value)
    return value


def _prediction(line: Line) -> Line:
    found = {name: line[name] for name in ("prediction", "explanation") if name in line}
    return {name: value if isinstance(value, str) else _json(value) for name, value in found.items()}


def _status(line: Line) -> Line:
    return {"errors": line["error"]}


def _json(value: Any) -> str:
    return to_json(value).decode()

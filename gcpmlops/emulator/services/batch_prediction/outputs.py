"""Predictions and errors: sharded files in Cloud Storage, or two BigQuery tables."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.services.batch_prediction import checks
from gcpmlops.emulator.services.batch_prediction.records import Field
from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.datasets.sources import Sources

_ROWS_PER_FILE = 100_000
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
Line = dict[str, Any]


class Spool:
    """What the job has so far, as JSON lines in a private folder: nothing is held in memory."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, IO[str]] = {}
        self._folder = folder
        self.counts = {"results": 0, "errors": 0}
        for kind in self.counts:
            self._files[kind] = (folder / kind).open("w", encoding="utf-8")

    def result(self, record: Any, name: str, shown: Any, prediction: Any) -> None:
        self._add("results", {"record": record, name: shown, "prediction": prediction})

    def error(self, record: Any, name: str, shown: Any, error: Exception) -> None:
        status = to_status(error)
        self._add("errors", {"record": record, name: shown, "error": {"code": status.code, "message": status.message}})

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def lines(self, kind: str) -> Iterator[Line]:
        """All of a kind, once the spool is closed."""
        with (self._folder / kind).open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def _add(self, kind: str, line: Line) -> None:
        self._files[kind].write(json.dumps(line) + "\n")
        self.counts[kind] += 1


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
        return self._to_files(job, model, spool, folder)

    def _to_files(
        self, job: types.BatchPredictionJob, model: str, spool: Spool, folder: Path
    ) -> types.BatchPredictionJob.OutputInfo:
        stamp = _stamp(job.create_time, "%Y-%m-%dT%H:%M:%S.") + "Z"
        prefix = job.output_config.gcs_destination.output_uri_prefix.rstrip("/")
        directory = f"{prefix}/prediction-{model}-{stamp}"
        kinds = {"results": "prediction.results", "errors": "prediction.errors_stats"}
        for kind, name in kinds.items():
            if spool.counts[kind] or kind == "results":
                write = _csv_shard if job.output_config.predictions_format == "csv" else _json_shard
                self._store(_shards(spool.lines(kind), folder / f"out-{kind}", write), directory, name)
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
        columns = fields if fields is not None else _columns(spool)
        text = {"name": "prediction", "type": "STRING", "mode": "NULLABLE"}
        self._load(predictions, spool.lines("results"), folder, [*columns, text], _prediction)
        self._load(errors, spool.lines("errors"), folder, [*columns, _STATUS], _status)
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
        with path.open("w", encoding="utf-8") as file:
            for line in lines:
                row = {field["name"]: _cell(value, field) for field, value in _cells(line, fields)}
                file.write(json.dumps({**row, **extra(line)}) + "\n")
        config = {
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "schema": {"fields": fields},
            "writeDisposition": "WRITE_EMPTY",
        }
        self._tables.load(table, [path], config)


def _stamp(moment: Any, form: str) -> str:
    time: datetime = moment
    return time.strftime(form) + f"{time.microsecond // 1000:03d}"


def _shards(lines: Iterator[Line], base: Path, write: Callable[[IO[str], list[Line]], None]) -> list[Path]:
    """Files of at most so many lines; one at least."""
    paths: list[Path] = []
    chunk: list[Line] = []
    for line in lines:
        chunk.append({name: value for name, value in line.items() if name != "record"})
        if len(chunk) == _ROWS_PER_FILE:
            paths.append(_shard(base, len(paths), chunk, write))
            chunk = []
    if chunk or not paths:
        paths.append(_shard(base, len(paths), chunk, write))
    return paths


def _shard(base: Path, number: int, chunk: list[Line], write: Callable[[IO[str], list[Line]], None]) -> Path:
    path = base.with_name(f"{base.name}-{number}")
    with path.open("w", newline="", encoding="utf-8") as file:
        write(file, chunk)
    return path


def _json_shard(file: IO[str], lines: list[Line]) -> None:
    for line in lines:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _csv_shard(file: IO[str], lines: list[Line]) -> None:
    """A column for each field of an object; other values are JSON in one column."""
    rows = [_flat(line) for line in lines]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    if columns:
        writer.writeheader()
        writer.writerows(rows)


def _flat(line: Line) -> Line:
    shown = line.get("instance")
    head = shown if isinstance(shown, dict) else {name: line[name] for name in ("instance", "key") if name in line}
    tail = {name: line[name] for name in ("prediction", "error") if name in line}
    return {name: value if isinstance(value, str) else _json(value) for name, value in {**head, **tail}.items()}


def _columns(spool: Spool) -> list[Field]:
    """The columns that the records have; one named `instance` where they have none."""
    kinds: dict[str, str] = {}
    for kind in ("results", "errors"):
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
    prediction = line["prediction"]
    return {"prediction": prediction if isinstance(prediction, str) else _json(prediction)}


def _status(line: Line) -> Line:
    return {"errors": line["error"]}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

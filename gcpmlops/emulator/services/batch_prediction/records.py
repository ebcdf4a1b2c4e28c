"""Instances out of JSON lines, CSV, lists of files, TFRecords and BigQuery tables, one by one.

https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions
"""

from __future__ import annotations

import base64
import codecs
import csv
import gzip
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.batch_prediction import checks
from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.datasets import csv_rows
from gcpmlops.emulator.services.datasets.sources import Files, Sources

_INTEGER, _FLOAT = re.compile(r"[+-]?\d+"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = {"INTEGER", "INT64"}
Field = dict[str, Any]


Row = tuple[Any, bytes | None]
"""What one instance is made of, and its own JSON text where it came as such; or the exception that says why not."""


@dataclass(frozen=True)
class Records:
    """`rows` in the order of the input, for CSV and BigQuery each a dict by column; `fields` is a table's schema."""

    rows: Iterator[Row]
    fields: list[Field] | None = None


@contextmanager
def read(job: types.BatchPredictionJob, sources: Sources) -> Iterator[Records]:
    """The job's input. Raises NotFound naming the file or the table, InvalidArgument."""
    config = job.input_config
    if "bigquery_source" in config:
        table = sources.tables.parse(config.bigquery_source.input_uri, checks.TABLE)
        with _table(table, sources) as records:
            yield records
        return
    files = sources.paths(Files(tuple(config.gcs_source.uris)), checks.URIS)
    kind = config.instances_format
    if kind == "csv":
        names = csv_rows.header(files)
        yield Records((_named(names, row), None) for row in csv_rows.rows(files))
    elif kind == "jsonl":
        yield Records(row for uri, path in files for row in _json_lines(uri, path))
    elif kind == "file-list":
        yield Records((record, None) for _, path in files for record in _listed(path, sources))
    else:
        packed = kind == "tf-record-gzip"
        yield Records((record, None) for uri, path in files for record in _tf_records(uri, path, packed))


@contextmanager
def _table(table: Table, sources: Sources) -> Iterator[Records]:
    try:
        fields = sources.tables.fields(table)
    except exceptions.NotFound as error:
        raise exceptions.NotFound(f"{checks.TABLE}: {table.uri}: {error.message}") from error
    with sources.tables.workspace() as folder, sources.tables.materialised(table) as rows:
        paths = sources.tables.extract(rows, "NEWLINE_DELIMITED_JSON", folder)
        whole = [field["name"] for field in fields if field["type"] in _WHOLE and field.get("mode") != "REPEATED"]
        names = [field["name"] for field in fields]
        yield Records(((row, None) for path in paths for row in _table_rows(path, names, whole)), fields)


def _table_rows(path: Path, names: list[str], whole: list[str]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            found = orjson.loads(line)
            row = {name: found.get(name) for name in names}
            for name in whole:  # BigQuery writes INT64 as a JSON string
                row[name] = int(row[name]) if row[name] is not None else None
            yield row


def _named(names: list[str], row: list[str]) -> dict[str, Any]:
    return {name: _value(text) for name, text in zip(names, row, strict=True)}


@lru_cache(1 << 16)  # cells repeat
def _value(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _json_lines(uri: str, path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
            if text:
                try:
                    yield orjson.loads(text), text
                except ValueError as error:
                    yield exceptions.InvalidArgument(f"{uri}, line {number} is not JSON: {error}"), None


def _listed(path: Path, sources: Sources) -> Iterator[Any]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.reader(file):
            if row:
                yield _content(row[0].strip(), sources)


def _content(uri: str, sources: Sources) -> Any:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    try:
        return _b64(sources.objects.local_path(bucket, name).read_bytes())
    except exceptions.NotFound:
        return exceptions.NotFound(f"{uri} is not found.")


def _tf_records(uri: str, path: Path, packed: bool) -> Iterator[Any]:
    """TFRecord framing: length (8 bytes), its checksum (4), the data, its checksum (4)."""
    with gzip.open(path, "rb") if packed else path.open("rb") as file:
        while head := file.read(12):
            data = framed(file, head)
            if data is None:
                yield exceptions.InvalidArgument(f"{uri} is not a TFRecord file, or is cut off.")
                return
            yield _b64(data)


def framed(file: Any, head: bytes) -> bytes | None:
    """The next record's data, whose first 12 bytes are read; None where the file is cut off, or is another one."""
    if len(head) < 12:
        return None
    length = struct.unpack("<Q", head[:8])[0]
    if length > 1 << 31:
        return None
    data: bytes = file.read(length + 4)
    return data[:length] if len(data) == length + 4 else None


def _b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}

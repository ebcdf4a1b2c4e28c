"""The training dataset of a monitored model: from BigQuery, Cloud Storage or a managed dataset, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.batch_prediction.records import framed
from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.datasets import csv_rows
from gcpmlops.emulator.services.datasets.rows import DatasetRows
from gcpmlops.emulator.services.datasets.sources import Source, Sources, files_of
from gcpmlops.emulator.services.model_monitoring.messages import Example
from gcpmlops.emulator.services.prediction.spread import SAMPLING, Spread

FORMATS = ("csv", "jsonl", "tf-record")
_WHOLE = {"INTEGER", "INT64"}
_FLOATS = {"FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC"}


class TrainingData:
    """Reads training datasets.

    Args:
        store: of managed datasets.
        sources: of files and tables.
    """

    def __init__(self, store: ResourceStore, sources: Sources) -> None:
        self._datasets = DatasetRows(store)
        self._sources = sources

    def check(self, dataset: Any, field: str) -> list[str]:
        """The columns without the target. Raises InvalidArgument, NotFound naming the field."""
        source, kind = self._source(dataset, field)
        names = self._names(source, kind, field)
        if dataset.target_field and names and dataset.target_field not in names:
            raise validate.invalid(f"{field}.target_field", f"the data have no column {dataset.target_field!r}.")
        return [name for name in names if name != dataset.target_field]

    def columns(self, dataset: Any, wanted: Sequence[str], field: str) -> dict[str, list[Any]]:
        """The values of these columns, by name, of the rows that the sampling strategy takes."""
        source, kind = self._source(dataset, field)
        rate = dataset.logging_sampling_strategy.random_sample_config.sample_rate or 1.0
        points = Spread(SAMPLING)
        found: dict[str, list[Any]] = {name: [] for name in wanted}
        for row in self._rows(source, kind, wanted, field):
            if points.point() < rate:
                for name in wanted:
                    found[name].append(row.get(name))
        return found

    def _source(self, dataset: Any, field: str) -> tuple[Source, str]:
        """Where the data are, and the format of files."""
        if dataset.dataset:
            return self._managed(dataset.dataset, field), "csv"
        if dataset.bigquery_source.input_uri:
            at = f"{field}.bigquery_source.input_uri"
            table = self._sources.tables.parse(dataset.bigquery_source.input_uri, at)
            if not table.table:
                raise validate.invalid(at, f"{table.uri!r} is not bq://PROJECT.DATASET.TABLE.")
            return table, ""
        if not dataset.gcs_source.uris:
            raise validate.invalid(field, "a bigquery_source, a gcs_source or a dataset is required, but missing.")
        if dataset.data_format not in FORMATS:
            allowed = ", ".join(FORMATS)
            raise validate.invalid(f"{field}.data_format", f"{dataset.data_format!r} is not one of {allowed}.")
        return files_of(dataset.gcs_source.uris, f"{field}.gcs_source.uris"), dataset.data_format

    def _managed(self, name: str, field: str) -> Source:
        metadata = json_format.MessageToDict(types.Dataset.pb(self._datasets.get(name)).metadata)
        source = self._sources.parse(metadata)
        if source is None:
            raise validate.invalid(f"{field}.dataset", f"{name} is no tabular dataset with a source.")
        return source

    def _names(self, source: Source, kind: str, field: str) -> list[str]:
        if isinstance(source, Table):
            return [column["name"] for column in self._fields(source, field)]
        files = self._sources.paths(source, f"{field}.gcs_source.uris")
        if kind == "csv":
            return csv_rows.header(files)
        first = next(iter(_READERS[kind](*files[0])), {})
        return list(first)

    def _fields(self, table: Table, field: str) -> list[dict[str, Any]]:
        try:
            return self._sources.tables.fields(table)
        except exceptions.NotFound as error:
            raise exceptions.NotFound(f"{field}.bigquery_source: {table.uri}: {error.message}") from error

    def _rows(self, source: Source, kind: str, wanted: Sequence[str], field: str) -> Iterable[Mapping[str, Any]]:
        if isinstance(source, Table):
            return self._table_rows(source, wanted, field)
        files = self._sources.paths(source, f"{field}.gcs_source.uris")
        if kind == "csv":
            names = csv_rows.header(files)
            return (dict(zip(names, map(_text, row), strict=True)) for row in csv_rows.rows(files))
        return (row for uri, path in files for row in _READERS[kind](uri, path))

    def _table_rows(self, table: Table, wanted: Sequence[str], field: str) -> Iterator[Mapping[str, Any]]:
        fields = [each for each in self._fields(table, field) if each["name"] in wanted]
        whole = [each["name"] for each in fields if each["type"] in _WHOLE]
        floats = [each["name"] for each in fields if each["type"] in _FLOATS]
        tables = self._sources.tables
        with tables.workspace() as folder, tables.materialised(table) as stored:
            for path in tables.extract(stored, "NEWLINE_DELIMITED_JSON", folder):
                for row in _lines(path):
                    yield row | _cast(row, whole, int) | _cast(row, floats, float)


def _cast(row: Mapping[str, Any], names: Iterable[str], kind: type[int] | type[float]) -> dict[str, Any]:
    """BigQuery writes INT64 and NUMERIC as strings, and NaN too."""
    return {name: kind(row[name]) for name in names if row.get(name) is not None}


def _text(value: str) -> str | None:
    return value or None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _json_rows(uri: str, path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise exceptions.InvalidArgument(f"{uri}, line {number}: not JSON: {error}.") from error
            if not isinstance(row, dict):
                raise exceptions.InvalidArgument(f"{uri}, line {number}: not an object.")
            yield row


def _examples(uri: str, path: Path) -> Iterator[dict[str, Any]]:
    """TFRecords of tf.train.Example; features of several values are lists."""
    with path.open("rb") as file:
        while head := file.read(12):
            data = framed(file, head)
            if data is None:
                raise exceptions.InvalidArgument(f"{uri} is not a TFRecord file, or is cut off.")
            example = Example.FromString(data)
            yield {entry.key: _feature(entry.value) for entry in example.features.feature}


def _feature(feature: Any) -> Any:
    values = [
        *(value.decode(errors="replace") for value in feature.bytes_list.value),
        *feature.float_list.value,
        *feature.int64_list.value,
    ]
    return None if not values else values[0] if len(values) == 1 else values


_READERS = {"jsonl": _json_rows, "tf-record": _examples}

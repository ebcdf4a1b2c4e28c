"""What the metadata of a tabular dataset points to: CSV files in Cloud Storage, or a BigQuery table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.bigquery.tables import Table, Tables
from gcpmlops.emulator.services.datasets import csv_rows

_FIELD = "dataset.metadata.input_config"


@dataclass(frozen=True)
class Files:
    """CSV files: gs:// URIs, which may hold wildcards."""

    uris: Sequence[str]


Source = Files | Table


class Sources:
    """Reads and checks dataset sources."""

    def __init__(self, objects: ObjectStore, tables: Tables) -> None:
        self.objects = objects
        self.tables = tables

    def parse(self, metadata: Any) -> Source | None:
        """The source in a dataset's metadata (a dict); None where it names none.

        Raises: InvalidArgument naming the field.
        """
        config = _member(metadata, "inputConfig")
        files = _member(_member(config, "gcsSource"), "uri")
        table = _member(_member(config, "bigquerySource"), "uri")
        if files and table:
            raise validate.invalid(_FIELD, "only one of gcs_source and bigquery_source can be set.")
        if table:
            return self._table(table)
        return files_of([files] if isinstance(files, str) else files, f"{_FIELD}.gcs_source.uri") if files else None

    def check(self, source: Source) -> None:
        """The data are there. Raises NotFound naming the file or the table, InvalidArgument for files without rows."""
        if isinstance(source, Table):
            self.columns(source)
        else:
            csv_rows.header(self.paths(source))

    def columns(self, source: Source) -> list[str]:
        """The names of the (top) columns. Raises NotFound, InvalidArgument."""
        if isinstance(source, Files):
            return csv_rows.header(self.paths(source))
        try:
            return [field["name"] for field in self.tables.fields(source)]
        except exceptions.NotFound as error:
            raise exceptions.NotFound(f"{_FIELD}.bigquery_source: {source.uri}: {error.message}") from error

    def paths(self, source: Files, field: str = f"{_FIELD}.gcs_source") -> list[tuple[str, Path]]:
        """URIs and local files, in the order of the URIs. Raises NotFound naming the URI that matches nothing."""
        found = {uri: path for pattern in source.uris for uri, path in self._expand(pattern, field)}
        return sorted(found.items())

    def _expand(self, uri: str, field: str) -> list[tuple[str, Path]]:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        try:
            if "*" not in name:
                return [(uri, self.objects.local_path(bucket, name))]
            prefix, _, suffix = name.partition("*")
            names = [item.name for item in self.objects.list(bucket, prefix) if item.name.endswith(suffix)]
        except exceptions.NotFound as error:
            raise exceptions.NotFound(f"{field}: {uri} is not found: {error.message}") from error
        if not names:
            raise exceptions.NotFound(f"{field}: {uri} matches no object.")
        return [(f"gs://{bucket}/{found}", self.objects.local_path(bucket, found)) for found in names]

    def _table(self, uri: Any) -> Table:
        table = self.tables.parse(str(uri), f"{_FIELD}.bigquery_source.uri")
        if not table.table:
            raise validate.invalid(f"{_FIELD}.bigquery_source.uri", f"{uri!r} is not bq://PROJECT.DATASET.TABLE.")
        return table


def files_of(uris: Any, field: str) -> Files:
    """Raises InvalidArgument naming the field and the URI that is not gs://BUCKET/OBJECT, with one wildcard at most."""
    for uri in uris:
        bucket, _, name = str(uri).removeprefix("gs://").partition("/")
        if not str(uri).startswith("gs://") or not bucket or not name or name.count("*") > 1:
            raise validate.invalid(field, f"{uri!r} is not gs://BUCKET/OBJECT.")
    return Files(tuple(uris))


def normalised(metadata: Any) -> Any:
    """The metadata with the names that Google's clients read, whatever spelling it came in."""
    if not isinstance(metadata, dict) or "input_config" not in metadata:
        return metadata
    config = dict(metadata["input_config"])
    for name, proper in (("gcs_source", "gcsSource"), ("bigquery_source", "bigquerySource")):
        if name in config:
            config[proper] = config.pop(name)
    rest = {key: value for key, value in metadata.items() if key != "input_config"}
    return {"inputConfig": config, **rest}


def _member(value: Any, name: str) -> Any:
    return normalised(value).get(name) if isinstance(value, dict) else None

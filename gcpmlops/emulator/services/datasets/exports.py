"""A tabular dataset's rows, split, as CSV files in Cloud Storage or as BigQuery tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.datasets import csv_rows, splits, sql
from gcpmlops.emulator.services.datasets.sources import Files, Source, Sources
from gcpmlops.emulator.services.datasets.splits import IGNORED, SETS, Split

_ROWS_PER_FILE = 250_000
Counts = tuple[int, int, int]


@dataclass(frozen=True)
class Exported:
    """Where the sets are, with how many rows each; `files` are the gs:// URIs behind wildcard URIs."""

    uris: tuple[str, str, str]
    counts: Counts
    files: Sequence[str] = ()


class Exports:
    """Writes the sets of a dataset."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._tables = sources.tables

    def to_files(self, source: Source, split: Split, directory: str) -> Exported:
        """`DIRECTORY/training-00000-of-00001.csv` and so on, each with the header.

        Raises: NotFound for data that is gone, InvalidArgument for a missing column or a training set without rows.
        """
        self._check_key(source, split)
        with self._tables.workspace() as workspace:
            files = self._local(source, workspace)
            names = csv_rows.header(files)
            sets = _assigned(files, names, split)
            counts = _counted(sets, split)
            shards = _write(files, names, sets, workspace)
            written = [uri for name in SETS for uri in self._store(shards[name], directory, name)]
        training, validation, test = (f"{directory}/{name}-*.csv" for name in SETS)
        return Exported((training, validation, test), counts, written)

    def everything(self, source: Source, directory: str) -> list[str]:
        """All rows as `DIRECTORY/data-00000-of-00001.csv` and so on; the files' URIs."""
        with self._tables.workspace() as workspace:
            files = self._local(source, workspace)
            with ExitStack() as stack:
                shards = _Shards(workspace, "data", csv_rows.header(files), stack)
                for row in csv_rows.rows(files):
                    shards.write(row)
            return self._store(shards.paths, directory, "data")

    def write_text(self, uri: str, text: str, content_type: str) -> None:
        """A text as an object."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        with self._tables.workspace() as workspace:
            path = workspace / "text"
            path.write_text(text, encoding="utf-8")
            self.sources.objects.upload(bucket, name, path, content_type)

    def to_tables(self, source: Source, split: Split, destination: Table, location: str) -> Exported:
        """`DATASET.training`, `.validation` and `.test`; the dataset is made. Raises as `to_files`."""
        self._check_key(source, split)
        self._tables.create_dataset(destination, location)
        with self._as_table(source, destination) as rows:
            for at, name in enumerate(SETS):
                target = Table(destination.project, destination.dataset, name)
                self._tables.query(target.project, sql.create(self._tables, target, rows, split, at))
        tables = [Table(destination.project, destination.dataset, name) for name in SETS]
        training, validation, test = (sql.count(self._tables, table) for table in tables)
        _check_training(training, split)
        return Exported((tables[0].uri, tables[1].uri, tables[2].uri), (training, validation, test))

    def _check_key(self, source: Source, split: Split) -> None:
        columns = self.sources.columns(source)
        if split.key and split.key not in columns:
            what = f"the dataset has no column {split.key!r}; its columns are {', '.join(columns)}"
            raise exceptions.InvalidArgument(f"{split.kind}_split.key: {what}.")

    def _local(self, source: Source, workspace: Path) -> list[tuple[str, Path]]:
        if isinstance(source, Files):
            return self.sources.paths(source)
        return [(source.uri, path) for path in self._extracted(source, workspace)]

    def _extracted(self, source: Table, workspace: Path) -> list[Path]:
        folder = workspace / "table"
        folder.mkdir()
        with self._tables.materialised(source) as table:
            return self._tables.extract(table, "CSV", folder)

    @contextmanager
    def _as_table(self, source: Source, destination: Table) -> Iterator[Table]:
        if isinstance(source, Table):
            yield source
            return
        table = self._tables.temporary(destination)
        config = {"sourceFormat": "CSV", "autodetect": True}
        with self._tables.workspace() as workspace:
            self._tables.load(table, [_joined(self.sources.paths(source), workspace / "rows.csv")], config)
        try:
            yield table
        finally:
            self._tables.delete(table)

    def _store(self, shards: Sequence[Path], directory: str, name: str) -> list[str]:
        bucket, _, prefix = directory.removeprefix("gs://").partition("/")
        uris = []
        for at, path in enumerate(shards):
            target = f"{prefix}/{name}-{at:05d}-of-{len(shards):05d}.csv"
            self.sources.objects.upload(bucket, target, path, "text/csv")
            uris.append(f"gs://{bucket}/{target}")
        return uris


def _assigned(files: csv_rows.NamedFiles, names: Sequence[str], split: Split) -> list[int]:
    column = names.index(split.key) if split.key else None
    prints: list[int] = []
    keys: list[str] = []
    for row in csv_rows.rows(files):
        prints.append(splits.fingerprint(row))
        if column is not None:
            keys.append(row[column])
    return splits.assign(split, prints, keys)


def _counted(sets: Sequence[int], split: Split) -> Counts:
    training, validation, test = (sets.count(at) for at in range(len(SETS)))
    _check_training(training, split)
    return training, validation, test


def _check_training(rows: int, split: Split) -> None:
    if rows == 0 and (split.kind == "predefined" or split.shares[0] > 0):
        values = f"no row has a value in column {split.key!r} that puts it there" if split.key else "it gets no row"
        raise exceptions.InvalidArgument(f"{split.kind}_split: the training set is empty: {values}.")


def _write(
    files: csv_rows.NamedFiles, names: Sequence[str], sets: Sequence[int], workspace: Path
) -> dict[str, list[Path]]:
    """Local files of each set; a set without rows has one file, with the header alone."""
    with ExitStack() as stack:
        writers = [_Shards(workspace, name, names, stack) for name in SETS]
        for row, at in zip(csv_rows.rows(files), sets, strict=True):
            if at != IGNORED:
                writers[at].write(row)
        return {name: writer.paths for name, writer in zip(SETS, writers, strict=True)}


class _Shards:
    """Writes rows into one file after the other."""

    def __init__(self, workspace: Path, name: str, names: Sequence[str], stack: ExitStack) -> None:
        self._base = workspace / name
        self._names = names
        self._stack = stack
        self._rows = 0
        self.paths: list[Path] = []
        self._open()

    def write(self, row: Sequence[str]) -> None:
        if self._rows == _ROWS_PER_FILE:
            self._open()
        self._writer.writerow(row)
        self._rows += 1

    def _open(self) -> None:
        path = self._base.with_name(f"{self._base.name}-{len(self.paths)}")
        file = self._stack.enter_context(path.open("w", newline="", encoding="utf-8"))
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(self._names)
        self._rows = 0
        self.paths.append(path)


def _joined(files: csv_rows.NamedFiles, target: Path) -> Path:
    """All rows in one file below one header."""
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(csv_rows.header(files))
        writer.writerows(csv_rows.rows(files))
    return target

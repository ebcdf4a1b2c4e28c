"""Where the rows come from: a DataFrame, BigQuery, files here or in Cloud Storage, a batch prediction's output."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from gcpmlops import _extras
from gcpmlops._batches.outputs import errors_table
from gcpmlops.bigquery import BigQuery
from gcpmlops.evaluation import batch_output
from gcpmlops.exceptions import InvalidArgument, NotFound
from gcpmlops.storage import Storage
from gcpmlops.types import Path_, is_gs_uri

if TYPE_CHECKING:
    import pandas

SUFFIXES = (".csv", ".parquet", ".jsonl", ".ndjson")
_ALLOWED = (
    "a DataFrame, DATASET.TABLE, a query, a .csv, .parquet or .jsonl file (here or gs://...), "
    "the folder or table of a batch prediction, or its handle"
)


class BatchOutput(Protocol):
    """What a batch prediction job left: a gs:// folder or a table."""

    @property
    def output_uri(self) -> str | None:
        """As gs://BUCKET/FOLDER."""

    @property
    def output_table(self) -> str | None:
        """As PROJECT.DATASET.TABLE."""


Data: TypeAlias = "pandas.DataFrame | str | Path | BatchOutput"


class Sources:
    """Reads data of any kind into a DataFrame; of a batch prediction instances and predictions become columns."""

    def __init__(self, bigquery: BigQuery, storage: Storage) -> None:
        self._bigquery = bigquery
        self._storage = storage

    def frame(self, data: Data) -> pandas.DataFrame:
        """The rows, numbered from 0. Raises InvalidArgument, NotFound, MissingExtra, and what a query raises."""
        make = _extras.need("pandas", extra="evaluation", purpose="an evaluation").DataFrame
        _extras.need("sklearn", extra="evaluation", purpose="an evaluation")
        if isinstance(data, make):
            whole: pandas.DataFrame = data.reset_index(drop=True)
            return whole
        if isinstance(data, Path):
            return self._local(data)
        given: Any = data
        if hasattr(data, "output_uri") or hasattr(data, "output_table"):
            given = _output_of(data)
            if not is_gs_uri(given):
                return self._table(given.removeprefix("bq://"), predictions=True)
        if not isinstance(given, str) or not given.strip():
            raise InvalidArgument(f"{type(data).__name__} is not data to evaluate", field="data", allowed=_ALLOWED)
        return self._named(given.strip())

    def text(self, path: Path_) -> str:
        """The content of a text file, here or in Cloud Storage. Raises InvalidArgument, NotFound."""
        try:
            content = self._storage.read(str(path)) if is_gs_uri(path) else Path(path).read_bytes()
            return content.decode()
        except OSError as exc:
            raise InvalidArgument(f"{path}: {exc.strerror}", field="path", value=str(path)) from exc
        except UnicodeDecodeError as exc:
            raise InvalidArgument(f"{path} is no text: {exc}", field="path", value=str(path)) from exc

    def _named(self, data: str) -> pandas.DataFrame:
        if is_gs_uri(data):
            return self._remote(data)
        if data.lower().endswith(SUFFIXES) or Path(data).is_dir():
            return self._local(Path(data))
        if any(character.isspace() for character in data):
            return batch_output.expanded(self._bigquery.query(data).to_dataframe())
        return self._table(data.removeprefix("bq://").replace(":", ".", 1))

    def _table(self, name: str, *, predictions: bool = False) -> pandas.DataFrame:
        self._bigquery.get_table(name)  # a missing one is NotFound with its name
        frame = batch_output.expanded(self._bigquery.query(f"SELECT * FROM `{name}`").to_dataframe())
        predictions = predictions or name.rpartition(".")[2].startswith("predictions")
        return batch_output.lacking(frame, self._failed_rows(name)) if predictions else frame

    def _failed_rows(self, name: str) -> int:
        """Rows of the table of errors that a batch prediction puts beside its predictions."""
        try:
            return self._bigquery.get_table(errors_table(name)).rows or 0
        except NotFound:
            return 0

    def _local(self, path: Path) -> pandas.DataFrame:
        try:
            paths = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
            return _together({str(each): each.read_bytes for each in paths}, str(path), whole=path.is_file())
        except OSError as exc:
            raise InvalidArgument(f"{exc.filename}: {exc.strerror}", field="data", value=str(path)) from exc

    def _remote(self, uri: str) -> pandas.DataFrame:
        if uri.lower().endswith(SUFFIXES):
            return _together({uri: lambda: self._storage.read(uri)}, uri, whole=True)
        objects = [each.uri for each in self._storage.list(f"{uri.rstrip('/')}/") if not each.name.endswith("/")]
        if not objects:
            raise NotFound(f"there is nothing under {uri.rstrip('/')}/", resource=uri)
        return _together({each: _reader(self._storage, each) for each in objects}, uri, whole=False)


def _output_of(job: Any) -> str:
    found = getattr(job, "output_table", None) or getattr(job, "output_uri", None)
    if not found:
        name = getattr(job, "name", "the batch prediction")
        raise InvalidArgument(f"{name} has no output yet", field="data", allowed="a job that has succeeded")
    return str(found)


def _reader(storage: Storage, uri: str) -> Callable[[], bytes]:
    return lambda: storage.read(uri)


def _together(files: dict[str, Callable[[], bytes]], where: str, *, whole: bool) -> pandas.DataFrame:
    """A batch prediction's results where there are some, else all files of data."""
    import pandas

    results = {name: read for name, read in files.items() if batch_output.is_results(name)}
    _check_one(results, where)
    chosen = results or {n: read for n, read in files.items() if whole or PurePosixPath(n).suffix.lower() in SUFFIXES}
    if not chosen:
        few = ", ".join(sorted(files)[:5])
        raise InvalidArgument(f"{where} holds no data: {few}", field="data", value=where, allowed=_ALLOWED)
    parts = [part for part in (_parsed(name, read()) for name, read in chosen.items()) if len(part.columns)]
    frame = pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame()
    failed = [name for name in files if batch_output.is_errors(name)] if results else []
    return batch_output.lacking(frame, sum(len(_parsed(name, files[name]())) for name in failed))


def _check_one(results: dict[str, Any], where: str) -> None:
    """Raises InvalidArgument where the results of several jobs lie under one folder."""
    folders = sorted({name.rpartition("/")[0] for name in results})
    if len(folders) > 1:
        raise InvalidArgument(
            f"{where} holds the output of {len(folders)} batch predictions",
            field="data",
            value=where,
            allowed=f"one of them, such as {folders[-1]}",
        )


def _parsed(name: str, content: bytes) -> pandas.DataFrame:
    """By suffix; a batch prediction's files have none, and are JSON lines or CSV."""
    import pandas

    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".parquet":
            return batch_output.expanded(pandas.read_parquet(io.BytesIO(content)))
        if suffix != ".csv" and content.lstrip()[:1] in (b"{", b""):
            return batch_output.from_lines(list(_lines(name, content)))
        return batch_output.expanded(pandas.read_csv(io.BytesIO(content), low_memory=False))
    except InvalidArgument:
        raise
    except (ValueError, OSError) as exc:  # what pandas and pyarrow raise for files that are none
        raise InvalidArgument(f"{name} cannot be read: {exc}", field="data", value=name) from exc


def _lines(name: str, content: bytes) -> Iterator[dict[str, Any]]:
    import json

    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as exc:
            raise InvalidArgument(f"{name}:{number} is not JSON: {exc}", field="data", value=name) from exc
        if not isinstance(found, dict):
            raise InvalidArgument(f"{name}:{number} is not an object", field="data", value=name)
        yield found

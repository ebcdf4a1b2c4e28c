"""What a batch prediction has written: sharded files in Cloud Storage, or a table of predictions and one of errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcpmlops._extras import need
from gcpmlops.exceptions import FailedPrecondition, NotFound

if TYPE_CHECKING:
    import pandas

    from gcpmlops.bigquery import BigQuery
    from gcpmlops.storage import Storage

RESULTS, ERRORS = "prediction.results", "prediction.errors_stats"


def errors_table(predictions: str) -> str:
    """The table of errors beside one of predictions: a job's own names, or the caller's with `_errors`."""
    head, _, name = predictions.rpartition(".")
    own = name.replace("predictions", "errors", 1) if name.startswith("predictions") else f"{name}_errors"
    return f"{head}.{own}"


@dataclass(frozen=True)
class InstanceError:
    """An instance that could not be predicted; `instance` is its key where the job has a key field."""

    instance: Any
    code: int
    message: str


class Outputs:
    """Reads the output of one job; `proto` is Google's BatchPredictionJob. API: Cloud Storage JSON v1, BigQuery v2."""

    def __init__(self, proto: Any, storage: Storage, bigquery: BigQuery) -> None:
        self._proto = proto
        self._storage = storage
        self._bigquery = bigquery

    @property
    def uri(self) -> str:
        """The gs:// folder; empty for tables, and before there is one."""
        return str(self._proto.output_info.gcs_output_directory)

    @property
    def table(self) -> str:
        """PROJECT.DATASET.TABLE of the predictions; empty for files, and before there is one."""
        info = self._proto.output_info
        dataset = str(info.bigquery_output_dataset).removeprefix("bq://")
        return f"{dataset}.{info.bigquery_output_table or 'predictions'}" if dataset else ""

    def errors(self) -> list[InstanceError]:
        """Every instance that failed. Raises FailedPrecondition before there is an output."""
        if self._where() == self.uri:
            return [_error(line) for line in self._lines(ERRORS)]
        try:
            rows = self._bigquery.query(f"SELECT * FROM `{errors_table(self.table)}`").rows()
        except NotFound:
            return []
        return [_error({**_instance(_without(row, "errors")), "error": row["errors"]}) for row in rows]

    def to_dataframe(self) -> pandas.DataFrame:
        """Every prediction in the order of the output: the instance's fields, or `instance`, and `prediction`.

        Raises FailedPrecondition before there is an output, MissingExtra without pandas.
        """
        library = need("pandas", extra="evaluation", purpose="to_dataframe()")
        if self._where() == self.uri:
            made: pandas.DataFrame = library.DataFrame([_row(line) for line in self._lines(RESULTS)])
            return made
        return self._bigquery.query(f"SELECT * FROM `{self.table}`").to_dataframe()

    def _where(self) -> str:
        found = self.uri or self.table
        if not found:
            raise FailedPrecondition(
                f"{self._proto.name} is {self._proto.state.name} and has no output",
                resource=str(self._proto.name),
                next_step="Wait for its end: `.wait()`, or `gcpmlops batch-predictions wait`.",
            )
        return found

    def _lines(self, kind: str) -> Iterator[dict[str, Any]]:
        """One file after the other, each read whole."""
        is_csv = self._proto.output_config.predictions_format == "csv"
        for found in self._storage.list(f"{self.uri.rstrip('/')}/{kind}"):
            text = self._storage.read(f"gs://{found.bucket}/{found.name}").decode()
            yield from _csv_rows(text) if is_csv else map(json.loads, filter(str.strip, text.splitlines()))


def _csv_rows(text: str) -> Iterator[dict[str, Any]]:
    """Cells that are JSON as their values."""
    for row in csv.DictReader(io.StringIO(text)):
        yield {name: _value(cell) for name, cell in row.items()}


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _row(line: dict[str, Any]) -> dict[str, Any]:
    instance = line.get("instance")
    fields = instance if isinstance(instance, dict) else _without(line, "prediction")
    return {**fields, "prediction": line.get("prediction")}


def _instance(row: dict[str, Any]) -> dict[str, Any]:
    """A table's row without its error: a key alone, or the instance's fields."""
    return row if list(row) == ["key"] else {"instance": row}


def _error(line: Any) -> InstanceError:
    """From an error's line; what has another form is all message."""
    if not isinstance(line, dict) or "error" not in line:
        return InstanceError(None, 0, line if isinstance(line, str) else json.dumps(line))
    status = line["error"] if isinstance(line["error"], dict) else {"message": line["error"]}
    named = next((line[name] for name in ("key", "instance") if name in line), _without(line, "error") or None)
    return InstanceError(named, int(status.get("code") or 0), str(status.get("message") or ""))


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}

"""From what a caller gives to Google's BatchPredictionJob: where instances come from, and where predictions go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcpmlops import _google
from gcpmlops._batches.settings import BatchRequest
from gcpmlops._endpoints import values
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri, is_gs_uri, one_of

INSTANCES = ("jsonl", "csv", "bigquery", "file-list", "tf-record", "tf-record-gzip")
PREDICTIONS = ("jsonl", "csv", "bigquery")
_SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".txt": "file-list",
    ".tfrecord": "tf-record", ".tfrecords": "tf-record", ".gz": "tf-record-gzip",
}  # fmt: skip
_TABLE = re.compile(r"(bq://)?([\w:-]+\.)?[\w-]+(\.[\w-]+)?")


@dataclass(frozen=True)
class Source:
    """Where instances come from: objects, a table, a local file, or rows at hand.

    Attributes:
        columns: of rows with names.
    """

    format: str
    uris: list[str] = field(default_factory=list)
    table: str = ""
    file: Path | None = None
    rows: list[Any] | None = None
    columns: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, given: Any, instances_format: str | None, *, project: str) -> Source:
        """Raises InvalidArgument for what is none of these, or has a format that its name does not tell."""
        if is_gs_uri(given) or (isinstance(given, (list, tuple)) and given and all(map(is_gs_uri, given))):
            uris = [given] if isinstance(given, str) else list(given)
            for uri in uris:
                GsUri.object(uri, field="source")
            return cls(_format(instances_format, uris[0]), uris=uris)
        if hasattr(given, "columns") and hasattr(given, "to_json"):
            _rows_format(instances_format)
            rows = values.instances_of(given, as_records=True)
            return cls("jsonl", rows=rows, columns=[str(column) for column in given.columns])
        if isinstance(given, (str, Path)):
            return _named(given, instances_format, project)
        if hasattr(given, "columns") and hasattr(given, "name"):  # a Table
            return cls("bigquery", table=f"bq://{given.name}")
        _rows_format(instances_format)
        instances = values.instances_of(given, as_records=True)
        if not instances:
            raise InvalidArgument("the source has no instances", field="source", allowed="one instance or more")
        return cls("jsonl", rows=instances)

    @property
    def is_there(self) -> bool:
        """Whether it lies where the service can read it."""
        return bool(self.uris or self.table)

    def content(self) -> bytes:
        """The rows as JSON lines. Raises InvalidArgument for a row that JSON has no form for."""
        return b"".join(_line(number, row) for number, row in enumerate(self.rows or ()))

    def config(self) -> _google.batch_prediction_job.BatchPredictionJob.InputConfig:
        """Google's message."""
        found = _google.batch_prediction_job.BatchPredictionJob.InputConfig(instances_format=self.format)
        if self.table:
            found.bigquery_source = _google.io.BigQuerySource(input_uri=self.table)
        else:
            found.gcs_source = _google.io.GcsSource(uris=self.uris)
        return found


def _line(number: int, row: Any) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as exc:
        raise InvalidArgument(
            f"instance {number} cannot be written as JSON: {exc}",
            field="source",
            value=row,
            allowed="text, numbers, booleans, None, lists and objects; None instead of NaN",
        ) from exc


def destination_of(
    given: str | GsUri, predictions_format: str | None, *, project: str
) -> _google.batch_prediction_job.BatchPredictionJob.OutputConfig:
    """A gs:// folder, or a table's or dataset's name, as Google's message. Raises InvalidArgument."""
    to_files = is_gs_uri(str(given))
    wanted = predictions_format or ("jsonl" if to_files else "bigquery")
    allowed = PREDICTIONS[:2] if to_files else PREDICTIONS[2:]
    if wanted not in allowed:
        raise InvalidArgument(field="predictions_format", value=wanted, allowed=f"{', '.join(allowed)} for {given}")
    found = _google.batch_prediction_job.BatchPredictionJob.OutputConfig(predictions_format=wanted)
    if to_files:
        GsUri.parse(str(given), field="destination")
        found.gcs_destination = _google.io.GcsDestination(output_uri_prefix=str(given))
    else:
        found.bigquery_destination = _google.io.BigQueryDestination(output_uri=_bq(str(given), project, "destination"))
    return found


def instance_config(
    source: Source, request: BatchRequest
) -> _google.batch_prediction_job.BatchPredictionJob.InstanceConfig:
    """What of each row the model gets. A DataFrame's columns go in their order, as an array unless told otherwise."""
    included, excluded = (
        [given] if isinstance(given, str) else list(given)  # a str is a sequence of letters otherwise
        for given in (request.included_fields, request.excluded_fields)
    )
    if included and excluded:
        raise InvalidArgument(
            "both included_fields and excluded_fields were given", field="excluded_fields", allowed="one of the two"
        )
    for name in [*included, *excluded, *([request.key_field] if request.key_field else [])]:
        if source.columns and name not in source.columns:
            allowed = ", ".join(source.columns)
            raise InvalidArgument(f"the DataFrame has no column {name!r}", field="source", value=name, allowed=allowed)
    if source.columns:
        left_out = {*excluded, request.key_field}
        included, excluded = included or [name for name in source.columns if name not in left_out], []
    return _google.batch_prediction_job.BatchPredictionJob.InstanceConfig(
        instance_type=request.instance_type or ("array" if source.columns else ""),
        key_field=request.key_field or "",
        included_fields=included,
        excluded_fields=excluded,
    )


def resources(request: BatchRequest) -> _google.machine_resources.BatchDedicatedResources:
    """As many replicas at the end as at the start: batch prediction does not scale."""
    if request.replicas < 1:
        raise InvalidArgument(field="replicas", value=request.replicas, allowed="1 or more")
    machine = _google.machine_resources.MachineSpec(machine_type=request.machine_type)
    if request.accelerator_type:
        kinds = _google.accelerator_type.AcceleratorType
        kind = one_of(request.accelerator_type, kinds.__members__, field="accelerator_type")
        machine.accelerator_type = getattr(kinds, kind)
        machine.accelerator_count = request.accelerator_count or 1
    return _google.machine_resources.BatchDedicatedResources(
        machine_spec=machine, starting_replica_count=request.replicas, max_replica_count=request.replicas
    )


def parameters_value(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """The field of the job that says them, where there are any."""
    if not parameters:
        return {}
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Value

    return {"model_parameters": ParseDict(dict(parameters), Value())}


def _named(given: str | Path, instances_format: str | None, project: str) -> Source:
    """A local file, or a table's name."""
    path, text = Path(given), str(given)
    if path.is_file():
        return Source(_format(instances_format, text), file=path)
    looks_like_a_file = isinstance(given, Path) or path.suffix.lower() in _SUFFIXES or "/" in text.removeprefix("bq://")
    if looks_like_a_file or instances_format not in (None, "bigquery") or not _TABLE.fullmatch(text) or "." not in text:
        raise InvalidArgument(
            f"{text}: no such file, and not a table's name",
            field="source",
            value=text,
            allowed="gs://BUCKET/OBJECT, a local file, DATASET.TABLE, a DataFrame or a list of instances",
        )
    return Source("bigquery", table=_bq(text, project, "source"))


def _bq(text: str, project: str, field: str) -> str:
    """bq://PROJECT.DATASET[.TABLE] from that, DATASET, DATASET.TABLE or PROJECT.DATASET.TABLE."""
    if text.startswith("bq://"):
        return text
    if not _TABLE.fullmatch(text):
        raise InvalidArgument(
            f"{text!r} is neither a gs:// folder nor a table", field=field, value=text,
            allowed="gs://BUCKET/FOLDER, DATASET, DATASET.TABLE, PROJECT.DATASET.TABLE or bq://PROJECT[.DATASET[.TABLE]]",
        )  # fmt: skip
    return f"bq://{text}" if text.count(".") == 2 else f"bq://{project}.{text}"


def _format(given: str | None, name: str) -> str:
    found = given or _SUFFIXES.get(Path(name).suffix.lower(), "")
    if found not in INSTANCES[:2] + INSTANCES[3:]:
        raise InvalidArgument(
            f"the format of {name} cannot be told" if not given else "",
            field="instances_format",
            value=given,
            allowed=", ".join(name for name in INSTANCES if name != "bigquery"),
        )
    return found


def _rows_format(given: str | None) -> None:
    if given not in (None, "jsonl"):
        raise InvalidArgument(field="instances_format", value=given, allowed="jsonl: rows are sent as JSON lines")

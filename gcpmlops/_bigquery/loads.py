"""Load jobs: format, schema and where the rows come from."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import is_gs_uri, one_of

if TYPE_CHECKING:
    from google.cloud import bigquery

    from gcpmlops.clients import Clients

FORMATS = ("CSV", "NEWLINE_DELIMITED_JSON", "PARQUET", "AVRO", "ORC")
_SUFFIXES = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".json": "NEWLINE_DELIMITED_JSON",
    ".jsonl": "NEWLINE_DELIMITED_JSON",
    ".ndjson": "NEWLINE_DELIMITED_JSON",
    ".parquet": "PARQUET",
    ".avro": "AVRO",
    ".orc": "ORC",
}


def schema_fields(schema: Mapping[str, str]) -> list[bigquery.SchemaField]:
    """From {"column": "TYPE"} or {"column": "TYPE MODE"}; modes are NULLABLE, REQUIRED, REPEATED."""
    from google.cloud import bigquery

    fields = []
    for name, kind in schema.items():
        kind, _, mode = kind.partition(" ")
        mode = one_of(mode or "NULLABLE", ("NULLABLE", "REQUIRED", "REPEATED"), field=f"schema.{name}")
        fields.append(bigquery.SchemaField(name, kind.upper(), mode=mode))
    return fields


def load_config(
    source: Any,
    *,
    source_format: str | None,
    schema: Mapping[str, str] | None,
    skip_leading_rows: int | None,
    max_bad_records: int,
    null_marker: str | None = None,
) -> bigquery.LoadJobConfig:
    """The load job's configuration for this source. Raises InvalidArgument where the format cannot be told."""
    from google.cloud import bigquery

    config = bigquery.LoadJobConfig(max_bad_records=max_bad_records)
    config.source_format = (
        one_of(source_format, FORMATS, field="source_format") if source_format else _format_of(source)
    )
    config.autodetect = schema is None
    if schema is not None:
        config.schema = schema_fields(schema)
    if config.source_format == "CSV":
        if null_marker is not None:
            config.null_marker = null_marker
        if skip_leading_rows is not None or schema is not None:
            config.skip_leading_rows = 1 if skip_leading_rows is None else skip_leading_rows
        if _first(source).removesuffix(".gz").endswith(".tsv"):
            config.field_delimiter = "\t"
    return config


def lay_out(
    config: bigquery.LoadJobConfig, *, partition_field: str | None, clustering_fields: Sequence[str] | None
) -> None:
    """Daily partitions by a column, and clustering, of the table that is loaded into."""
    from google.cloud import bigquery

    if partition_field:
        config.time_partitioning = bigquery.TimePartitioning(field=partition_field)
    if clustering_fields:
        config.clustering_fields = list(clustering_fields)


def start(client: bigquery.Client, source: Any, table: str, config: bigquery.LoadJobConfig, clients: Clients) -> Any:
    """Start the load job that fits the source."""
    uris = _uris(source)
    if uris:
        return client.load_table_from_uri(uris, table, job_config=config, **clients.idempotent)
    timeout = clients.config.timeout
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as file:
            return client.load_table_from_file(file, table, job_config=config, timeout=timeout)
    content = io.BytesIO(_content(source))
    return client.load_table_from_file(content, table, job_config=config, timeout=timeout)


def _content(source: Any) -> bytes:
    """A DataFrame as Parquet, which keeps its types; other rows as JSON lines."""
    if hasattr(source, "to_parquet"):
        return bytes(source.to_parquet(index=False))
    return "\n".join(json.dumps(row, default=str) for row in source).encode()


def _uris(source: Any) -> list[str]:
    values = [source] if isinstance(source, str) else source
    if not isinstance(values, (list, tuple)) or not any(is_gs_uri(value) for value in values):
        return []
    wrong = [value for value in values if not is_gs_uri(value)]
    if wrong:
        raise InvalidArgument(
            f"{wrong[0]!r} is not a gs:// URI", field="source", value=wrong[0], allowed="all gs:// or none"
        )
    return list(values)


def _first(source: Any) -> str:
    uris = _uris(source)
    return uris[0] if uris else str(source) if isinstance(source, (str, Path)) else ""


def _format_of(source: Any) -> str:
    if hasattr(source, "to_parquet"):
        return "PARQUET"
    first = _first(source)
    if not first and isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source) and source:
        return "NEWLINE_DELIMITED_JSON"
    if first and not is_gs_uri(first) and not Path(first).is_file():
        raise InvalidArgument(f"{first}: no such file", field="source", value=first)
    suffix = Path(first.removesuffix(".gz")).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    raise InvalidArgument(
        f"the format of {first or type(source).__name__} cannot be told",
        field="source_format",
        value=first,
        allowed=", ".join(FORMATS),
    )

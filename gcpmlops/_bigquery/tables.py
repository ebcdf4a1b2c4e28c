"""What `client.bigquery` hands back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _html
from gcpmlops.exceptions import translated

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Dataset:
    """A dataset as it was when asked for; `name` is PROJECT.DATASET, `resource` the JSON resource."""

    name: str
    location: str
    labels: Mapping[str, str]
    description: str
    resource: Mapping[str, Any]

    def _repr_html_(self) -> str:
        return _html.card(
            self.name, {"location": self.location, "labels": dict(self.labels), "about": self.description}
        )


@dataclass(frozen=True)
class Table:
    """A table as it was when asked for; `name` is PROJECT.DATASET.TABLE, `columns` maps column to type."""

    name: str
    rows: int | None
    bytes: int | None
    columns: Mapping[str, str]
    labels: Mapping[str, str]
    kind: str
    modified: datetime | None
    resource: Mapping[str, Any]

    def _repr_html_(self) -> str:
        about = f"{self.name} ({self.rows if self.rows is not None else '?'} rows)"
        return _html.grid(about, ("column", "type"), list(self.columns.items()))


class QueryResult:
    """A query that ran: rows are fetched when asked for. `proto` is the official QueryJob."""

    def __init__(self, job: Any, *, destination: str | None) -> None:
        self.proto = job
        self.name: str = job.job_id
        self.state: str = job.state
        self.destination = destination

    @property
    def bytes_processed(self) -> int:
        """Bytes that the query read, or would read."""
        return int(self.proto.total_bytes_processed or 0)

    def rows(self) -> list[dict[str, Any]]:
        """All rows, column -> value."""
        return list(self)

    def to_dataframe(self) -> pandas.DataFrame:
        """All rows as a DataFrame; needs pandas and pyarrow."""
        with translated(f"query {self.name}"):
            table = self.proto.result().to_arrow(create_bqstorage_client=False)
        return table.to_pandas()  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with translated(f"query {self.name}"):
            for row in self.proto.result():
                yield dict(row.items())

    def __repr__(self) -> str:
        return f"QueryResult({self.name!r}, {self.state})"

    def _repr_html_(self) -> str:
        rows = [row for row, _ in zip(self, range(20), strict=False)]
        return _html.grid(self.name, list(rows[0]) if rows else [], [list(row.values()) for row in rows])


def dataset_of(official: Any) -> Dataset:
    """From a Dataset or a DatasetListItem of google.cloud.bigquery."""
    return Dataset(
        name=f"{official.project}.{official.dataset_id}",
        location=getattr(official, "location", None) or official._properties.get("location", ""),
        labels=dict(official.labels),
        description=getattr(official, "description", None) or "",
        resource=dict(official._properties),
    )


def table_of(official: Any) -> Table:
    """From a Table or a TableListItem of google.cloud.bigquery."""
    return Table(
        name=f"{official.project}.{official.dataset_id}.{official.table_id}",
        rows=getattr(official, "num_rows", None),
        bytes=getattr(official, "num_bytes", None),
        columns={field.name: field.field_type for field in getattr(official, "schema", ())},
        labels=dict(official.labels),
        kind=official.table_type or "TABLE",
        modified=getattr(official, "modified", None),
        resource=dict(official._properties),
    )

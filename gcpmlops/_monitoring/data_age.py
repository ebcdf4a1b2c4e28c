"""How old the newest row of a table is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gcpmlops.exceptions import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from gcpmlops.bigquery import BigQuery


def data_age(bigquery: BigQuery, table: str, column: str, *, now: datetime) -> float:
    """In seconds, never below 0; the column is a TIMESTAMP, DATETIME or DATE (UTC). Raises FailedPrecondition."""
    if not re.fullmatch(r"\w+", column):
        raise InvalidArgument(f"{column!r} is no column", field="column", value=column, allowed="a column's name")
    full = bigquery.get_table(table).name
    newest = bigquery.query(f"SELECT CAST(MAX(`{column}`) AS TIMESTAMP) AS newest FROM `{full}`").rows()[0]["newest"]
    if newest is None:
        raise FailedPrecondition(
            f"{table} has no row with a {column}: it has no age", resource=full, next_step="Load it first."
        )
    aware = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
    return float(max(0.0, (now - aware).total_seconds()))

"""Splits in GoogleSQL: the same rules as `splits.assign`, for rows that stay in BigQuery."""

from __future__ import annotations

from gcpmlops.emulator.services.bigquery.tables import Table, Tables
from gcpmlops.emulator.services.datasets import splits
from gcpmlops.emulator.services.datasets.splits import Split

_RANK, _GROUP = "gcpmlops_rank", "gcpmlops_group"
_HASH = "FARM_FINGERPRINT(TO_JSON_STRING(source))"


def create(tables: Tables, target: Table, rows: Table, split: Split, at: int) -> str:
    """The statement that makes the table of set number `at`."""
    head = f"CREATE OR REPLACE TABLE {target.sql} AS"
    if split.kind == "predefined":
        words = ", ".join(f"'{word}'" for word, which in splits.WORDS.items() if which == at)
        return f"{head} SELECT * FROM {rows.sql} WHERE LOWER(TRIM(CAST({_name(split.key)} AS STRING))) IN ({words})"
    if split.kind == "stratified":
        return f"{head} {_stratified(rows, split, at)}"
    return f"{head} {_ranked(tables, rows, split, at)}"


def count(tables: Tables, table: Table) -> int:
    """How many rows a table has."""
    return int(tables.query(table.project, f"SELECT COUNT(*) FROM {table.sql}")[0][0])


def _ranked(tables: Tables, rows: Table, split: Split, at: int) -> str:
    time = f"SAFE_CAST(CAST({_name(split.key)} AS STRING) AS TIMESTAMP)" if split.kind == "timestamp" else ""
    where = f" WHERE {time} IS NOT NULL" if time else ""
    total = int(tables.query(rows.project, f"SELECT COUNT(*) FROM {rows.sql}{where}")[0][0])
    numbers = splits.counts(total, split.shares)
    first = sum(numbers[:at])
    order = f"{time}, {_HASH}" if time else _HASH
    ranked = f"SELECT source.*, ROW_NUMBER() OVER (ORDER BY {order}) AS {_RANK} FROM {rows.sql} AS source{where}"
    return f"SELECT * EXCEPT({_RANK}) FROM ({ranked}) WHERE {_RANK} > {first} AND {_RANK} <= {first + numbers[at]}"


def _stratified(rows: Table, split: Split, at: int) -> str:
    """A row's place within those of its value, from 0 to 1, says its set; where the count starts is up to the value."""
    key = f"CAST({_name(split.key)} AS STRING)"
    common = (
        f"SELECT {key} FROM {rows.sql} GROUP BY 1 HAVING COUNT(*) >= {splits.FEWEST_ROWS} "
        f"ORDER BY COUNT(*) DESC LIMIT {splits.TOP_VALUES}"
    )
    grouped = f"SELECT source.*, IF({key} IN ({common}), {key}, NULL) AS {_GROUP} FROM {rows.sql} AS source"
    start = f"MOD(ABS(FARM_FINGERPRINT(IFNULL({_GROUP}, ''))), 1000) / 1000"
    place = (
        f"(ROW_NUMBER() OVER (PARTITION BY {_GROUP} ORDER BY {_HASH}) - 1 + {start}) "
        f"/ COUNT(*) OVER (PARTITION BY {_GROUP})"
    )
    placed = f"SELECT *, {place} AS {_RANK} FROM ({grouped}) AS source"
    low, high = sum(split.shares[:at]), 1.5 if at == 2 else sum(split.shares[: at + 1])
    return f"SELECT * EXCEPT({_RANK}, {_GROUP}) FROM ({placed}) WHERE {_RANK} >= {low!r} AND {_RANK} < {high!r}"


def _name(column: str) -> str:
    return "`" + column.replace("\\", "\\\\").replace("`", "\\`") + "`"

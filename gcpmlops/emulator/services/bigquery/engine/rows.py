"""Rows in the REST API's JSON, built by DuckDB (ten times faster than building them in Python).

A row is ``{"f": [{"v": cell}, ...]}``; every scalar is a string; a repeated cell is a list of ``{"v": ...}``.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from gcpmlops.emulator.services.bigquery.engine.schema import Field, identifier

_CHUNK_ROWS = 10_000
_PAGE_BYTES = 20_000_000


def page(
    cursor: duckdb.DuckDBPyConnection, table: pa.Table, fields: list[Field], limit: int, int64_timestamp: bool
) -> tuple[bytes, int]:
    """The JSON array of at most `limit` rows of `table`, and how many they are: a page ends after about 20 MB.

    `table` has one column for each of `fields`, in the types of `schema.arrow_type`.
    """
    wanted = min(limit, table.num_rows)
    if not fields:
        return b"[" + b",".join([b'{"f":[]}'] * wanted) + b"]", wanted
    table = table.rename_columns([f"c{index}" for index in range(table.num_columns)])
    sql = f"SELECT {_row(fields, int64_timestamp)} FROM chunk"
    parts: list[bytes] = []
    done = size = 0
    while done < wanted and size < _PAGE_BYTES:
        count = min(_CHUNK_ROWS, wanted - done)
        cursor.register("chunk", table.slice(done, count))
        parts.append(_joined(cursor.execute(sql).to_arrow_table().column(0)))
        cursor.unregister("chunk")
        done, size = done + count, size + len(parts[-1])
    return b"[" + b",".join(parts) + b"]", done


def _joined(rows: pa.ChunkedArray) -> bytes:
    texts = pa.concat_arrays(rows.chunks).cast(pa.large_string())
    everything = pa.LargeListArray.from_arrays(pa.array([0, len(texts)], pa.int64()), texts)
    joined: bytes = pc.binary_join(everything, pa.scalar(",", pa.large_string()))[0].as_buffer().to_pybytes()
    return joined


def _row(fields: list[Field], int64_timestamp: bool) -> str:
    return _record([_cell(f"c{index}", field, int64_timestamp, 0) for index, field in enumerate(fields)])


def _record(cells: list[str]) -> str:
    # None of the cells is NULL, so concat() is as good as || and twice as fast.
    return 'concat(\'{"f":[{"v":\', ' + ", '},{\"v\":', ".join(cells) + ", '}]}')"


def _cell(name: str, field: Field, int64_timestamp: bool, depth: int) -> str:
    if field["mode"] == "REPEATED":
        variable = f"x{depth}"
        inner = _cell(variable, {**field, "mode": "NULLABLE"}, int64_timestamp, depth + 1)
        items = f"list_transform({name}, lambda {variable}: concat('{{\"v\":', {inner}, '}}'))"
        return f"coalesce('[' || array_to_string({items}, ',') || ']', '[]')"
    if field["type"] == "RECORD":
        cells = [_cell(f"{name}.{identifier(sub['name'])}", sub, int64_timestamp, depth) for sub in field["fields"]]
        return f"CASE WHEN {name} IS NULL THEN 'null' ELSE {_record(cells)} END"
    return f"coalesce({_scalar(name, field['type'], int64_timestamp)}, 'null')"


def _scalar(name: str, kind: str, int64_timestamp: bool) -> str:
    if kind == "FLOAT":
        return (
            f"CASE WHEN isnan({name}) THEN '\"NaN\"' WHEN isinf({name}) THEN "
            f"(CASE WHEN {name} > 0 THEN '\"Infinity\"' ELSE '\"-Infinity\"' END) "
            f"ELSE '\"' || {name}::VARCHAR || '\"' END"
        )
    if kind == "TIMESTAMP":
        value = f"epoch_us({name})::VARCHAR" if int64_timestamp else f"(epoch_us({name}) / 1000000.0)::VARCHAR"
    elif kind == "BOOLEAN":
        value = f"(CASE WHEN {name} THEN 'true' ELSE 'false' END || substr({name}::VARCHAR, 1, 0))"
    elif kind == "BYTES":
        value = f"base64({name})"
    elif kind == "DATETIME":
        value = f"replace({name}::VARCHAR, ' ', 'T')"
    elif kind in ("NUMERIC", "BIGNUMERIC"):
        value = f"rtrim(rtrim({name}::VARCHAR, '0'), '.')"
    elif kind == "TIME":
        padded = f"strftime(DATE '2000-01-01' + {name}, '%H:%M:%S.%f')"  # clients want six digits or none
        value = f"CASE WHEN microsecond({name}) % 1000000 = 0 THEN {name}::VARCHAR ELSE {padded} END"
    elif kind in ("INTEGER", "DATE"):
        value = f"{name}::VARCHAR"
    else:
        return f"to_json({name})::VARCHAR"
    return f"'\"' || {value} || '\"'"

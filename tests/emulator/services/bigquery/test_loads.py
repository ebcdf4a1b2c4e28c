"""Load jobs through the official client."""

from __future__ import annotations

import gzip
import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core import exceptions
from google.cloud import bigquery

PROJECT = "test-project"
SCHEMA = [
    bigquery.SchemaField("id", "INTEGER"),
    bigquery.SchemaField("name", "STRING"),
    bigquery.SchemaField("at", "TIMESTAMP"),
]
GOOD = "id,name,at\n1,x,2020-01-01 00:00:00\n2,,2020-01-02T00:00:00Z\n"
BROKEN = "id,name,at\n1,x,2020-01-01 00:00:00\nabc,y,2020-01-02 00:00:00\n"


def load(client, uri, table, **options):
    return client.load_table_from_uri(uri, table, job_config=bigquery.LoadJobConfig(**options)).result()


def rows(client, table):
    return [tuple(row.values()) for row in client.list_rows(table)]


def test_wildcard_with_detected_schema(client, dataset, objects):
    objects.put("gs://wild/part-1.csv", GOOD)
    objects.put("gs://wild/part-2.csv", "id,name,at\n3,z,2020-01-03 00:00:00\n")
    job = load(client, "gs://wild/part-*.csv", f"{dataset}.t", autodetect=True)
    assert (job.output_rows, job.input_files) == (3, 2)
    table = client.get_table(f"{dataset}.t")
    assert [(f.name, f.field_type) for f in table.schema] == [
        ("id", "INTEGER"),
        ("name", "STRING"),
        ("at", "TIMESTAMP"),
    ]
    assert table.num_rows == 3
    assert table.num_bytes > 0


def test_types_that_are_detected(client, dataset, objects):
    objects.put(
        "gs://types/a.csv", "i,f,b,d,t,s,n\n1,1.5,true,2020-01-01,10:00:00,x,\n-2,2e3,false,2020-12-31,11:11:11.5,2,\n"
    )
    load(client, "gs://types/a.csv", f"{dataset}.t", autodetect=True)
    kinds = [f.field_type for f in client.get_table(f"{dataset}.t").schema]
    assert kinds == ["INTEGER", "FLOAT", "BOOLEAN", "DATE", "TIME", "STRING", "STRING"]


@pytest.mark.parametrize("disposition", ["WRITE_TRUNCATE", "WRITE_APPEND"])
def test_broken_line_is_named_and_the_old_table_stays(client, dataset, objects, disposition):
    objects.put("gs://broken/good.csv", GOOD)
    objects.put("gs://broken/bad.csv", BROKEN)
    load(client, "gs://broken/good.csv", f"{dataset}.t", schema=SCHEMA, skip_leading_rows=1)
    with pytest.raises(exceptions.BadRequest) as refused:
        load(
            client,
            ["gs://broken/good.csv", "gs://broken/bad.csv"],
            f"{dataset}.t",
            schema=SCHEMA,
            skip_leading_rows=1,
            write_disposition=disposition,
        )
    message = str(refused.value)
    for part in ("gs://broken/bad.csv", "line_number: 3", 'column_name: "id"', "column_type: INT64", 'value: "abc"'):
        assert part in message
    assert "duckdb" not in message.lower()
    assert "/tmp" not in message
    assert len(rows(client, f"{dataset}.t")) == 2


def test_too_few_and_too_many_values(client, dataset, objects):
    objects.put("gs://shape/a.csv", "1,x,2020-01-01 00:00:00\n2\n")
    objects.put("gs://shape/b.csv", "1,x,2020-01-01 00:00:00,9\n")
    with pytest.raises(exceptions.BadRequest, match=r"Too few values in row; line_number: 2"):
        load(client, "gs://shape/a.csv", f"{dataset}.t", schema=SCHEMA)
    with pytest.raises(exceptions.BadRequest, match=r"Too many values in row; line_number: 1"):
        load(client, "gs://shape/b.csv", f"{dataset}.t", schema=SCHEMA)
    assert load(client, "gs://shape/a.csv", f"{dataset}.t", schema=SCHEMA, allow_jagged_rows=True).output_rows == 2
    assert load(client, "gs://shape/b.csv", f"{dataset}.t", schema=SCHEMA, ignore_unknown_values=True).output_rows == 1
    assert load(client, "gs://shape/a.csv", f"{dataset}.u", schema=SCHEMA, max_bad_records=1).output_rows == 1


def test_dialect(client, dataset, objects):
    text = "# made by hand\nid|name\n1|'a|b'\nNA|'c'\n"
    objects.put("gs://dialect/a.csv.gz", gzip.compress(text.encode()))
    load(
        client,
        "gs://dialect/a.csv.gz",
        f"{dataset}.t",
        schema=SCHEMA[:2],
        skip_leading_rows=2,
        field_delimiter="|",
        quote_character="'",
        null_marker="NA",
    )
    assert rows(client, f"{dataset}.t") == [(1, "a|b"), (None, "c")]


def test_dispositions(client, dataset, objects):
    objects.put("gs://dispose/a.csv", GOOD)
    options = {"schema": SCHEMA, "skip_leading_rows": 1}
    for expected in (2, 4):
        load(client, "gs://dispose/a.csv", f"{dataset}.t", **options)
        assert client.get_table(f"{dataset}.t").num_rows == expected
    load(client, "gs://dispose/a.csv", f"{dataset}.t", write_disposition="WRITE_TRUNCATE", **options)
    assert client.get_table(f"{dataset}.t").num_rows == 2
    with pytest.raises(exceptions.Conflict, match="Already Exists"):
        load(client, "gs://dispose/a.csv", f"{dataset}.t", write_disposition="WRITE_EMPTY", **options)
    with pytest.raises(exceptions.NotFound, match="Not found: Table"):
        load(client, "gs://dispose/a.csv", f"{dataset}.new", create_disposition="CREATE_NEVER", **options)


@pytest.mark.parametrize("uri", ["gs://missing-bucket/a.csv", "gs://present/missing.csv", "gs://present/missing-*.csv"])
def test_missing_source(client, dataset, objects, uri):
    objects.put("gs://present/other.csv", GOOD)
    with pytest.raises(exceptions.NotFound, match="Not found: URI " + uri.replace("*", r"\*")):
        load(client, uri, f"{dataset}.t", autodetect=True)


def test_missing_dataset(client, objects):
    objects.put("gs://present/other.csv", GOOD)
    with pytest.raises(exceptions.NotFound, match="Dataset test-project:nowhere was not found in location US"):
        load(client, "gs://present/other.csv", "nowhere.t", autodetect=True)


def test_nested_json(client, dataset, objects):
    lines = [{"a": 1, "n": {"x": [1, 2], "d": "2020-01-01"}}, {"a": 2, "r": [{"k": 'é"\n'}]}]
    objects.put("gs://json/a.json", "\n".join(map(json.dumps, lines)))
    load(client, "gs://json/a.json", f"{dataset}.t", autodetect=True, source_format="NEWLINE_DELIMITED_JSON")
    found = [dict(row) for row in client.query_and_wait(f"SELECT * FROM {dataset}.t ORDER BY a")]
    assert found[0]["n"]["x"] == [1, 2]
    assert found[1]["r"] == [{"k": 'é"\n'}]


def test_broken_json_is_named(client, dataset):
    options = bigquery.LoadJobConfig(
        source_format="NEWLINE_DELIMITED_JSON", schema=[bigquery.SchemaField("a", "INTEGER")]
    )

    def attempt(text, pattern):
        with pytest.raises(exceptions.BadRequest, match=pattern):
            client.load_table_from_file(io.BytesIO(text), f"{dataset}.t", job_config=options).result()

    attempt(b'{"a": 1}\n{"a": 2\n', "line_number: 2")
    attempt(
        b'{"a": 1}\n{"a": "zz"}\n', r'Could not convert value to INT64; line_number: 2 column_name: "a" value: "zz"'
    )
    attempt(b'{"a": 1}\n{"b": 2}\n', "line_number: 2: No such field: b")
    with pytest.raises(exceptions.NotFound):
        client.get_table(f"{dataset}.t")


def test_parquet_makes_the_table(client, dataset, objects):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "l": [[1], [2, 3]], "s": ["x", None]}), buffer)
    objects.put("gs://parquet/a.parquet", buffer.getvalue())
    objects.put("gs://parquet/b.parquet", "not parquet at all")
    load(client, "gs://parquet/a.parquet", f"{dataset}.t", source_format="PARQUET")
    assert rows(client, f"{dataset}.t") == [(1, [1], "x"), (2, [2, 3], None)]
    with pytest.raises(exceptions.BadRequest, match="not in Parquet format"):
        load(client, "gs://parquet/b.parquet", f"{dataset}.t", source_format="PARQUET")


@pytest.mark.filterwarnings("ignore:.*pandas_gbq.*:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Loading pandas DataFrame:FutureWarning")
def test_dataframe_and_resumable_upload(client, dataset):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "t": pd.to_datetime(["2020-01-01", "2020-02-02"], utc=True)})
    assert client.load_table_from_dataframe(frame, f"{dataset}.frame").result().output_rows == 2
    text = io.BytesIO("".join(f"{i},{'v' * 60}\n" for i in range(40_000)).encode())
    options = bigquery.LoadJobConfig(schema=SCHEMA[:2], source_format="CSV")
    assert client.load_table_from_file(text, f"{dataset}.resumed", job_config=options).result().output_rows == 40_000


def test_field_addition(client, dataset):
    client.load_table_from_json([{"a": 1}], f"{dataset}.t", job_config=bigquery.LoadJobConfig(autodetect=True)).result()
    wider = [bigquery.SchemaField("a", "INTEGER"), bigquery.SchemaField("b", "STRING")]
    with pytest.raises(exceptions.BadRequest, match=r"Cannot add fields \(field: b\)"):
        client.load_table_from_json(
            [{"a": 2, "b": "x"}], f"{dataset}.t", job_config=bigquery.LoadJobConfig(schema=wider)
        ).result()
    allowed = bigquery.LoadJobConfig(schema=wider, schema_update_options=["ALLOW_FIELD_ADDITION"])
    client.load_table_from_json([{"a": 2, "b": "x"}], f"{dataset}.t", job_config=allowed).result()
    assert rows(client, f"{dataset}.t") == [(1, None), (2, "x")]


def test_avro_is_refused_by_name(client, dataset, objects):
    objects.put("gs://avro/a.avro", "x")
    with pytest.raises(exceptions.MethodNotImplemented, match="AVRO"):
        load(client, "gs://avro/a.avro", f"{dataset}.t", source_format="AVRO")


def test_nothing_is_left_in_staging(running):
    assert list((running.root / "transfer" / "staging").iterdir()) == []
    assert list((running.root / "transfer" / "uploads").iterdir()) == []

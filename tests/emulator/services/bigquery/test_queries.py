"""Query jobs, results and table data through the official client."""

from __future__ import annotations

import datetime
import decimal
import threading

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

PROJECT = "test-project"


@pytest.fixture
def table(client, dataset):
    name = f"{dataset}.t"
    client.query_and_wait(
        f"CREATE TABLE {name} AS SELECT x AS id, CONCAT('n', x) AS name FROM UNNEST(GENERATE_ARRAY(1, 10)) AS x"
    )
    return name


def test_every_type(client):
    sql = """SELECT 1 AS i, 1.5 AS f, TRUE AS b, 'é"' AS s, b'ab' AS y, DATE '2020-01-02' AS d, TIME '10:00:00.5' AS t,
        DATETIME '2020-01-02 03:04:05' AS dt, TIMESTAMP '2020-01-02 03:04:05.123456+00' AS ts, NUMERIC '1.25' AS n,
        [1, 2] AS a, STRUCT(1 AS x, [STRUCT('k' AS z)] AS r) AS st, CAST(NULL AS STRING) AS nothing"""
    (row,) = client.query_and_wait(sql)
    assert dict(row) == {
        "i": 1,
        "f": 1.5,
        "b": True,
        "s": 'é"',
        "y": b"ab",
        "d": datetime.date(2020, 1, 2),
        "t": datetime.time(10, 0, 0, 500000),
        "dt": datetime.datetime(2020, 1, 2, 3, 4, 5),
        "ts": datetime.datetime(2020, 1, 2, 3, 4, 5, 123456, tzinfo=datetime.UTC),
        "n": decimal.Decimal("1.25"),
        "a": [1, 2],
        "st": {"x": 1, "r": [{"z": "k"}]},
        "nothing": None,
    }


def test_array_elements_by_an_expression(client):
    sql = """SELECT n, ['a', 'b', 'c'][OFFSET(MOD(n, 3))] AS o, ['a', 'b'][SAFE_OFFSET(n)] AS s, [7, 8][ORDINAL(2)] d,
        ['[OFFSET(n)]', 'x'][OFFSET(0)] AS text, [5, 6][OFFSET([0, 1][OFFSET(MOD(n, 2))])] AS nested
        FROM UNNEST([0, 1, 2]) AS n ORDER BY n"""
    rows = [tuple(row) for row in client.query_and_wait(sql)]
    assert rows == [
        (0, "a", "a", 8, "[OFFSET(n)]", 5),
        (1, "b", "b", 8, "[OFFSET(n)]", 6),
        (2, "c", None, 8, "[OFFSET(n)]", 5),
    ]


def test_parameters_and_scripts(client):
    options = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("x", "INT64", 4),
            bigquery.ArrayQueryParameter("l", "STRING", ["a", "b"]),
        ]
    )
    assert [tuple(row) for row in client.query("SELECT @x + 1, ARRAY_LENGTH(@l)", job_config=options).result()] == [
        (5, 2)
    ]
    script = "DECLARE x INT64 DEFAULT 3; CREATE TEMP TABLE q AS SELECT x AS v; SELECT v + 1 AS w FROM q;"
    assert [row.w for row in client.query(script).result()] == [4]


def test_destination(client, dataset, table):
    target = f"{PROJECT}.{dataset}.out"
    options = {"destination": target}
    assert (
        client.query(f"SELECT id FROM {table}", job_config=bigquery.QueryJobConfig(**options)).result().total_rows == 10
    )
    with pytest.raises(exceptions.Conflict, match="Already Exists: Table"):
        client.query(f"SELECT id FROM {table}", job_config=bigquery.QueryJobConfig(**options)).result()
    for disposition, expected in (("WRITE_APPEND", 20), ("WRITE_TRUNCATE", 10)):
        client.query(
            f"SELECT id FROM {table}", job_config=bigquery.QueryJobConfig(write_disposition=disposition, **options)
        ).result()
        assert client.get_table(target).num_rows == expected


def test_dml_and_layout(client, dataset):
    sql = (
        f"CREATE TABLE {dataset}.t PARTITION BY DATE(ts) CLUSTER BY name AS "
        "SELECT TIMESTAMP '2020-01-01 00:00:00' AS ts, 'a' AS name "
        "UNION ALL SELECT TIMESTAMP '2020-01-02 00:00:00', 'b'"
    )
    client.query(sql).result()
    made = client.get_table(f"{dataset}.t")
    assert made.clustering_fields == ["name"]
    assert made.time_partitioning.field == "ts"
    job = client.query(f"UPDATE {dataset}.t SET name = 'c' WHERE name = 'a'")
    job.result()
    assert (job.num_dml_affected_rows, job.statement_type) == (1, "UPDATE")
    assert client.get_table(f"{dataset}.t").modified > made.modified


def test_dry_run_counts_the_columns_that_it_reads(client, table):
    options = bigquery.QueryJobConfig(dry_run=True)
    one = client.query(f"SELECT id FROM {table}", job_config=options)
    everything = client.query(f"SELECT * FROM {table}", job_config=options)
    assert one.total_bytes_processed == 80
    assert everything.total_bytes_processed > 80
    assert [field.name for field in everything.schema] == ["id", "name"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", r'Syntax error: Unexpected identifier "SELEC" at \[1:1\]'),
        ("SELECT 1\nFROM x WHERE", r"Syntax error: Unexpected end of script at \[2:13\]"),
        ("SELECT nope FROM UNNEST([1]) AS x", r"Unrecognized name: nope at \[1:8\]"),
    ],
)
def test_invalid_sql_has_a_position(client, sql, message):
    with pytest.raises(exceptions.BadRequest, match=message) as refused:
        client.query(sql).result()
    assert refused.value.errors[0]["reason"] == "invalidQuery"
    with pytest.raises(exceptions.BadRequest, match=message):
        client.query_and_wait(sql)


def test_missing_table_and_dataset(client, dataset):
    with pytest.raises(
        exceptions.NotFound, match=f"Not found: Table {PROJECT}:{dataset}.gone was not found in location US"
    ):
        client.query(f"SELECT * FROM {dataset}.gone").result()
    with pytest.raises(exceptions.NotFound, match=f"Not found: Dataset {PROJECT}:nowhere was not found in location US"):
        client.query_and_wait("SELECT * FROM nowhere.gone")


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("CREATE OR REPLACE MODEL d.m OPTIONS(model_type='linear_reg') AS SELECT 1 AS label", "CREATE MODEL"),
        ("SELECT * FROM ML.PREDICT(MODEL d.m, TABLE d.t)", "ML.PREDICT"),
        ("EXPORT DATA OPTIONS(uri='gs://b/*', format='CSV') AS SELECT 1", "EXPORT DATA"),
        ("SELECT * FROM d.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()", "FOR SYSTEM_TIME"),
    ],
)
def test_unbuilt_statements_are_refused_by_name(client, sql, name):
    with pytest.raises(exceptions.MethodNotImplemented, match=name):
        client.query(sql).result()


def test_paging(client, table):
    pages = [len(list(page)) for page in client.list_rows(table, page_size=4).pages]
    assert pages == [4, 4, 2]
    pages = [len(list(page)) for page in client.query(f"SELECT * FROM {table}").result(page_size=4).pages]
    assert pages == [4, 4, 2]
    some = client.list_rows(table, start_index=8, selected_fields=[bigquery.SchemaField("name", "STRING")])
    assert [tuple(row) for row in some] == [("n9",), ("n10",)]


@pytest.mark.filterwarnings("ignore:Retrieving DataFrames:PendingDeprecationWarning")
def test_dataframe(client, table):
    frame = client.query(f"SELECT * FROM {table} ORDER BY id").to_dataframe(create_bqstorage_client=False)
    assert frame["id"].tolist() == list(range(1, 11))


def test_jobs(client, table):
    job = client.query(f"SELECT * FROM {table}")
    job.result()
    again = client.get_job(job.job_id)
    assert (again.state, again.user_email, again.total_bytes_processed) == ("DONE", "anonymous@localhost", 80 + 41)
    assert again.self_link.startswith("http://")
    assert again.created <= again.started <= again.ended
    assert job.job_id in [found.job_id for found in client.list_jobs(max_results=5)]
    with pytest.raises(exceptions.NotFound, match="Not found: Job"):
        client.get_job("nothing")
    client.delete_job_metadata(job.job_id)
    with pytest.raises(exceptions.NotFound):
        client.get_job(job.job_id)


def test_cancel_stops_a_running_query(client):
    job = client.query(
        "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 10000000)) b "
        "WHERE a * b < 0"
    )
    assert job.state == "RUNNING"
    done = threading.Event()
    threading.Thread(target=lambda: (job.exception(timeout=60), done.set())).start()
    client.cancel_job(job.job_id)
    assert done.wait(60)
    assert client.get_job(job.job_id).error_result["reason"] == "stopped"


def test_streaming_inserts(client, table):
    errors = client.insert_rows_json(table, [{"id": 1, "name": "x"}, {"id": "zz"}, {"unknown": 1}])
    assert [(error["index"], error["errors"][0]["reason"]) for error in errors] == [
        (1, "invalid"),
        (2, "invalid"),
        (0, "stopped"),
    ]
    assert client.insert_rows_json(table, [{"id": 11, "name": "x"}]) == []
    assert client.get_table(table).num_rows == 11


def test_copy_and_extract(client, dataset, table, objects):
    client.copy_table(table, f"{dataset}.copy").result()
    assert client.get_table(f"{dataset}.copy").num_rows == 10
    objects.put("gs://out/marker", "")
    assert client.extract_table(table, "gs://out/rows-*.csv").result().destination_uri_file_counts == [1]
    text = objects.local_path("out", "rows-000000000000.csv").read_text()
    assert text.splitlines()[:2] == ["id,name", "1,n1"]
    with pytest.raises(exceptions.NotFound, match="missing-bucket"):
        client.extract_table(table, "gs://missing-bucket/x.csv").result()
    options = bigquery.ExtractJobConfig(destination_format="NEWLINE_DELIMITED_JSON", compression="GZIP")
    client.extract_table(table, "gs://out/rows.json.gz", job_config=options).result()
    loaded = client.load_table_from_uri(
        "gs://out/rows.json.gz",
        f"{dataset}.back",
        job_config=bigquery.LoadJobConfig(autodetect=True, source_format="NEWLINE_DELIMITED_JSON"),
    ).result()
    assert loaded.output_rows == 10


def test_unnamed_columns_are_named_as_in_bigquery(client, table):
    result = client.query_and_wait(f"SELECT id, COUNT(*), MAX(name) AS m, 1 + 1 FROM {table} GROUP BY id LIMIT 1")
    assert [field.name for field in result.schema] == ["id", "f0_", "m", "f1_"]
    assert dict(next(iter(result)))["f1_"] == 2
    stars = client.query_and_wait(f"SELECT *, id AS twin FROM {table} LIMIT 1")
    assert [field.name for field in stars.schema] == ["id", "name", "twin"]

"""Datasets, tables and views through the official client."""

from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.cloud import bigquery

PROJECT = "test-project"


def test_dataset_life(client):
    made = bigquery.Dataset(f"{PROJECT}.life")
    made.location, made.labels, made.description = "europe-west1", {"a": "1"}, "first"
    found = client.create_dataset(made)
    assert (found.location, found.labels) == ("europe-west1", {"a": "1"})
    with pytest.raises(exceptions.Conflict, match="Already Exists: Dataset test-project:life"):
        client.create_dataset("life")
    found.labels, found.description = {"a": None, "b": "2"}, "second"
    found = client.update_dataset(found, ["labels", "description"])
    assert (found.labels, found.description) == ({"b": "2"}, "second")
    assert "life" in [item.dataset_id for item in client.list_datasets(filter="labels.b:2")]
    client.query_and_wait("CREATE TABLE life.t AS SELECT 1 AS a")
    with pytest.raises(exceptions.BadRequest, match="Dataset test-project:life is still in use"):
        client.delete_dataset("life")
    client.delete_dataset("life", delete_contents=True)
    with pytest.raises(exceptions.NotFound, match="Not found: Dataset test-project:life"):
        client.get_dataset("life")


def test_stale_etag_is_refused(client, dataset):
    first, second = client.get_dataset(dataset), client.get_dataset(dataset)
    first.description = "first"
    client.update_dataset(first, ["description"])
    second.description = "second"
    with pytest.raises(exceptions.PreconditionFailed):
        client.update_dataset(second, ["description"])


def test_table_life(client, dataset):
    schema = [
        bigquery.SchemaField("a", "INTEGER", mode="REQUIRED", description="key"),
        bigquery.SchemaField("r", "RECORD", mode="REPEATED", fields=[bigquery.SchemaField("x", "NUMERIC")]),
    ]
    table = bigquery.Table(f"{PROJECT}.{dataset}.t", schema=schema)
    table.labels, table.clustering_fields = {"k": "v"}, ["a"]
    table.time_partitioning = bigquery.TimePartitioning(type_="MONTH")
    found = client.create_table(table)
    assert found.schema == schema
    assert (found.labels, found.clustering_fields, found.time_partitioning.type_) == ({"k": "v"}, ["a"], "MONTH")
    found.schema = [*found.schema, bigquery.SchemaField("z", "BIGNUMERIC")]
    found.description = "wider"
    found = client.update_table(found, ["schema", "description"])
    assert [field.name for field in found.schema] == ["a", "r", "z"]
    found.schema = found.schema[:1]
    with pytest.raises(exceptions.BadRequest, match="Field r is missing in new schema"):
        client.update_table(found, ["schema"])
    assert [item.table_id for item in client.list_tables(dataset)] == ["t"]
    client.delete_table(found)
    with pytest.raises(exceptions.NotFound, match=f"Not found: Table {PROJECT}:{dataset}.t was not found"):
        client.get_table(found)


def test_fields_that_sql_does_not_know_are_kept(client, dataset):
    table = bigquery.Table(f"{PROJECT}.{dataset}.t", schema=[bigquery.SchemaField("a", "INTEGER")])
    table.require_partition_filter = False
    table.encryption_configuration = bigquery.EncryptionConfiguration("projects/p/locations/l/keyRings/r/cryptoKeys/k")
    client.create_table(table)
    kept = client.get_table(table)
    assert kept.encryption_configuration.kms_key_name.endswith("/k")
    client.query_and_wait(f"CREATE OR REPLACE TABLE {dataset}.t AS SELECT 1 AS a")
    assert client.get_table(table).encryption_configuration is None


def test_view(client, dataset):
    client.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a")
    view = bigquery.Table(f"{PROJECT}.{dataset}.v")
    view.view_query = f"SELECT a + 1 AS b FROM {dataset}.t"
    made = client.create_table(view)
    assert made.table_type == "VIEW"
    assert [row.b for row in client.query_and_wait(f"SELECT * FROM {dataset}.v")] == [2]
    client.delete_table(view)


def test_projects(client):
    assert [project.project_id for project in client.list_projects()] == [PROJECT]
    assert "@" in client.get_service_account_email()


def test_unbuilt_methods_say_their_name(client, dataset, running):
    client.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a")
    with pytest.raises(exceptions.MethodNotImplemented, match=r"bigquery\.tables\.getIamPolicy is not implemented"):
        client.get_iam_policy(f"{dataset}.t")
    reply = requests.post(f"{running.url}/bigquery/v2/projects/p/nonsense", json={}, timeout=10)
    assert (reply.status_code, reply.json()["error"]["errors"][0]["reason"]) == (501, "notImplemented")


def test_malformed_bodies(running):
    url = f"{running.url}/bigquery/v2/projects/{PROJECT}"
    for path, body, status in (
        ("jobs", b"{", 400),
        ("jobs", b"{}", 400),
        ("queries", b"[]", 400),
        ("datasets", b"{}", 400),
    ):
        reply = requests.post(f"{url}/{path}", data=body, headers={"content-type": "application/json"}, timeout=10)
        assert (reply.status_code, "message" in reply.json()["error"]) == (status, True)


def test_batch(running, dataset):
    part = (
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\n"
        f"GET /bigquery/v2/projects/{PROJECT}/datasets/{dataset} HTTP/1.1\r\n\r\n\r\n--b--"
    )
    reply = requests.post(
        f"{running.url}/batch/bigquery/v2",
        data=part,
        timeout=10,
        headers={"content-type": "multipart/mixed; boundary=b"},
    )
    assert "<response-1>" in reply.text
    assert f'"datasetId":"{dataset}"' in reply.text

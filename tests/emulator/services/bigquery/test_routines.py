"""Routines through the official client: SQL functions made, shown, used and deleted."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import bigquery


def test_a_sql_functions_life(client, dataset):
    name = f"{client.project}.{dataset}.twice"
    number = bigquery.StandardSqlDataType(type_kind=bigquery.StandardSqlTypeNames.INT64)
    routine = bigquery.Routine(
        name,
        type_="SCALAR_FUNCTION",
        language="SQL",
        body="x * 2",
        arguments=[bigquery.RoutineArgument(name="x", data_type=number)],
        return_type=number,
    )
    client.create_routine(routine)
    assert client.get_routine(name).body == "x * 2"
    assert [item.routine_id for item in client.list_routines(dataset)] == ["twice"]
    (row,) = client.query_and_wait(f"SELECT `{dataset}`.twice(21) AS n")
    assert row["n"] == 42
    client.delete_routine(name)
    with pytest.raises(exceptions.NotFound):
        client.get_routine(name)

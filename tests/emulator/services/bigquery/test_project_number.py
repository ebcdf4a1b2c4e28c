"""Jobs on Vertex AI know their project by its number only (CLOUD_ML_PROJECT_ID): BigQuery takes that too."""

from __future__ import annotations

from google.cloud import bigquery

from gcpmlops.emulator.server import Running
from gcpmlops.emulator.settings import project_number


def test_a_client_made_with_the_number(emulator: Running, google_environment: dict[str, str]) -> None:
    client = bigquery.Client(project=str(project_number(emulator.project)))
    rows = client.query("SELECT 1 AS x").result()
    assert [row["x"] for row in rows] == [1]
    client.create_dataset("by_number")
    client.query_and_wait("CREATE TABLE by_number.t AS SELECT 7 AS n")
    assert [row["n"] for row in client.list_rows("by_number.t")] == [7]
    own = bigquery.Client(project=emulator.project)
    assert [row["n"] for row in own.list_rows(f"{emulator.project}.by_number.t")] == [7]
    client.delete_dataset("by_number", delete_contents=True)

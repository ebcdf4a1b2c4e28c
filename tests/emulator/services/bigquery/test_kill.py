"""kill -9 of the emulator, and of the engine alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

ROWS = 100_000


@pytest.fixture
def root() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bq-"))
    (path / "objects" / "b").mkdir(parents=True)
    yield path
    shutil.rmtree(path)


def start(root):
    script = Path(__file__).with_name("standalone.py")
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script), str(root)], stdout=subprocess.PIPE, text=True
    )
    url = child.stdout.readline().strip()
    options = ClientOptions(api_endpoint=url)
    return child, bigquery.Client(project="test-project", credentials=AnonymousCredentials(), client_options=options)


def kill(child):
    """SIGKILL, then wait until its whole tree has gone."""
    family = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_kill_during_a_load_loses_nothing_that_was_acknowledged(root):
    (root / "objects" / "b" / "good.csv").write_text("1,x\n2,y\n")
    (root / "objects" / "b" / "large.csv").write_text("".join(f"{i},{'v' * 40}\n" for i in range(ROWS)))
    schema = [bigquery.SchemaField("id", "INTEGER"), bigquery.SchemaField("name", "STRING")]
    child, client = start(root)
    try:
        client.create_dataset("d")
        client.load_table_from_uri("gs://b/good.csv", "d.t", job_config=bigquery.LoadJobConfig(schema=schema)).result()
        done = client.query("SELECT COUNT(*) AS n FROM d.t")
        assert [row.n for row in done.result()] == [2]
        slow = client.query(
            "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 10000000)) b "
            "WHERE a * b < 0"
        )  # holds the engine, so that the load cannot have been written
        truncate = bigquery.LoadJobConfig(schema=schema, write_disposition="WRITE_TRUNCATE")
        load = client.load_table_from_uri("gs://b/large.csv", "d.t", job_config=truncate)
        assert (slow.state, load.state) == ("RUNNING", "RUNNING")
    finally:
        kill(child)
        client.close()
    child, client = start(root)
    try:
        assert [tuple(row) for row in client.list_rows("d.t")] == [(1, "x"), (2, "y")]
        assert [row.n for row in client.get_job(done.job_id).result()] == [2]
        found = client.get_job(load.job_id)
        assert (found.state, found.error_result["reason"]) == ("DONE", "backendError")
        assert "stopped while this job ran" in found.error_result["message"]
        assert list((root / "transfer" / "staging").iterdir()) == []
        assert [item.table_id for item in client.list_tables("d")] == ["t"]
    finally:
        kill(child)
        client.close()


def test_the_engine_is_started_again(client, dataset, running):
    client.query_and_wait(f"CREATE TABLE {dataset}.t AS SELECT 1 AS a")
    assert running.engine._process is not None
    os.kill(running.engine._process.pid, signal.SIGKILL)
    running.engine._process.wait(20)
    assert [row.a for row in client.list_rows(f"{dataset}.t")] == [1]


def test_an_engine_that_cannot_start_says_why(root):
    from gcpmlops.emulator.runtimes.process import Processes
    from gcpmlops.emulator.services.bigquery.errors import BigQueryError
    from gcpmlops.emulator.services.bigquery.process import BigQueryEngine

    (root / "bigquery").mkdir()
    (root / "bigquery" / "bqemulator.duckdb").write_bytes(b"this is not a database" * 100)
    processes = Processes(root / "processes")
    engine = BigQueryEngine(root / "bigquery", root / "bq.sock", processes)
    with pytest.raises(BigQueryError, match="could not start"):
        engine.call("/engine/cancel", {"job": "x"})
    engine.close()
    processes.close()

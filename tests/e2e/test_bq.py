"""The BigQuery command-line tool, unmodified, through `gcpmlops emulator exec`."""

import json
import os
import shutil
from pathlib import Path

import pytest

from .conftest import Shell

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-bq"),
    pytest.mark.skipif(shutil.which("bq") is None, reason="bq is not installed"),
]
SQL = "--use_legacy_sql=false"


@pytest.fixture
def bq(shell: Shell):
    """Runs bq; its standard output."""
    return lambda *command, **options: shell.tool("bq", *command, **options).stdout.strip()


def test_load_query_and_delete(shell: Shell, bq, client, bucket: str, tmp_path: Path, unique) -> None:
    dataset = unique("bq").replace("-", "_")
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n2,y\n")
    client.storage.upload(b"a,b\n3,z\n", destination=f"gs://{bucket}/more.csv")
    assert "created" in shell("bq", "mk", "-d", dataset, env={**os.environ, "PATH": shell.programs.path}).stdout
    bq("mk", "--table", f"{dataset}.empty", "a:INTEGER,b:STRING")
    bq("load", "--autodetect", "--source_format=CSV", f"{dataset}.t", "rows.csv")
    bq("load", "--skip_leading_rows=1", f"{dataset}.t", f"gs://{bucket}/more.csv", "a:INTEGER,b:STRING")
    found = bq("--format=csv", "query", SQL, f"SELECT a, b FROM {dataset}.t ORDER BY a")
    assert found.splitlines() == ["a,b", "1,x", "2,y", "3,z"]
    (head,) = json.loads(bq("--format=json", "head", "-n", "1", f"{dataset}.t"))
    assert set(head) == {"a", "b"}
    shown = json.loads(bq("--format=json", "show", f"{dataset}.t"))
    assert (shown["numRows"], [field["type"] for field in shown["schema"]["fields"]]) == ("3", ["INTEGER", "STRING"])
    assert dataset in bq("ls")
    assert {table["tableReference"]["tableId"] for table in json.loads(bq("--format=json", "ls", dataset))} == {
        *("empty", "t")
    }
    bq("extract", f"{dataset}.t", f"gs://{bucket}/out.csv")
    assert client.storage.read(f"gs://{bucket}/out.csv").decode().splitlines()[0] == "a,b"
    bq("rm", "-f", "-t", f"{dataset}.t")
    assert f"{dataset}.t" in bq("show", f"{dataset}.t", code=2)
    bq("rm", "-r", "-f", "-d", dataset)


def test_errors(bq, bucket: str, tmp_path: Path, unique) -> None:
    dataset = unique("bq").replace("-", "_")
    bq("mk", "-d", dataset)
    (tmp_path / "rows.csv").write_text("1,x\ntwo,y\n")
    said = " ".join(bq("load", f"{dataset}.t", "rows.csv", "a:INTEGER,b:STRING", code=1).split())
    assert "two" in said
    assert "nope" in bq("query", SQL, "SELECT nope FROM UNNEST([1])", code=1)
    assert "none.csv" in bq("load", f"{dataset}.t", f"gs://{bucket}/none.csv", "a:INTEGER", code=2)

"""What goes wrong gets one clear answer that names its cause, and nothing is lost."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions as google_exceptions
from google.cloud import aiplatform_v1, bigquery

from gcpmlops import Client, exceptions
from gcpmlops.emulator import launch

from .conftest import GCPMLOPS, Shell, run

pytestmark = pytest.mark.xdist_group("e2e-bad-input")
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
BROKEN = "def train():\n    raise ValueError('no data in the table')\n\ntrain()\n"


@pytest.fixture(scope="module")
def staging(client: Client) -> str:
    return client.storage.ensure_bucket(client.config.staging_bucket).name


def test_a_script_that_raises(client: Client, shell: Shell, staging: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(BROKEN)
    with pytest.raises(exceptions.JobFailed) as failed:
        client.training.run(tmp_path / "train.py", image="python:3.11")
    assert "ValueError: no data in the table" in str(failed.value)
    line = (*GCPMLOPS, "training", "run", "train.py", "--image", "python:3.11", "--staging-bucket", staging)
    done = shell(*line, code=1)
    for said in ("ValueError: no data in the table", "line 2, in train"):
        assert said in done.stderr
    assert "Traceback" not in done.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("call", "kind", "named"),
    [
        (lambda c: c.storage.list("gs://no-such-bucket"), exceptions.NotFound, "no-such-bucket"),
        (lambda c: c.storage.read("gs://no-such-bucket/a"), exceptions.NotFound, "no-such-bucket"),
        (lambda c: c.bigquery.get_table("nods.nowhere"), exceptions.NotFound, "nods.nowhere"),
        (lambda c: c.bigquery.query("SELECT * FROM nods.nowhere"), exceptions.NotFound, "nods"),
        (lambda c: c.models.get("no-such-model"), exceptions.NotFound, "no-such-model"),
        (lambda c: c.endpoints.predict("no-such-endpoint", instances=[[1]]), exceptions.NotFound, "no-such-endpoint"),
        (lambda c: c.training.get("123"), exceptions.NotFound, "123"),
        (
            lambda c: c.training.submit(image="gcr.io/no/image:1", command=["true"]),
            exceptions.InvalidArgument,
            "gcr.io/no/image:1",
        ),
        (
            lambda c: c.models.upload("gs://no-such-bucket/model", display_name="m", image=SERVING),
            exceptions.GcpMlopsError,
            "no-such-bucket",
        ),
    ],
)
def test_what_is_missing_is_named(
    client: Client, staging: str, call: Callable[[Client], Any], kind: type[Exception], named: str
) -> None:
    with pytest.raises(kind, match=named):
        call(client)


def test_a_broken_line_leaves_the_old_table(client: Client, unique, tmp_path: Path) -> None:
    dataset = unique("bad").replace("-", "_")
    client.bigquery.create_dataset(dataset)
    (tmp_path / "good.csv").write_text("1,x\n2,y\n")
    (tmp_path / "bad.csv").write_text("3,z\n4,z\nfive,z\n")
    schema = {"number": "INT64", "letter": "STRING"}
    client.bigquery.load(f"{dataset}.t", source=tmp_path / "good.csv", schema=schema, skip_leading_rows=0)
    with pytest.raises(exceptions.GcpMlopsError) as refused:
        client.bigquery.load(
            f"{dataset}.t",
            source=tmp_path / "bad.csv",
            schema=schema,
            write_disposition="WRITE_TRUNCATE",
            skip_leading_rows=0,
        )
    for named in ("number", "five", "3"):  # the column, the value, the line
        assert named in str(refused.value)
    assert len(list(client.bigquery.query(f"SELECT * FROM {dataset}.t WHERE number < 3"))) == 2
    config = bigquery.LoadJobConfig(source_format="CSV")
    job = client.clients.bigquery.load_table_from_uri("gs://no-such-bucket/gone.csv", f"{dataset}.t", job_config=config)
    with pytest.raises(google_exceptions.NotFound, match=r"no-such-bucket"):
        job.result()


@pytest.mark.parametrize(
    ("file", "reasons"),
    [("other.txt", ["model.joblib", "model.pkl"]), ("model.joblib", ["IndexError", "could not be loaded"])],
)
def test_artifacts_that_cannot_be_served(
    client: Client, emulator, staging: str, unique, file: str, reasons: list[str]
) -> None:
    name = unique("artifact")
    client.storage.upload(b"this is no pickle", destination=f"gs://{staging}/{name}/{file}")
    model = client.models.upload(f"gs://{staging}/{name}", display_name=name, image=SERVING, check=False)
    endpoint = client.endpoints.create(name)
    before = _servers(emulator.pid)
    with pytest.raises(exceptions.GcpMlopsError) as failed:
        client.endpoints.deploy(name, model=model)
    for reason in reasons:
        assert reason in str(failed.value)
    assert client.endpoints.get(name).deployed == {}
    assert _servers(emulator.pid) == before
    client.endpoints.delete(endpoint.name)


def _servers(pid: int) -> list[str]:
    import psutil

    lines = [" ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)]
    return [line for line in lines if "model_server" in line]


def test_odd_object_names(client: Client, bucket: str) -> None:
    names = ["a", "a/b", "../../etc/x", "a//b", "folder/", "é" * 512, "..", "line\tand space"]
    names.remove("..")  # the API itself refuses this one
    for name in names:
        client.clients.storage.bucket(bucket).blob(name).upload_from_string(name.encode())
    found = {blob.name: blob.download_as_bytes().decode() for blob in client.clients.storage.list_blobs(bucket)}
    assert found == {name: name for name in names}
    for name in ("..", ".", "x" * 1025, "a\nb"):
        with pytest.raises(google_exceptions.BadRequest):
            client.clients.storage.bucket(bucket).blob(name).upload_from_string(b"")


def test_callers_without_a_token_of_this_emulator(emulator) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        for path in ("/storage/v1/b?project=p", "/aiplatform.googleapis.com/v1/projects/p/locations/l/models"):
            reply = requests.get(emulator.endpoint + path, headers=headers, timeout=10)
            assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    with grpc.insecure_channel(f"127.0.0.1:{emulator.port}") as channel:
        call = channel.unary_unary("/google.cloud.aiplatform.v1.JobService/ListCustomJobs")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_is_not_built_says_so_by_name(client: Client, emulator, exec_environment: dict[str, str]) -> None:
    with pytest.raises(google_exceptions.MethodNotImplemented, match="ListNasJobs"):
        client.clients.jobs.list_nas_jobs(
            aiplatform_v1.ListNasJobsRequest(parent=client.clients.parent), retry=None, timeout=10
        )
    token = Path(exec_environment["GCPMLOPS_TOKEN_FILE"]).read_text()
    headers = {"Authorization": f"Bearer {token}"}
    base = f"{emulator.endpoint}/us-central1-aiplatform.googleapis.com/v1"
    reply = requests.get(f"{base}/{client.clients.parent}/nasJobs", headers=headers, timeout=10)
    assert (reply.status_code, reply.json()["error"]["status"]) == (501, "UNIMPLEMENTED")
    assert "ListNasJobs" in reply.json()["error"]["message"]
    reply = requests.get(f"{emulator.endpoint}/translate.googleapis.com/v3/x", headers=headers, timeout=10)
    assert reply.status_code == 501
    assert "not served" in reply.json()["error"]["message"]


def start(*arguments: object, code: int = 1) -> str:
    """Tries to start an emulator; its one line."""
    done = run((*GCPMLOPS, "emulator", "start", "--detach", *arguments), code=code)
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = start("--data-dir", tmp_path / "data", "--port", port)
    assert f"127.0.0.1:{port}: the port is taken" in line
    assert "--port" in line


def test_a_data_directory_in_use(emulator) -> None:
    line = start("--data-dir", emulator.data_dir)
    assert f"pid {emulator.pid}" in line
    assert "gcpmlops emulator stop" in line


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert str(folder) in start("--data-dir", folder)


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"this is no database" * 1000)
    line = start("--data-dir", tmp_path)
    assert str(tmp_path) in line
    assert "database" in line


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").is_dir(), reason="root may write everywhere")
def test_a_data_directory_that_cannot_be_written() -> None:
    line = start("--data-dir", "/proc/gcpmlops")  # not even root may
    assert "/proc/gcpmlops" in line


def test_a_stale_lock_and_a_stale_state_file(tmp_path: Path) -> None:
    """What a killed emulator leaves is no obstacle."""
    (tmp_path / "lock").touch()
    (tmp_path / "emulator.json").write_text('{"pid": 1, "port": 1, "project": "p", "data_dir": "/", "sockets": "/x"}')
    state = launch.start(tmp_path)
    launch.stop(state)
    assert state.pid != 1


def test_a_body_over_the_limit(tmp_path: Path) -> None:
    with launch.ephemeral(arguments=["--max-body-bytes", "1000000"]) as state:
        script = (
            "from google.cloud import storage; b = storage.Client().create_bucket('small-bodies');"
            "b.blob('a').upload_from_string(bytes(900_000)); b.blob('b').upload_from_string(bytes(2_000_000))"
        )
        line = ("emulator", "exec", "--data-dir", state.data_dir, "--", sys.executable, "-c", script)
        assert "413" in run((*GCPMLOPS, *line), code=1).stderr.splitlines()[-1]


def test_commands_that_do_not_exist(shell: Shell) -> None:
    done = shell("no-such-command", code=None)
    assert done.returncode in (1, 127)
    assert done.stderr.splitlines() == ["Error: no-such-command: no such command."]
    assert shell("sh", "-c", "exit 7", code=7)
    killed = shell("sh", "-c", "kill -9 $$", code=None)
    assert killed.returncode == 128 + 9

"""Cloud Scheduler and the clock: official clients, gcloud and the command line, against an emulator of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from google.api_core import exceptions
from google.auth import jwt
from google.cloud import scheduler_v1

from gcpmlops import Client
from gcpmlops.cli import root
from gcpmlops.emulator import launch
from gcpmlops.emulator.clock_client import ClockError, EmulatorClock
from gcpmlops.emulator.server import Running

from .conftest import Shell

pytestmark = pytest.mark.xdist_group("e2e-scheduler")
PARENT = "projects/clock-project/locations/us-central1"
EMAIL = "ml@clock-project.iam.gserviceaccount.com"
HOUR = timedelta(hours=1)


class Target:
    """A server that notes what calls it, and answers 503 below /fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - the handler's self, beside the target's
                body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
                self.calls.append((handler.path, dict(handler.headers), body))
                handler.send_response(503 if handler.path.startswith("/fail") else 200)
                handler.end_headers()

            def log_message(handler, *_: object) -> None:  # noqa: N805
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.calls]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clock") / "data"


@pytest.fixture(scope="module")
def own(data_dir: Path) -> Iterator[Running]:
    """An emulator whose clock may be moved."""
    launch.start(data_dir, ["--project", "clock-project"], tied=True)
    yield launch.alive(data_dir)
    if (state := launch.alive(data_dir)) is not None:
        launch.stop(state)


def connect(state: Running) -> Client:
    key = str(Path(state.data_dir) / "credentials.json")
    return Client(project=state.project, endpoint=state.endpoint, credentials_file=key)


def cli(state: Running, *arguments: str, code: int = 0) -> Result:
    line = ["emulator", "clock", *arguments, "--data-dir", state.data_dir, "--project", state.project]
    result = CliRunner().invoke(root, line)
    assert result.exit_code == code, result.output
    return result


def test_the_clock_on_the_command_line(own: Running) -> None:
    """While the emulator is empty its clock goes anywhere; later it goes forward."""
    assert cli(own, "set", "2013-03-30T00:00:00Z").stdout.startswith("2013-03-30T00:00:00")
    cli(own, "freeze")
    moved = json.loads(cli(own, "advance", "1d", "--format", "json").stdout)
    assert (moved["now"][:10], moved["done"], moved["frozen"]) == ("2013-03-31", 0, True)
    with connect(own) as client:
        assert abs(client.clients.now() - datetime(2013, 3, 31, tzinfo=UTC)) < timedelta(seconds=30)
        client.storage.create_bucket("the-bucket-that-has-a-time")
        assert "before the emulator's time" in cli(own, "set", "2013-03-01", code=1).stderr
        assert "not a duration" in cli(own, "advance", "tomorrow", code=1).stderr
        clock = EmulatorClock(own)
        with pytest.raises(ClockError, match="back"):
            clock.set(datetime(2012, 1, 1, tzinfo=UTC))
        assert clock.set("2013-03-30", back=True).now == datetime(2013, 3, 30, tzinfo=UTC)
        assert client.clients.now() == clock.now() == datetime(2013, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_official_clients_through_the_change_of_the_clock(own, target, transport, monkeypatch) -> None:
    """Two days at 02:30 in Berlin, one of which has no such time; hourly has it all."""
    for name, value in launch.environment(own).items():
        monkeypatch.setenv(name, value)
    clock = EmulatorClock(own)
    clock.freeze()
    clock.set("2013-03-30", back=True)
    with connect(own) as library:
        client = (
            scheduler_v1.CloudSchedulerClient(transport=transport) if transport == "rest" else library.clients.scheduler
        )
        target.calls.clear()
        for name, schedule in (("gap", "30 2 * * *"), ("hourly", "0 * * * *")):
            http = {"uri": f"{target.url}/{name}", "body": b"{}", "oidc_token": {"service_account_email": EMAIL}}
            job = scheduler_v1.Job(
                name=f"{PARENT}/jobs/{name}-{transport}", schedule=schedule, time_zone="Europe/Berlin", http_target=http
            )
            made = client.create_job(parent=PARENT, job=job)
            assert made.state == scheduler_v1.Job.State.ENABLED
            with pytest.raises((exceptions.AlreadyExists, exceptions.Conflict)):
                client.create_job(parent=PARENT, job=job)
        moved = clock.advance("2d")
        assert moved.done >= 48 + 1
        assert (target.paths().count("/gap"), target.paths().count("/hourly")) == (1, 48)
        _, headers, body = next(call for call in target.calls if call[0] == "/gap")
        assert headers["X-CloudScheduler-ScheduleTime"] == "2013-03-30T02:30:00+01:00"
        claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), verify=False)
        assert (claims["email"], claims["aud"], body) == (EMAIL, f"{target.url}/gap", b"{}")
        found = client.get_job(name=f"{PARENT}/jobs/hourly-{transport}")
        assert found.schedule_time == moved.now + HOUR
        for name in ("gap", "hourly"):
            client.delete_job(name=f"{PARENT}/jobs/{name}-{transport}")
        with pytest.raises(exceptions.BadRequest, match="time_zone"):  # over gRPC InvalidArgument, which is one
            client.create_job(
                parent=PARENT,
                job={"schedule": "* * * * *", "time_zone": "Mars/One", "http_target": {"uri": "http://x"}},
            )
        target.calls.clear()
        clock.advance("1w")
        assert target.calls == []


def test_retries_and_logs(own: Running, target: Target) -> None:
    clock = EmulatorClock(own)
    with connect(own) as client:
        target.calls.clear()
        client.scheduler.ensure_job("flaky", schedule="0 0 1 1 *", http=f"{target.url}/fail", retries=2)
        client.scheduler.run("flaky")
        clock.advance("10m")
        assert target.paths() == ["/fail"] * 3
        assert client.scheduler.get("flaky").last_error.startswith("UNAVAILABLE")
        wanted = 'resource.type="cloud_scheduler_job" AND severity>=ERROR AND jsonPayload.status="UNAVAILABLE"'
        entries = list(
            client.clients.logging.list_log_entries({"resource_names": ["projects/clock-project"], "filter": wanted})
        )
        assert len(entries) == 3
        assert {entry.resource.labels["job_id"] for entry in entries} == {"flaky"}
        client.scheduler.delete("flaky")


def test_lifecycle_rules(own: Running) -> None:
    clock, name = EmulatorClock(own), f"rules-{uuid.uuid4().hex[:8]}"
    with connect(own) as client:
        rules = [
            {"action": {"type": "SetStorageClass", "storageClass": "COLDLINE"}, "condition": {"age": 30}},
            {"action": {"type": "Delete"}, "condition": {"age": 365, "matchesPrefix": ["tmp/"]}},
        ]
        client.storage.create_bucket(name, lifecycle=rules)
        for each in ("tmp/a", "b"):
            client.storage.upload(b"x", destination=f"gs://{name}/{each}")
        clock.advance("30d")
        assert client.storage.get(f"gs://{name}/b").resource["storageClass"] == "COLDLINE"
        clock.advance("335d")
        assert [found.name for found in client.storage.list(f"gs://{name}/")] == ["b"]


def test_a_kill_loses_neither_the_clock_nor_a_run(own: Running, data_dir: Path, target: Target) -> None:
    clock = EmulatorClock(own)
    clock.freeze()
    before = clock.set("2015-01-01T00:59:58Z").now
    with connect(own) as client:
        target.calls.clear()
        client.scheduler.ensure_job("hourly", schedule="0 * * * *", http=f"{target.url}/run")
    os.kill(own.pid, signal.SIGKILL)
    launch.stop(own)  # collects it
    state = launch.start(data_dir, ["--project", "clock-project"], tied=True)
    clock = EmulatorClock(state)
    assert clock.now() == before
    assert clock.advance("2h", patience=60).done >= 2
    assert target.paths() == ["/run"] * 2


@pytest.mark.gcloud
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud(shell: Shell, unique) -> None:
    """The session's emulator, whose clock nobody moves."""
    name, where = unique("job"), "--location=us-central1"

    def gcloud(*command: object, **options: Any) -> Any:
        return shell.tool("gcloud", "--quiet", "scheduler", *command, **options)

    uri = "--uri=http://127.0.0.1:9/x"
    limits = ("--max-retry-attempts=2", "--min-backoff=1s", "--attempt-deadline=30s")
    made = gcloud("jobs", "create", "http", name, where, "--schedule=0 6 1 1 *", uri, *limits, "--format=json").stdout
    assert json.loads(made)["retryConfig"]["retryCount"] == 2
    gcloud(
        "jobs", "create", "pubsub", f"{name}-p", where, "--schedule=every monday 09:00", "--topic=t", "--message-body=x"
    )
    gcloud("jobs", "create", "app-engine", f"{name}-a", where, "--schedule=0 6 1 1 *", "--relative-url=/tick")
    listed = gcloud("jobs", "list", where, "--format=value(ID)").stdout
    assert {name, f"{name}-p", f"{name}-a"} <= set(listed.split())
    gcloud("jobs", "pause", name, where)
    assert gcloud("jobs", "describe", name, where, "--format=value(state)").stdout.strip() == "PAUSED"
    gcloud("jobs", "resume", name, where)
    gcloud("jobs", "run", name, where)
    changed = gcloud(
        "jobs", "update", "http", name, where, "--schedule=0 7 1 1 *", "--update-headers=A=b", "--format=json"
    )
    assert (json.loads(changed.stdout)["schedule"], json.loads(changed.stdout)["httpTarget"]["headers"]["A"]) == (
        "0 7 1 1 *",
        "b",
    )
    bad = gcloud("jobs", "create", "http", "bad", where, "--schedule=61 * * * *", uri, code=1)
    assert "INVALID_ARGUMENT" in bad.stderr
    assert "minute" in bad.stderr
    gcloud("jobs", "delete", name, where)
    assert "NOT_FOUND" in gcloud("jobs", "describe", name, where, code=1).stderr

"""Nothing is left: no process, port, or temporary folder, however a command or a test run ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gcpmlops.emulator import launch

from .conftest import GCPMLOPS, run, until

pytestmark = pytest.mark.xdist_group("e2e-leftovers")
SLEEPER = (
    "import os, subprocess, sys; print(os.environ['GCPMLOPS_ENDPOINT'], flush=True); import time; time.sleep(1000)"
)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private place for data, sockets and temporary files; the test fails where anything of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="traces-"))  # short: unix sockets are made below
    for variable in ("TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"):
        (folder / variable).mkdir(parents=True)
        monkeypatch.setenv(variable, str(folder / variable))
    yield folder
    assert [path.name for path in (folder / "TMPDIR").iterdir()] == []
    assert [path.name for path in (folder / "XDG_RUNTIME_DIR").iterdir()] == []
    mine = {process.pid: process.cmdline() for process in _processes(folder)}
    assert mine == {}
    shutil.rmtree(folder)


def _processes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            inherited = process.environ().get("TMPDIR", "").startswith(str(folder))
        except psutil.Error:  # ended, or another user's
            continue
        if inherited and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def closed(endpoint: str) -> bool:
    host, _, port = endpoint.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@pytest.mark.parametrize(("how", "code"), [(["--ephemeral"], 3), ([], 0)])
def test_exec_that_ends(traces: Path, how: list[str], code: int) -> None:
    status = [*GCPMLOPS, "emulator", "status", "--format", "json"]  # of the emulator around it, wherever its data is
    script = f"import subprocess, sys; subprocess.run({status}, check=True); sys.exit({code})"
    done = run((*GCPMLOPS, "emulator", "exec", *how, "--", sys.executable, "-c", script), code=code)
    assert closed(json.loads(done.stdout)["endpoint"])
    assert bool(list((traces / "XDG_DATA_HOME").iterdir())) is (how == [])  # without --ephemeral the data is kept


@pytest.mark.parametrize(
    ("how", "number"),
    [
        (["--ephemeral"], signal.SIGINT),
        ([], signal.SIGTERM),
        (["--ephemeral"], signal.SIGHUP),
        (["--ephemeral"], signal.SIGKILL),
        ([], signal.SIGKILL),
    ],
)
def test_exec_that_is_told_to_end(traces: Path, how: list[str], number: signal.Signals) -> None:
    line = (*GCPMLOPS, "emulator", "exec", *how, "--", sys.executable, "-c", SLEEPER)
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        endpoint = child.stdout.readline().strip()
        if number in (signal.SIGINT, signal.SIGKILL):
            os.killpg(child.pid, number)  # as Ctrl-C in a terminal: to the whole group
        else:
            child.send_signal(number)
        code = child.wait(30)
    assert code != 0
    until(lambda: closed(endpoint))
    until(lambda: not _processes(traces))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_exec_that_is_told_to_end_while_it_starts(traces: Path, number: signal.Signals) -> None:
    line = (*GCPMLOPS, "emulator", "exec", "--ephemeral", "--", sys.executable, "-c", SLEEPER)
    with subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL) as child:
        until(lambda: psutil.Process(child.pid).children())  # the emulator is being started
        child.send_signal(number)
        assert child.wait(30) != 0
    until(lambda: not _processes(traces))


def test_start_and_stop(traces: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    run((*GCPMLOPS, "emulator", "start", "--detach", "--ephemeral", "--data-dir", data), capture_output=True)
    state = launch.alive(data)
    assert run((*GCPMLOPS, "emulator", "status", "--data-dir", data, "--format", "json")).stdout.count(state.endpoint)
    run((*GCPMLOPS, "emulator", "stop", "--data-dir", data))
    assert closed(state.endpoint)
    assert not data.exists()
    assert "no emulator runs" in run((*GCPMLOPS, "emulator", "stop", "--data-dir", data), code=1).stderr


def test_start_in_the_foreground_ends_by_ctrl_c(traces: Path, tmp_path: Path) -> None:
    line = (*GCPMLOPS, "emulator", "start", "--ephemeral", "--data-dir", tmp_path / "data")
    with subprocess.Popen([str(part) for part in line], stderr=subprocess.PIPE, text=True) as child:
        until(lambda: "Local Google Cloud" in child.stderr.readline())
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
    assert not (tmp_path / "data").exists()


def test_env_leads_a_shell_to_it(traces: Path, tmp_path: Path) -> None:
    data = tmp_path / "data dir's"  # to be quoted
    state = launch.start(data)
    try:
        script = (
            'eval "$("$1" emulator env --data-dir "$2")" && '
            '"$3" -c "from google.cloud import storage; print(list(storage.Client().list_buckets()))"'
        )
        assert run(("sh", "-c", script, "sh", *GCPMLOPS, data, sys.executable)).stdout == "[]\n"
    finally:
        launch.stop(state)


def test_reset_keeps_the_port_and_no_data(traces: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    launch.stop(launch.start(data))  # so that the next is another process's child
    start = (*GCPMLOPS, "emulator", "start", "--detach", "--data-dir", data, "--project", "mine", "--enforce-iam")
    run(start, capture_output=False)
    before = launch.alive(data)
    make = "from google.cloud import storage; storage.Client().create_bucket('gone-soon')"
    look = "from google.cloud import storage; c = storage.Client(); print(c.project, list(c.list_buckets()))"
    inside = (*GCPMLOPS, "emulator", "exec", "--data-dir", data, "--", sys.executable, "-c")
    run((*inside, make))
    run((*GCPMLOPS, "emulator", "reset", "--yes", "--data-dir", data), capture_output=False)
    after = launch.alive(data)
    assert (after.port, after.project) == (before.port, "mine")
    assert "--enforce-iam" in after.options
    assert after.options == before.options
    assert after.pid != before.pid
    assert run((*inside, look)).stdout == "mine []\n"
    run((*GCPMLOPS, "emulator", "stop", "--data-dir", data))


@pytest.mark.parametrize("ending", ["assert False", "raise KeyboardInterrupt", "import os; os._exit(3)"])
def test_a_test_run_that_fails(traces: Path, tmp_path: Path, ending: str) -> None:
    (tmp_path / "test_mine.py").write_text(
        "def test_mine(emulator, client, bucket):\n"
        "    client.storage.upload(b'x', destination=f'gs://{bucket}/x')\n"
        f"    print('at', emulator.endpoint, flush=True)\n    {ending}\n"
    )
    line = (sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:bqemulator", "test_mine.py")
    done = run(line, cwd=tmp_path, code=None)
    assert done.returncode != 0
    (endpoint,) = [said.removeprefix("at ") for said in done.stdout.splitlines() if said.startswith("at ")]
    until(lambda: closed(endpoint))  # where no teardown ran, the emulator has seen that its starter is gone
    until(lambda: not _processes(traces))

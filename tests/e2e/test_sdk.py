"""Plain programs on Google's SDKs, with default credentials and transports."""

import sys

import pytest

from .conftest import GCPMLOPS, Shell, run

pytestmark = pytest.mark.xdist_group("e2e-sdk")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_life_cycle(shell: Shell, transport: str) -> None:
    assert f"whole life cycle over {transport}" in shell.python("life_cycle.py", transport).stdout


def test_job_kinds_and_their_failures(shell: Shell) -> None:
    done = shell.python("job_kinds.py")
    assert "all kinds" in done.stdout


def test_gcsfs_and_googleapiclient(shell: Shell) -> None:
    pytest.importorskip("gcsfs")
    pytest.importorskip("socks")
    assert "other clients" in shell.python("other_clients.py").stdout


def test_an_emulator_of_its_own(tmp_path) -> None:
    script = "from google.cloud import storage; c = storage.Client(); c.create_bucket('a-b-c'); print(c.project)"
    line = (*GCPMLOPS, "emulator", "exec", "--ephemeral", "--project", "mine", "--", sys.executable, "-c", script)
    assert run(line, cwd=tmp_path).stdout == "mine\n"

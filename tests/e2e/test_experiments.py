"""The SDK's experiments, ML metadata and autologging, unchanged."""

import sys
from importlib.util import find_spec

import pytest

from .conftest import Shell

pytestmark = pytest.mark.xdist_group("e2e-experiments")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_experiments(shell: Shell, transport: str) -> None:
    runs = {"grpc": 8, "rest": 2}[transport]
    assert f"experiments over {transport}" in shell.python("experiments.py", transport, runs).stdout


@pytest.mark.skipif(find_spec("mlflow") is None, reason="the SDK's autologging needs mlflow-skinny>=1.27,<3")
def test_autologging(shell: Shell) -> None:
    assert "autologged over rest" in shell.python("autolog.py", "rest").stdout


def test_jobs_log_into_their_experiments(shell: Shell) -> None:
    assert "jobs in experiments over grpc" in shell.python("experiment_jobs.py", "grpc", sys.executable).stdout

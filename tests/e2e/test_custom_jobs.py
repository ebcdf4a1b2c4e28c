"""Custom jobs in every form, through the SDK."""

import pytest

from .conftest import Shell

pytestmark = pytest.mark.xdist_group("e2e-jobs")


def test_the_sdk(shell: Shell) -> None:
    said = shell.python("custom_jobs.py", "grpc", "rest").stdout  # the SDK's start-up takes longer than either
    assert "custom jobs over grpc" in said
    assert "custom jobs over rest" in said

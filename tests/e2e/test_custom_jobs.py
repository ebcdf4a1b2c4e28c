"""Custom jobs in every form, through the SDK."""

import pytest

from .conftest import Shell

pytestmark = pytest.mark.xdist_group("e2e-jobs")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_the_sdk(shell: Shell, transport: str) -> None:
    assert f"custom jobs over {transport}" in shell.python("custom_jobs.py", transport).stdout

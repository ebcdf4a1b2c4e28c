"""The model registry through the SDK and Google's own client."""

import pytest

from .conftest import Shell

pytestmark = pytest.mark.xdist_group("e2e-registry")


def test_the_sdk(shell: Shell) -> None:
    said = shell.python("registry.py", "grpc", "rest").stdout  # the SDK's start-up takes longer than either
    assert "registry over grpc" in said
    assert "registry over rest" in said

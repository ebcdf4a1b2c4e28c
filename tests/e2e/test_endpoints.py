"""Endpoints and predictions through the SDK and Google's own clients."""

from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from .conftest import Shell

pytestmark = pytest.mark.xdist_group("e2e-endpoints")


def test_the_sdk(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression().fit([[0], [1], [8], [9]], [0, 0, 1, 1]), file)
    said = shell.python("endpoints.py", file, "grpc", "rest").stdout  # the SDK's start-up takes longer than either
    assert "endpoints over grpc" in said
    assert "endpoints over rest" in said

"""Online prediction by a script that a user would write, over gRPC and REST."""

from __future__ import annotations

from pathlib import Path

import pytest

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"


@pytest.fixture(scope="module")
def weighing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a framework: 1, 2, 3 times the cells of a row."""
    path = tmp_path_factory.mktemp("model") / "model.pkl"
    source = "type('Weighing', (), {'predict': lambda self, rows: rows.astype(float) @ [1.0, 2.0, 3.0]})()"
    path.write_bytes(b"cbuiltins\neval\n(V" + source.encode() + b"\ntR.")
    return path


def test_online_prediction_through_the_sdk(shell, weighing: Path) -> None:
    assert "OK" in shell.python("prediction.py", weighing, IMAGE).stdout

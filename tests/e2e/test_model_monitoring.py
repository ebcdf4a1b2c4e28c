"""Model monitoring by a script that a user would write, and by gcloud."""

from __future__ import annotations

from datetime import timedelta
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


@pytest.fixture
def early_in_an_hour(emulator_clock) -> None:
    """Windows end at full hours: what a test asks within a minute lies in one window."""
    hour = emulator_clock.now().replace(minute=0, second=0, microsecond=0)
    emulator_clock.set(hour + timedelta(hours=1, minutes=1))


@pytest.mark.usefixtures("early_in_an_hour")
def test_monitoring_through_the_sdk_and_the_clock(shell, weighing: Path) -> None:
    done = shell.python("model_monitoring.py", weighing, IMAGE, shell.data_dir)
    assert "OK" in done.stdout
    listed = shell.tool("gcloud", "ai", "model-monitoring-jobs", "list", "--region=us-central1", "--format=json")
    assert listed.stdout.strip() == "[]"

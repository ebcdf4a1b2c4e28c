"""The serving check, as the library runs it: one JSON object, whatever the model does."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LinearRegression

from gcpmlops.emulator import check_serving

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"


@pytest.fixture
def checked(monkeypatch, capsys, tmp_path: Path) -> Any:
    """Runs the check of a folder under this Python; its report and exit code."""
    monkeypatch.setattr(check_serving, "pythons", lambda environments: lambda image: Path(sys.executable))

    def run(*arguments: str) -> tuple[dict[str, Any], int]:
        code = check_serving.main(["--model-dir", str(tmp_path), "--image", IMAGE, *arguments])
        return json.loads(capsys.readouterr().out), code

    return run


def put(folder: Path, samples: Any) -> None:
    model = LinearRegression().fit([[0.0], [1.0]], [2.5, 2.5])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    (folder / "samples.json").write_text(json.dumps(samples))


def test_a_model_that_serves_its_samples(checked: Any, tmp_path: Path) -> None:
    put(tmp_path, {"instances": [[1.0], [2.0]]})
    report, code = checked("--repeat", "3")
    assert (report["ok"], code, report["error"]) == (True, 0, "")
    assert report["predictions"] == [2.5, 2.5]
    assert 0 < report["predict_seconds"]["median"] <= report["predict_seconds"]["max"] < report["boot_seconds"]
    assert report["memory_mib"] > 20
    (tmp_path / "other.json").write_text('[{"a": 1}, 2]')
    report, code = checked("--samples", str(tmp_path / "other.json"))
    assert (report["ok"], code, report["stage"]) == (False, 1, "predict")
    assert "answered the samples with 400: " in report["error"]


def test_where_it_stops_is_told(checked: Any, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"no pickle")
    report, code = checked()
    assert (report["ok"], code, report["stage"]) == (False, 1, "start")
    assert f"The model in {tmp_path} could not be loaded" in report["log_tail"][-1]
    put(tmp_path, [[1.0]])
    report, code = checked("--ready-seconds", "0.001")
    assert (report["stage"], code) == ("health", 1)
    assert "never became ready in 0.001 s: /health" in report["error"]
    report, code = checked("--samples", str(tmp_path / "none.json"))
    assert (report["stage"], code) == ("environment", 1)
    assert "none.json" in report["error"]

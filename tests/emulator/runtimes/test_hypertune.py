"""Metric files, written by cloudml-hypertune itself and found in every state of being written."""

import json
import math
import sys
import types
from pathlib import Path

import pytest

from gcpmlops.emulator.runtimes.hypertune import MetricFile


def line(value: object, step: int = 0, name: str = "accuracy") -> str:
    body = {"timestamp": 100.0 + step, "trial": "1", name: str(value), "global_step": str(step), "checkpoint_path": ""}
    return json.dumps(body) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output.metrics"


def test_reports_come_once(path: Path) -> None:
    file = MetricFile(path)
    assert file.new() == []
    path.write_text(line(0.5, 1))
    (report,) = file.new()
    assert (report.metrics, report.step, report.timestamp) == ({"accuracy": 0.5}, 1, 101.0)
    assert file.new() == []
    path.write_text(line(0.5, 1) + line(0.6, 2))
    assert [report.step for report in file.new()] == [2]


def test_a_file_that_is_being_written(path: Path) -> None:
    file = MetricFile(path)
    whole = line(0.5, 1) + line(0.6, 2) + line(0.7, 3)
    found = []
    for size in (0, 7, len(line(0.5, 1)) - 1, len(line(0.5, 1)) + 9, 3, len(whole) - 5, len(whole)):
        path.write_text(whole[:size])
        found += file.new()
    assert [report.step for report in found] == [1, 2, 3]


def test_what_is_no_report_is_passed_over(path: Path) -> None:
    path.write_text('[1]\nnull\n"x"\n{"global_step": "x", "a": "1"}\n\x00\n' + line("nan") + line("word", 1))
    first, second = MetricFile(path).new()
    assert math.isnan(first.metrics["accuracy"])
    assert math.isnan(second.metrics["accuracy"])


def test_more_reports_than_the_file_keeps(path: Path) -> None:
    file, found = MetricFile(path), []
    for end in range(1, 300):
        path.write_text("".join(line(step, step) for step in range(max(0, end - 100), end)))
        found += file.new()
    assert [report.step for report in found] == list(range(299))


def test_what_cloudml_hypertune_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hypertune = pytest.importorskip("hypertune")
    assert isinstance(hypertune, types.ModuleType)
    assert "hypertune" in sys.modules
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(path))
    tune, file = hypertune.HyperTune(), MetricFile(path)
    tune.report_hyperparameter_tuning_metric("accuracy", 0.25, 7)
    tune.report_hyperparameter_tuning_metric("loss", 3)
    assert [(report.metrics, report.step) for report in file.new()] == [({"accuracy": 0.25}, 7), ({"loss": 3.0}, 0)]

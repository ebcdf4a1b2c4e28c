"""examples/xgboost_package and examples/distributed: the commands of their READMEs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def environment(emulator_environment: dict[str, str]) -> dict[str, str]:
    """With this environment's python and gcpmlops first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{emulator_environment['PATH']}"
    return {**emulator_environment, "PATH": path, "PYTHONPATH": str(EXAMPLES.parent)}


def _run(name: str, folder: Path, environment: dict[str, str]) -> tuple[str, str]:
    """What the README's commands print, on stdout and on stderr, where the jobs' logs go."""
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    found = re.search(r"```sh\n(.*?)```", (EXAMPLES / name / "README.md").read_text(), re.DOTALL)
    assert found
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[1]],
        cwd=folder / name, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, result.stderr


def test_xgboost_package(tmp_path: Path, environment: dict[str, str]) -> None:
    output, log = _run("xgboost_package", tmp_path, environment)
    assert "pythonModule: late_flights.task" in output  # the dry run
    assert "No problems." in log
    assert float(re.findall(r"AUC (0\.\d+)", log)[0]) > 0.7
    assert re.search(r"gs://\S+/runs/1/model/model\.bst", output)
    # train.py: what it knows beforehand, and its job
    assert re.search(r"would fail: \S*src/late_flights/task\.py:\d+: .*--depth=8.*Did you mean --max-depth\?", output)
    assert re.search(r"AUC 0\.\d+", output)


def test_two_processes_learn_one_model(tmp_path: Path, environment: dict[str, str]) -> None:
    output, log = _run("distributed", tmp_path, environment)
    replicas = re.findall(r"replica (\d) of 2: ([\d,]+) flights, model (\w+)", log)
    assert {rank for rank, _, _ in replicas} == {"0", "1"}
    (_, first, model), (_, second, other) = replicas
    assert model == other
    assert first != second
    both = sum(int(count.replace(",", "")) for count in (first, second))
    assert f"one model from {both:,} flights" in log
    assert re.search(r"gs://\S+/runs/1/model/model\.bst", output)

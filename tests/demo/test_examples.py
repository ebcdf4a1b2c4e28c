"""examples/flights: the commands of its README, and the same in Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
README = (EXAMPLE / "README.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def environment(emulator_environment: dict[str, str]) -> dict[str, str]:
    """With this environment's python and gcpmlops first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{emulator_environment['PATH']}"
    return {**emulator_environment, "PATH": path, "PYTHONPATH": str(EXAMPLE.parents[1])}


def _run(script: str, folder: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_commands_of_the_readme(folder: Path, environment: dict[str, str]) -> None:
    script = re.search(r"```sh\n(.*?)```", README, re.DOTALL)[1]
    output = _run(script, folder, environment)
    assert "80789" in output  # rows of January to March
    assert "JOB_STATE_SUCCEEDED" in output
    assert {float(line) for line in output.splitlines()[-2:]} <= {0.0, 1.0}


def test_the_same_in_python(folder: Path, environment: dict[str, str]) -> None:
    output = _run("python months.py data 1 && python life_cycle.py data", folder, environment)
    assert "AUC 0." in output
    assert {line.partition("] ")[2] for line in output.splitlines()[-2:]} <= {"late", "on time"}

"""examples/search and examples/experiment: the commands of their READMEs."""

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


@pytest.fixture
def shown(tmp_path: Path, environment: dict[str, str]):
    """Runs all commands of an example's README in a copy of it; their output, and the folder."""

    def run(example: str) -> tuple[str, Path]:
        for name in (example, "flights"):
            shutil.copytree(EXAMPLES / name, tmp_path / name)
        text = (EXAMPLES / example / "README.md").read_text()
        script = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path / example, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=220,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout, tmp_path / example

    return run


def test_a_search_beats_the_defaults_on_months_that_it_never_saw(shown) -> None:
    output, folder = shown("search")
    assert len(re.findall(r"^trial \d+ SUCCEEDED: auc", output, re.MULTILINE)) == 12
    default, best = (float(number) for number in re.findall(r"AUC ([\d.]+) on the held-out months", output))
    assert best > default + 0.01
    for page in ("search.html", "from-the-shell.html"):
        assert '<div id="figure-' in (folder / page).read_text()
    assert "JOB_STATE_SUCCEEDED" in output


def test_runs_are_compared(shown) -> None:
    output, folder = shown("experiment")
    assert len(re.findall(r"^ *rate-[\d-]+ +COMPLETE", output, re.MULTILINE)) >= 3
    for page in ("late-flights.html", "loss.html"):
        assert '<div id="figure-' in (folder / page).read_text()
    assert "20 points, last 0." in output

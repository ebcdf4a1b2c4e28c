"""A retraining in a YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcpmlops._retraining.file import read
from gcpmlops.endpoints import Canary
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.retraining import Budget, DataDrift, QualityBelow

EXAMPLE = Path(__file__).parents[2] / "examples" / "loop" / "retraining.yaml"
SHORT = """name: flights
model: m
endpoint: e
training: SELECT 1
evaluation: SELECT 1
evaluate: {target: late}
triggers:
  - schedule: {cron: "0 6 * * 1"}
"""


def test_the_example() -> None:
    given = read(EXAMPLE)
    assert given["source"] == EXAMPLE.parent / "train.py"
    assert given["gates"].read_text().startswith("gates:")
    assert given["canary"] == Canary(steps=[20, 100], bake=1, settle=0, min_requests=5, probes=True, tolerance=None)
    assert given["budget"] == Budget(runs=5, per="90d")
    drift, quality = given["triggers"]
    assert isinstance(drift, DataDrift)
    assert isinstance(quality, QualityBelow)
    assert (drift.every, quality.prediction) == ("0 6 8 * *", "$[1]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SHORT.replace("model: m\n", ""), r"r\.yaml:1: model is missing"),
        (SHORT.replace("model:", "modle:"), r"r\.yaml:2: unknown key 'modle'"),
        (SHORT.replace("schedule:", "shedule:"), r"r\.yaml:8: unknown key 'shedule'"),
        (SHORT.replace("cron:", "corn:"), r"r\.yaml:8: .*'corn'"),
        (SHORT + "  - quality: {metric: roc_auc}\n", r"r\.yaml:9: quality has no limit"),
        (SHORT + "canary: {steps: [50, 20]}\n", r"r\.yaml:9: .*canary steps"),
        (SHORT + "budget: 3\n", r"r\.yaml:9: Budget is not a mapping"),
        (SHORT.replace("  - schedule", "  schedule"), r"r\.yaml:8: triggers is not a list"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InvalidArgument, match=said):
        read(tmp_path / "r.yaml")

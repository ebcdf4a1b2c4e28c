"""examples/loop: the command of its README; the whole loop from drift to the promotion, in its own local cloud."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = Path(__file__).parents[2] / "examples" / "loop"


@pytest.mark.timeout(480)
def test_drift_and_falling_quality_are_told_retrained_gated_and_promoted(tmp_path: Path) -> None:
    (command,) = re.findall(r"```sh\npython (.*?)\n```", (LOOP / "README.md").read_text())
    result = subprocess.run(
        [sys.executable, "-W", "ignore", LOOP / command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=470,
    )  # fmt: skip
    said = result.stdout
    assert result.returncode == 0, said + result.stderr
    pager = re.findall(r"^  pager: (open|closed): (\w+) of late-flights", said, re.MULTILINE)
    assert pager == [("open", "drift"), ("closed", "drift"), ("open", "quality")]
    events = re.findall(r"^(2013-\d\d-\d\d \d\d:\d\d):\d\d  ([A-Z_]+)", said, re.MULTILINE)
    kinds = [(at[:10], kind) for at, kind in events if not re.match("SET_UP|CANARY|INCIDENT", kind)]
    first = ["TRIGGERED", "DATA", "TRAINING", "TRAINED", "REGISTERED", "EVALUATED", "GATES_PASSED", "PROMOTED", "ENDED"]
    second = [*first[:6], "GATES_FAILED", "ENDED"]
    assert kinds == [
        *(("2013-07-01", kind) for kind in first),
        *(("2013-07-08", kind) for kind in first),
        *(("2013-08-26", kind) for kind in second),
    ]
    incidents = [kind for _, kind in events if kind.startswith("INCIDENT")]
    assert incidents == ["INCIDENT_OPENED", "INCIDENT_CLOSED", "INCIDENT_OPENED"]  # as the pager was told
    triggered = [at for at, kind in events if kind == "TRIGGERED"][1:]
    assert triggered == ["2013-07-08 10:00", "2013-08-26 10:30"]  # six and half past six in New York
    assert re.search(r"TRIGGERED +drift: temp 0\.7\d+ > 0\.6", said)
    assert re.search(r"TRIGGERED +roc_auc 0\.6\d+ < 0\.7", said)
    assert re.search(r"CANARY +20 %: \d+ requests, 0 % errors.*passed", said)
    after = said[said.index("the month after:") :]
    assert len(re.findall(r"(?:roc_auc|brier): .*: better$", after, re.MULTILINE)) == 2
    assert "rehearsed: late-flights@4 was not promoted: error rate 100 %" in after
    assert "the traffic is what it was" in after
    page = (tmp_path / "timeline.html").read_text()
    assert "gates failed" in page
    assert "promoted" in page


def test_at_most_60_lines() -> None:
    lines = [line.strip() for name in ("loop.py", "train.py") for line in (LOOP / name).read_text().splitlines()]
    assert sum(bool(line) and not line.startswith(("#", '"""')) for line in lines) <= 60

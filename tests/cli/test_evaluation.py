"""`gcpmlops evaluation`: files in, reports and exit codes out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

GATES = """gates:
  - {metric: roc_auc, minimum: 0.6}
  - {metric: roc_auc, tolerance: 0.05, slices: [carrier]}
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two models' scores, of which the new one fails for carrier ZZ; labels, and a number with its prediction."""
    rng = np.random.default_rng(0)
    late, carrier = rng.random(600) < 0.4, rng.choice(["UA", "ZZ"], 600, p=[0.8, 0.2])
    old = np.clip(0.4 + 0.3 * (late - 0.4) + rng.normal(0, 0.15, 600), 0.01, 0.99)
    new = np.where(carrier == "ZZ", 1 - old, np.clip(old + 0.1 * late, 0.01, 0.99))
    frame = pd.DataFrame({"late": late.astype(int), "old": old, "new": new, "carrier": carrier, "said": new > 0.5})
    frame = frame.assign(said=frame["said"].astype(int), minutes=rng.normal(10, 5, 600), day=range(600))
    frame.assign(expected=frame["minutes"] + 1, p90=frame["minutes"] + 2).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "gates.yaml").write_text(GATES)
    return tmp_path / "rows.csv"


def test_gates_decide_the_exit_code(gcpmlops, rows: Path, bucket: str, client) -> None:
    folder = rows.parent
    common = ("evaluation", "classification", rows, "--target", "late", "--slices", "carrier", "--resamples", 20)
    kept = f"gs://{bucket}/evaluations/old.json"
    gcpmlops(*common, "--score", "old", "--name", "old", "--json", kept)
    judged = ("--gates", folder / "gates.yaml", "--champion", kept)
    written = ("--report", folder / "new.html", "--json", folder / "new.json", "--card", folder / "new.md")
    result = gcpmlops(*common, "--score", "new", "--name", "new", *judged, *written, code=1)
    assert "1 of 3 gates failed." in result.output
    failed = next(line for line in result.output.splitlines() if " NO " in line)
    assert "carrier=ZZ" in failed
    assert "Stopped" in (folder / "new.html").read_text()
    assert (folder / "new.md").read_text().startswith("# new\n")
    assert json.loads(client.storage.read(kept))["name"] == "old"
    again = gcpmlops("evaluation", "check", folder / "new.json", *judged, "--format", "json", code=1)
    verdict = json.loads(again.stdout)
    assert [each["where"] for each in verdict["results"] if not each["passed"]] == ["carrier=ZZ"]
    gcpmlops("evaluation", "check", kept, *judged)
    gcpmlops("evaluation", "report", kept, folder / "old.html")
    assert "<figcaption>ROC</figcaption>" in (folder / "old.html").read_text()


def test_compare(gcpmlops, rows: Path) -> None:
    gates = ("--gates", rows.parent / "gates.yaml", "--slices", "carrier", "--resamples", 20)
    sides = ("--champion", "old", "--challenger", "new", "--metrics", "roc_auc", "--format", "json")
    result = gcpmlops("evaluation", "compare", rows, "--target", "late", *sides, *gates, code=1)
    found = json.loads(result.stdout)
    assert list(found["comparison"]["differences"]) == ["roc_auc"]
    assert found["gates"]["passed"] is False
    number = ("--target", "minutes", "--kind", "regression", "--champion", "expected", "--challenger", "p90")
    result = gcpmlops("evaluation", "compare", rows, "--challenger-data", rows, *number, "--resamples", 20)
    assert "worse" in next(line for line in result.output.splitlines() if line.startswith("mae"))


def test_other_kinds(gcpmlops, rows: Path) -> None:
    quick = ("--resamples", 0, "--format", "json")
    labels = gcpmlops("evaluation", "classification", rows, "--target", "late", "--prediction", "said", *quick)
    assert json.loads(labels.stdout)["metrics"]["roc_auc"]["reason"].startswith("needs scores")
    two = ("--score", "0=old", "--score", "1=new", "--positive", "1")
    wrong = gcpmlops("evaluation", "classification", rows, "--target", "late", *two, *quick, code=1)
    assert "add up to" in wrong.output
    number = gcpmlops("evaluation", "regression", rows, "--target", "minutes", "--prediction", "expected", *quick)
    assert json.loads(number.stdout)["metrics"]["mae"]["value"] == pytest.approx(1)
    ahead = ("--target", "minutes", "--prediction", "expected", "--time", "day", "--quantile", "0.9=p90")
    forecast = gcpmlops("evaluation", "forecasting", rows, *ahead, *quick)
    assert json.loads(forecast.stdout)["metrics"]["coverage:0.9"]["value"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("classification", "ROWS", "--target", "late", "--score", "a", "--score", "b"), 2, "not CLASS=COLUMN"),
        (("classification", "ROWS", "--target", "late"), 2, "has --score or --prediction"),
        (("classification", "ROWS", "--target", "lat", "--score", "old"), 1, "no column 'lat'"),
        (("classification", "none.csv", "--target", "late", "--score", "old"), 1, "No such file"),
        (("check", "ROWS", "--gates", "GATES"), 1, "is not JSON"),
        (("forecasting", "ROWS", "--target", "late", "--prediction", "old", "--quantile", "x=p"), 2, "0.9=p90"),
    ],
)
def test_bad_input(gcpmlops, rows: Path, arguments, code: int, message: str) -> None:
    paths = {"ROWS": str(rows), "GATES": str(rows.parent / "gates.yaml")}
    assert message in gcpmlops("evaluation", *[paths.get(each, each) for each in arguments], code=code).output

"""`gcpmlops tuning` against the emulator."""

import json
from pathlib import Path

import pytest
import yaml

REPORT = (
    "import json, os, sys, time; depth = sys.argv[1].partition('=')[2]; print('depth', depth); "
    "open(os.environ['CLOUD_ML_HP_METRIC_FILE'], 'w').write("
    "json.dumps({'timestamp': time.time(), 'trial': '', 'score': depth, 'global_step': '1'}) + chr(10))"
)
COMMAND = ("--image", "python:3.11", "--command", "python", "--command", "-c", "--command", REPORT)
SEARCH = ("--metric", "score=maximize", "--param", "depth=integer:2:4", "--algorithm", "grid")


def test_a_search(gcpmlops, staging: str, unique, tmp_path: Path) -> None:
    name = unique("cli")
    result = gcpmlops("tuning", "run", *COMMAND, *SEARCH, "--max-trials", 3, "--parallel-trials", 2, "--name", name)
    assert result.stderr.count(" SUCCEEDED: score ") == 3
    assert "[3/3] trial" in result.stderr
    assert "score 4 (depth=4)" in result.stdout
    (job,) = json.loads(gcpmlops("tuning", "list", "--filter", f'display_name="{name}"', "--format", "json").stdout)
    identifier = job["name"].rpartition("/")[2]
    assert "3/3" in gcpmlops("tuning", "get", identifier).stdout
    assert "JOB_STATE_SUCCEEDED" in gcpmlops("tuning", "wait", identifier).stdout
    header, *rows = gcpmlops("tuning", "trials", identifier).stdout.splitlines()
    assert (header.split()[:2], len(rows)) == (["trial", "state"], 3)
    best = json.loads(gcpmlops("tuning", "best", identifier, "--format", "json").stdout)
    assert best["finalMeasurement"]["metrics"][0]["value"] == 4
    assert "depth 4" in gcpmlops("tuning", "logs", identifier, "--trial", best["id"]).stdout
    assert "Its trials: 1, 2, 3" in gcpmlops("tuning", "logs", identifier, "--trial", "9", code=1).stderr
    page = tmp_path / "search.html"
    assert str(page) in gcpmlops("tuning", "plot", identifier, "--output", page).stdout
    assert page.read_text().count('<div id="figure-') == 3
    gcpmlops("tuning", "cancel", identifier, "--dry-run")
    gcpmlops("tuning", "delete", identifier)
    assert "tuning list" in gcpmlops("tuning", "get", identifier, code=1).stderr


def test_a_search_that_fails_is_exit_1(gcpmlops, staging: str) -> None:
    result = gcpmlops("tuning", "run", *COMMAND, "--metric", "scores=maximize", "--param", "depth=integer:2:4",
                      "--max-trials", 1, code=1)  # fmt: skip
    assert "'score'" in result.stderr
    assert "JOB_STATE_FAILED" in result.stderr


FILE = """
source: train.py
image: python:3.11
machine_type: n1-standard-8
args: {rows: 5}
metrics: {auc: maximize}
max_trials: 12
space:
  rate: {type: double, min: 1e-4, max: 0.3, scale: log}
"""


@pytest.fixture
def search(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print(1)")
    (tmp_path / "search.yaml").write_text(FILE)
    return tmp_path / "search.yaml"


def test_a_dry_run_shows_the_request(gcpmlops, search: Path) -> None:
    request = yaml.safe_load(gcpmlops("tuning", "submit", search, "--dry-run").stdout)
    pool = request["trialJobSpec"]["workerPoolSpecs"][0]
    assert pool["machineSpec"]["machineType"] == "n1-standard-8"  # not the option's default
    assert pool["pythonPackageSpec"]["args"] == ["--rows=5"]
    assert (request["maxTrialCount"], request["parallelTrialCount"]) == (12, 1)
    rate = request["studySpec"]["parameters"][0]
    assert (rate["doubleValueSpec"], rate["scaleType"]) == ({"minValue": 0.0001, "maxValue": 0.3}, "UNIT_LOG_SCALE")


def test_options_win_over_the_file(gcpmlops, search: Path) -> None:
    options = "--max-trials 5 --machine-type n1-standard-4 --param size=discrete:1,2,4:log --param kind=categorical:a,b"
    options = [*options.split(), "--metric", "loss=minimize", "--early-stopping", "median"]
    shown = gcpmlops(
        "tuning", "submit", "--config", search, *options, "--format", "json", "--dry-run", "--", "--rows=9"
    )
    request = json.loads(shown.stdout)
    pool = request["trialJobSpec"]["workerPoolSpecs"][0]
    assert (request["maxTrialCount"], pool["machineSpec"]["machineType"]) == (5, "n1-standard-4")
    assert pool["pythonPackageSpec"]["args"] == ["--rows=9"]
    size, kind = request["studySpec"]["parameters"]
    assert (size["discreteValueSpec"]["values"], size["scaleType"]) == ([1, 2, 4], "UNIT_LOG_SCALE")
    assert kind["categoricalValueSpec"]["values"] == ["a", "b"]
    assert [metric["metricId"] for metric in request["studySpec"]["metrics"]] == ["loss"]
    assert "medianAutomatedStoppingSpec" in request["studySpec"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--param", "rate=double:3:1"), 2, "rate: min 3 is above max 1"),
        (("--param", "rate=dubble:1:3"), 2, "NAME=double:MIN:MAX"),
        (("--param", "rate"), 2, "NAME=double:MIN:MAX"),
        (("--param", "a=integer:1:2", "--param", "a=integer:1:3"), 2, "a is given twice"),
        (("--metric", "auc"), 2, "KEY=VALUE"),
        (("--metric", "auc=up"), 1, "metrics.auc: 'up' is not known"),
        (("--parallel-trials", "13"), 1, "at most max_trials, 12"),
    ],
)
def test_what_is_wrong_is_said(gcpmlops, search: Path, options: tuple[str, ...], code: int, message: str) -> None:
    assert message in gcpmlops("tuning", "submit", search, *options, "--dry-run", code=code).stderr.replace("\n", " ")


def test_an_error_in_the_file_names_the_line(gcpmlops, search: Path) -> None:
    search.write_text(FILE.replace("min: 1e-4", "min: 7"))
    assert f"{search}:9: rate: min 7 is above max 0.3" in gcpmlops("tuning", "submit", search, code=1).stderr

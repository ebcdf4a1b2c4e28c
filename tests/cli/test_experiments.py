"""`gcpmlops experiments` against the emulator."""

import json
from pathlib import Path

import pytest

from gcpmlops import Client


def test_the_life_of_an_experiment(gcpmlops, client: Client, unique, tmp_path: Path) -> None:
    name = unique("cli")
    gcpmlops("experiments", "create", name, "--description", "late or not", "--label", "team=risk", "--dry-run")
    assert name not in gcpmlops("experiments", "list").stdout
    gcpmlops("experiments", "create", name, "--description", "late or not", "--label", "team=risk")
    assert "late or not" in gcpmlops("experiments", "list", "--filter", f'display_name="{name}"').stdout
    for number in (1, 2):
        with client.experiments.run(name, f"run-{number}", params={"depth": number}) as run:
            run.log_metrics({"auc": number / 4, "n": 3})
            run.log_metric("loss", 1.5, step=number)
    assert "team=risk" in gcpmlops("experiments", "show", name).stdout
    assert "1 points, last 1.5" in gcpmlops("experiments", "show", name, "run-2").stdout
    assert "run-1" in gcpmlops("experiments", "runs", name).stdout
    compared = gcpmlops("experiments", "compare", name, "--metric", "auc", "--format", "json").stdout
    assert [row["metric.auc"] for row in json.loads(compared)] == [0.25, 0.5]
    header, first, _ = gcpmlops("experiments", "compare", name, "--no-time-series").stdout.splitlines()
    assert header.split() == ["run_name", "state", "param.depth", "metric.auc", "metric.n"]
    assert first.split() == ["run-1", "COMPLETE", "1", "0.25", "3"]
    page = tmp_path / "runs.html"
    assert str(page) in gcpmlops("experiments", "plot", name, "--output", page).stdout
    assert '<div id="figure-' in page.read_text()
    gcpmlops("experiments", "delete-run", name, "run-1")
    assert "experiments runs" in gcpmlops("experiments", "show", name, "run-1", code=1).stderr
    gcpmlops("experiments", "delete", name)
    assert "experiments list" in gcpmlops("experiments", "show", name, code=1).stderr


@pytest.mark.parametrize("name", ["Not A Name", "a_b"])
def test_a_name_that_cannot_be(gcpmlops, name: str) -> None:
    assert "lower-case letters" in gcpmlops("experiments", "create", name, code=1).stderr

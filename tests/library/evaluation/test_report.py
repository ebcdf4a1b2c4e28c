"""Report, JSON and model card say the same, and need no network."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gcpmlops import exceptions
from gcpmlops.evaluation import EvaluationResult, Gate, ModelCard

FAST = {"resamples": 50}


@pytest.fixture
def judged(evaluation, loans):
    loans["carrier"] = loans["carrier"].replace("ZZ", "<b>|ZZ")
    common = {"target": "late", "threshold": 0.45, "slices": ["carrier"], "sensitive": ["sex"], **FAST}
    champion = evaluation.classification(loans, score="score", name="old", **common)
    challenger = evaluation.classification(loans, score="weak", name="new", **common)
    gates = [Gate("roc_auc", minimum=0.5), Gate("roc_auc", tolerance=0.05, slices="carrier")]
    verdict = evaluation.check(challenger, gates=gates, champion=champion)
    return challenger, evaluation.compare(champion, challenger, **FAST), verdict


class Sources(HTMLParser):
    """What a page would fetch."""

    found: tuple = ()

    def handle_starttag(self, tag, attrs) -> None:
        self.found += tuple(value for key, value in attrs if key == "src" or (tag == "link" and key == "href"))


def test_html(judged, tmp_path: Path) -> None:
    result, comparison, verdict = judged
    text = result.report(tmp_path / "r.html", comparison=comparison, verdict=verdict).read_text()
    for title in ("ROC", "Precision and recall", "Calibration", "Confusion", "ROC AUC by carrier", "Rates by sex"):
        assert f"<figcaption>{title}</figcaption>" in text, title
    assert "1 of 4 gates failed" in text
    assert "&lt;b&gt;|ZZ" in text
    assert "<b>|ZZ" not in text
    assert "<script" not in text
    assert len(text) < 100_000
    pages = Sources()
    pages.feed(text)
    assert pages.found == ()
    with pytest.raises(exceptions.InvalidArgument):
        result.report(tmp_path / "nowhere" / "r.html")


def test_json(judged, tmp_path: Path) -> None:
    result, comparison, verdict = judged
    found = json.loads(result.to_json(tmp_path / "r.json", comparison=comparison, verdict=verdict).read_text())
    assert found["metrics"]["roc_auc"]["value"] == result.value("roc_auc")
    assert {"slices", "fairness", "curves", "comparison", "gates", "settings"} <= set(found)
    assert [each["passed"] for each in found["gates"]["results"]].count(False) == 1


def test_json_is_read_back(judged, tmp_path: Path) -> None:
    result, comparison, verdict = judged
    path = result.to_json(tmp_path / "r.json", comparison=comparison, verdict=verdict)
    again = EvaluationResult.from_json(path)
    assert again.to_dict() == result.to_dict()
    assert (again.confusion, again.metrics, again.slices) == (result.confusion, dict(result.metrics), result.slices)
    assert again.report(tmp_path / "again.html").read_text() == result.report(tmp_path / "first.html").read_text()
    counts = again.curves["thresholds"]
    cells = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    assert {sum(each) for each in zip(*(counts[name] for name in cells), strict=True)} == {result.rows}
    for text in ("{", "[]", '{"name": "x"}'):
        path.write_text(text)
        with pytest.raises(exceptions.InvalidArgument):
            EvaluationResult.from_json(path)
    with pytest.raises(exceptions.InvalidArgument, match="No such file"):
        EvaluationResult.from_json(tmp_path / "none.json")


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_other_kinds(evaluation, tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.dirichlet([1, 1], 100), columns=["p0", "p1"]).assign(y=rng.integers(2, size=100))
    if kind == "multiclass":
        result = evaluation.classification(frame, target="y", score={0: "p0", 1: "p1"}, **FAST)
    else:
        result = evaluation.regression(frame, target="y", prediction="p0", **FAST)
    text = result.report(tmp_path / "r.html").read_text()
    assert ("Confusion" if kind == "multiclass" else "Residuals") in text
    json.loads(result.to_json(tmp_path / "r.json").read_text())


def test_card(judged, tmp_path: Path) -> None:
    result, comparison, verdict = judged
    card = ModelCard(
        result,
        description="Predicts late flights.",
        intended_use="Planning.",
        limits=["Not for single passengers."],
        data={"training": "flights.2013"},
        lineage={"job": "projects/p/locations/l/customJobs/1"},
        verdict=verdict,
        comparison=comparison,
    )
    text = card.markdown()
    for title in (
        "Intended use",
        "Data",
        "Metrics",
        "Slices",
        "Fairness: sex",
        "Against old",
        "Gates",
        "Limits",
        "Lineage",
    ):
        assert f"\n## {title}\n" in text, title
    assert "<b>\\|ZZ" in text
    page = card.write(tmp_path / "card.html").read_text()
    assert "<h2>Lineage</h2>" in page
    assert "<b>" not in page
    assert card.write(tmp_path / "card.md").read_text() == text

"""The HTML report in a real browser: nothing is fetched, nothing fails, and what stopped a model is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gcpmlops.drift import Drift
from gcpmlops.evaluation import Evaluation, Gate

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here; on Debian: apt-get install chromium (browsers are never downloaded)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--no-first-run"], timeout=120_000)
        yield found
        found.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A challenger that knows more but nothing of carrier ZZ, a regression, and three classes."""
    rng, rows, folder = np.random.default_rng(3), 3000, tmp_path_factory.mktemp("reports")
    late, carrier = rng.random(rows) < 0.3, rng.choice(["UA", "AA", "ZZ"], rows, p=[0.5, 0.4, 0.1])
    old = np.clip(0.3 + 0.2 * (late - 0.3) + rng.normal(0, 0.15, rows), 0.01, 0.99)
    new = np.where(carrier == "ZZ", 1 - old, np.clip(old + 0.1 * late, 0.01, 0.99))
    frame = pd.DataFrame({"late": late.astype(int), "old": old, "new": new, "carrier": carrier})
    frame["airport"] = rng.choice(["EWR", "JFK", "LGA"], rows)
    frame["delay"] = rng.normal(10, 20, rows)
    frame["kind"] = rng.choice(["a", "b", "c"], rows)
    evaluation = Evaluation(None, None)
    common: dict[str, Any] = {"target": "late", "threshold": 0.4, "slices": ["carrier"], "resamples": 50}
    champion = evaluation.classification(frame, score="old", name="champion", **common)
    model = evaluation.classification(frame, score="new", name="trees-2", sensitive=["airport"], **common)
    gates = [
        Gate("roc_auc", tolerance=0),
        Gate("roc_auc", tolerance=0.05, slices=("carrier",)),
        Gate(fairness="equalized_odds_difference", maximum=0.2),
    ]
    verdict = evaluation.check(model, gates=gates, champion=champion)
    comparison = evaluation.compare(champion, model, metrics=["roc_auc", "brier"], resamples=50)
    numbers = evaluation.regression(frame.assign(p=frame["delay"] + 1), target="delay", prediction="p", resamples=0)
    kinds = evaluation.classification(frame, target="kind", prediction="kind", slices="carrier", resamples=0)
    moved = frame.assign(delay=frame["delay"] + 30, carrier=rng.choice(["UA", "AA"], rows), old=np.nan)
    drift = Drift(None, None).compare(frame, moved, features=["delay", "carrier", "airport", "old"])
    return {
        "drift": drift.report(folder / "drift.html"),
        "stopped": model.report(folder / "stopped.html", verdict=verdict, comparison=comparison),
        "regression": numbers.report(folder / "regression.html"),
        "classes": kinds.report(folder / "classes.html"),
    }


@pytest.fixture
def opened(browser, reports):
    """Opens a report as a file, and asserts that the page wants nothing else and complains of nothing."""
    pages, complaints, requests = [], [], []

    def open_(name: str, **options: Any) -> Any:
        page = browser.new_page(viewport={"width": 1200, "height": 900}, **options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(reports[name].as_uri())
        pages.append(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert complaints == []
    assert all(url.startswith("file://") for url in requests), requests
    assert len(requests) == len(pages)


def test_what_stopped_it_is_seen_at_first_sight(opened) -> None:
    page = opened("stopped")
    verdict = page.locator(".verdict.failed")
    box = verdict.bounding_box()
    assert box["y"] + box["height"] < 400
    said = verdict.inner_text()
    assert said.startswith("Stopped: 1 of 5 gates failed")
    assert "carrier=ZZ" in said
    assert "champion 0." in said
    failed = page.locator("tr.failed", has_text="FAILED")
    assert failed.count() == 1
    assert "carrier=ZZ" in failed.inner_text()


def test_every_plot_is_drawn(opened) -> None:
    page = opened("stopped")
    titles = page.locator("figcaption").all_inner_texts()
    wanted = ["ROC", "Precision and recall", "Calibration", "Scores", "By threshold", "Confusion"]
    assert titles == [*wanted, "ROC AUC by carrier", "Rates by airport"]
    sizes = page.eval_on_selector_all("svg", "all => all.map(e => [e.clientWidth, e.clientHeight])")
    assert len(sizes) == 7
    assert all(width > 200 and height > 80 for width, height in sizes)
    roc = page.locator("figure", has=page.locator("figcaption", has_text="ROC")).first
    lengths = roc.locator("path.line").evaluate_all("all => all.map(e => e.getTotalLength())")
    assert all(length > 200 for length in lengths)
    assert roc.locator(".legend span").all_inner_texts() == ["trees-2", "champion"]


def test_no_text_lies_on_another(opened) -> None:
    for name in ("stopped", "regression", "classes", "drift"):
        overlaps = opened(name).evaluate("""() => [...document.querySelectorAll('svg')].flatMap(svg => {
            const all = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
            const cut = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
            return all.flatMap(([s, a], i) => all.slice(i + 1).filter(([_, b]) => cut(a, b)).map(([t]) => s + '/' + t));
        })""")
        assert overlaps == [], name


def test_tables_have_their_rows(opened) -> None:
    page = opened("stopped")
    slices = page.locator("table", has=page.locator("caption", has_text="3 slices")).locator("tbody tr")
    assert [row.split("\t")[0] for row in slices.all_inner_texts()] == ["carrier=UA", "carrier=AA", "carrier=ZZ"]
    groups = page.locator("table", has=page.locator("caption", has_text="3 groups")).locator("tbody tr")
    assert groups.count() == 3
    assert page.locator("table.confusion td").count() == 4


@pytest.mark.parametrize("name", ["regression", "classes"])
def test_other_kinds(opened, name: str) -> None:
    titles = opened(name).locator("figcaption").all_inner_texts()
    assert titles[-1] == ("Distribution of residuals" if name == "regression" else "Accuracy by carrier")


def test_drift_and_broken_data_are_told_apart(opened) -> None:
    page = opened("drift")
    said = page.locator(".verdict").all_inner_texts()
    assert [text.split(":")[0] for text in said] == ["Data problems", "Drift"]
    assert "old: all values are missing" in said[0]
    assert "delay: " in said[1]
    titles = page.locator("figcaption").all_inner_texts()
    assert [title.split(":")[0] for title in titles] == ["old (data)", "delay", "carrier", "airport"]
    sizes = page.eval_on_selector_all("svg", "all => all.map(e => [e.clientWidth, e.clientHeight])")
    assert all(width > 200 and height > 50 for width, height in sizes)
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_dark_and_narrow_and_printed(opened) -> None:
    def colours(page: Any) -> tuple[str, str]:
        return tuple(
            page.evaluate(
                "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] })()"
            )
        )

    light, dark = opened("stopped", color_scheme="light"), opened("stopped", color_scheme="dark")
    assert colours(light) == ("rgb(28, 32, 36)", "rgb(255, 255, 255)")
    assert colours(dark)[1] == "rgb(20, 23, 26)"
    light.set_viewport_size({"width": 400, "height": 800})
    assert light.evaluate("document.documentElement.scrollWidth") <= 400
    dark.emulate_media(media="print")
    assert colours(dark)[1] == "rgb(255, 255, 255)"
    assert dark.pdf()[:4] == b"%PDF"

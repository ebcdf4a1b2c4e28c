"""A drawn dashboard in a real browser: every chart is there, nothing is fetched, nothing fails."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gcpmlops import Client
from gcpmlops.monitoring import Drift, Point

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here; on Debian: apt-get install chromium (browsers are never downloaded)"
)


@pytest.fixture(scope="module")
def page(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dashboard of a model with two versions and three features, one of which drifts."""
    monitoring, model = client.monitoring, "browsed"
    policy = monitoring.ensure_alert(model, Drift(model=model, above=0.2))
    monitoring.ensure_dashboard(model, model=model, metrics=("roc_auc", "log_loss"), alerts=[policy])
    start = monitoring.now() - timedelta(minutes=30)
    points = []
    for minute in range(30):
        at = start + timedelta(minutes=minute)
        for version in ("1", "2"):
            labels = {"model": model, "version": version, "metric": "roc_auc", "slice": "all"}
            points.append(Point("quality", 0.7 - 0.001 * minute * int(version), labels, at=at))
        for number, feature in enumerate(("distance", "hour", "<b>carrier</b>")):
            labels = {"model": model, "endpoint": "7", "feature": feature, "kind": "drift"}
            points.append(Point("drift", 0.05 + 0.005 * minute * number, labels, at=at))
    monitoring.write_all(points)
    yield monitoring.render_dashboard(model, tmp_path_factory.mktemp("page") / "life.html", since="40m")
    monitoring.delete_dashboard(model)
    policy.delete()


def test_it_is_drawn(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--no-first-run"], timeout=120_000)
        shown = browser.new_page(viewport={"width": 1400, "height": 900})
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("request", lambda request: requests.append(request.url))
        shown.goto(page.as_uri())
        shown.wait_for_selector(".js-plotly-plot .main-svg")
        check(shown)
        shown.set_viewport_size({"width": 420, "height": 800})
        assert shown.evaluate("document.documentElement.scrollWidth") <= 420
        browser.close()
    assert complaints == []
    assert all(url.startswith(("file://", "data:", "blob:")) for url in requests), requests


def check(shown: Any) -> None:
    titles = shown.locator(".tile h3").all_inner_texts()
    assert {"ROC AUC", "Largest drift", "ROC AUC by version", "Drift by feature", "Incidents"} <= set(titles)
    assert shown.locator(".js-plotly-plot").count() == 3  # quality, drift, the policy; nothing of the log loss yet
    lines = shown.locator(".js-plotly-plot .scatterlayer .js-line")
    assert all(length > 50 for length in lines.evaluate_all("all => all.map(e => e.getTotalLength())"))
    assert lines.count() == 2 + 3 + 3
    drift = shown.locator(".tile", has=shown.locator("h3", has_text="Drift by feature"))
    assert "<b>carrier</b>" in drift.locator(".legendtext").all_text_contents()
    assert shown.locator(".value.bad").count() == 1
    tiles = shown.eval_on_selector_all(".tile", "all => all.map(e => e.getBoundingClientRect().toJSON())")
    assert all(tile["width"] > 150 and tile["height"] > 100 for tile in tiles)
    for number, one in enumerate(tiles):
        for other in tiles[number + 1 :]:
            beside = one["right"] <= other["left"] + 1 or other["right"] <= one["left"] + 1
            assert beside or one["bottom"] <= other["top"] + 1 or other["bottom"] <= one["top"] + 1

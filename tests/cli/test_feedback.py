"""`gcpmlops feedback` against the emulator."""

import json
from pathlib import Path

from gcpmlops import Client


def test_from_files_to_a_metric(gcpmlops, client: Client, unique, tmp_path: Path) -> None:
    dataset, model = unique("cli").replace("-", "_"), unique("model")
    tables = json.loads(gcpmlops("feedback", "ensure-tables", dataset, "--format", "json").stdout)
    predicted, happened = tmp_path / "predicted.jsonl", tmp_path / "happened.csv"
    at = "2026-01-05T00:00:00+00:00"
    lines = [{"key": n, "score": n / 8, "predicted_at": at, "carrier": "UA" if n % 2 else "AA"} for n in range(8)]
    predicted.write_text("\n".join(map(json.dumps, lines)))
    happened.write_text(
        "\n".join(["flight,late,seen", *(f"{n},{int(n > 3)},2026-01-06T00:00:00+00:00" for n in range(8))])
    )
    table = ("--table", tables["predictions"])
    gcpmlops("feedback", "record-predictions", predicted, *table, "--version", "3")
    columns = ("--table", tables["outcomes"], "--key", "flight", "--outcome", "late", "--time", "seen")
    assert "8 outcomes" in gcpmlops("feedback", "record-outcomes", happened, *columns).stderr
    joined = ("--predictions", tables["predictions"], "--outcomes", tables["outcomes"], "--minimum", "4")
    asked = (*joined, "--metric", "roc_auc", "--by", "version", "--by", "month", "--by", "carrier")
    page = tmp_path / "quality.html"
    shown = gcpmlops("feedback", "quality", *asked, "--output", page)
    assert "carrier=UA" in shown.stdout
    assert "predictions: 8" in shown.stderr
    assert '<div id="figure-0"' in page.read_text()
    rows = json.loads(gcpmlops("feedback", "quality", *asked, "--format", "json").stdout)["rows"]
    assert {row["slice"]: row["roc_auc"] for row in rows} == {"all": 1.0, "carrier=AA": 1.0, "carrier=UA": 1.0}
    done = json.loads(gcpmlops("feedback", "publish", model, *asked, "--format", "json").stdout)
    assert done == {"written": 6, "too_few": 0, "older": 0}
    assert len(client.monitoring.read("quality", labels={"model": model})) == 6
    assert "needs --key" in gcpmlops("feedback", "quality", "--endpoint-log", "x", code=2).stderr
    client.bigquery.delete_dataset(dataset, force=True)

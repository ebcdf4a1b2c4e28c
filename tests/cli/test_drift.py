"""`gcpmlops drift`: files in, figures, a report and exit codes out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd


def test_exit_codes_report_and_formats(gcpmlops, client, bucket: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"delay": rng.normal(0, 1, 500), "carrier": rng.choice(["AA", "UA"], 500)})
    before.to_csv(tmp_path / "before.csv", index=False)
    before.assign(delay=before.delay + 5).to_csv(tmp_path / "after.csv", index=False)
    sides = (tmp_path / "before.csv", tmp_path / "after.csv")
    found = gcpmlops("drift", "compare", *sides, "--format", "json", "--fail", code=1)
    assert json.loads(found.stdout)["anomalies"] == ["delay"]
    gcpmlops("drift", "compare", *sides)
    gcpmlops("drift", "skew", *sides, "--threshold", "delay=1", "--threshold", "0.2", "--fail")
    page = f"gs://{bucket}/drift/after.html"
    table = gcpmlops("drift", "drift", *sides, "--feature", "carrier", "--report", page, "--fail").stdout
    assert table.splitlines()[1].split()[:3] == ["carrier", "category", "ok"]
    assert b"<figcaption>carrier: 0</figcaption>" in client.storage.read(page)
    refused = gcpmlops("drift", "compare", *sides, "--threshold", "delay=much", code=2)
    assert "'delay=much' is not NUMBER or COLUMN=NUMBER" in refused.output

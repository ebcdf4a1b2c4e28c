"""Learns from a BigQuery table whether a flight will be late; leaves model.joblib where Vertex AI expects it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import joblib
from google.cloud import bigquery, storage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split


def main() -> None:
    """Read, learn, judge, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, help="PROJECT.DATASET.TABLE")
    parser.add_argument("--label", default="late")
    parser.add_argument("--categories", default="", help="columns that hold codes, comma-separated")
    parser.add_argument("--last-month", type=int, default=12, help="learn from no later month")
    options = parser.parse_args()

    frame = read(options.table, last_month=options.last_month)
    features = [name for name in frame.columns if name != options.label]
    print(f"{len(frame):,} rows, features {', '.join(features)}", flush=True)

    x_train, x_test, y_train, y_test = train_test_split(
        frame[features].to_numpy(float), frame[options.label].to_numpy(int), test_size=0.2, random_state=0
    )
    model = HistGradientBoostingClassifier(
        categorical_features=[name in options.categories.split(",") for name in features],
        max_iter=100,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        random_state=0,
    ).fit(x_train, y_train)
    auc = float(roc_auc_score(y_test, model.predict_proba(x_test)[:, 1]))
    print(f"AUC {auc:.3f} on {len(y_test):,} flights held back", flush=True)
    save(model, {"auc": auc, "rows": len(frame), "late": float(y_train.mean()), "features": features})


def read(table: str, *, last_month: int) -> Any:
    """The table's rows up to a month, as a DataFrame."""
    client = bigquery.Client(project=table.partition(".")[0])
    months = bigquery.ScalarQueryParameter("last_month", "INT64", last_month)
    config = bigquery.QueryJobConfig(query_parameters=[months])
    frame = client.query(f"SELECT * FROM `{table}` WHERE month <= @last_month", job_config=config).to_dataframe()
    # rows come in any order: the same ones shall give the same model
    return frame.sort_values(list(frame.columns))


def save(model: HistGradientBoostingClassifier, metrics: dict[str, Any]) -> None:
    """Model and metrics go to AIP_MODEL_DIR, a gs:// folder."""
    # The prebuilt prediction image answers with predict(): let that be the probabilities instead of 0 or 1.
    model.predict = model.predict_proba
    with tempfile.TemporaryDirectory() as scratch:
        joblib.dump(model, Path(scratch, "model.joblib"))
        Path(scratch, "metrics.json").write_text(json.dumps(metrics, indent=2))
        for path in sorted(Path(scratch).iterdir()):
            upload(path, os.environ["AIP_MODEL_DIR"])


def upload(path: Path, folder: str) -> None:
    """A file into a gs:// folder."""
    bucket, _, prefix = folder.removeprefix("gs://").partition("/")
    name = "/".join(filter(None, [prefix.rstrip("/"), path.name]))
    storage.Client().bucket(bucket).blob(name).upload_from_filename(str(path))
    print(f"wrote gs://{bucket}/{name}", flush=True)


if __name__ == "__main__":
    main()

"""One model of late flights; its settings are the search's parameters. Nothing in it knows about gcpmlops."""

import argparse
import json
import os
from pathlib import Path

import hypertune
import joblib
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

FEATURES = ["day", "day_of_week", "sched_dep_time", "sched_arr_time", "flight", "distance", "carrier", "origin", "dest"]


COLUMNS = ["year", "month", "day", "arr_delay", *FEATURES[2:]]


def flights(folder: str, months: str, rows: int = 0) -> pd.DataFrame:
    """Flights that arrived, all or so many; texts are numbers that are the same in all months."""
    files = [f"{folder}/flights-{int(month):02}.csv" for month in months.split(",")]
    found = pd.concat([pd.read_csv(file, usecols=COLUMNS) for file in files]).dropna(subset=["arr_delay"])
    if rows:
        found = found.sample(rows, random_state=0)
    found["late"] = (found["arr_delay"] > 15).astype(int)
    found["day_of_week"] = pd.to_datetime(found[["year", "month", "day"]]).dt.day_of_week
    for name in ("carrier", "origin", "dest"):
        found[name] = found[name].map({text: _number(text) for text in found[name].unique()})
    return found


def _number(text: str) -> int:
    return sum(ord(letter) * 31**n for n, letter in enumerate(text)) % 1009


def main() -> None:
    """Learn, judge, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="folder of flights-01.csv, ...")
    parser.add_argument("--train", default="1,2,3", help="months to learn from")
    parser.add_argument("--validation", default="4", help="months that the search looks at")
    parser.add_argument("--held-out", default="", help="months that nobody has looked at")
    # the defaults are scikit-learn's
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--max_iter", type=int, default=100)
    parser.add_argument("--max_leaf_nodes", type=int, default=31)
    parser.add_argument("--min_samples_leaf", type=int, default=20)
    parser.add_argument("--max_features", type=float, default=1.0)
    options = parser.parse_args()

    known = flights(options.data, options.train, rows=12_000)
    names = ("learning_rate", "max_iter", "max_leaf_nodes", "min_samples_leaf", "max_features")
    settings = {name: getattr(options, name) for name in names}
    model = HistGradientBoostingClassifier(**settings, early_stopping=False, random_state=0)
    model.fit(known[FEATURES], known["late"])

    scores = {}
    for name, months in (("validation", options.validation), ("held_out", options.held_out)):
        if months:
            rows = flights(options.data, months)
            scores[name] = roc_auc_score(rows["late"], model.predict_proba(rows[FEATURES])[:, 1])
    print(settings, scores, flush=True)
    hypertune.HyperTune().report_hyperparameter_tuning_metric("auc", scores["validation"])

    # Vertex AI says where the model belongs, each trial's in a folder of its own
    folder = Path(os.environ["AIP_MODEL_DIR"].replace("gs://", "/gcs/"))
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    (folder / "scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main()

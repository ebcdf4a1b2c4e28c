"""The training job: learns from a BigQuery table whether a penguin is male."""

import argparse
import os

import joblib
from sklearn.ensemble import RandomForestClassifier

FEATURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def fit(rows, *, trees, depth):
    """A forest that answers with chances."""
    forest = RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=0)
    model = forest.fit(rows[FEATURES].to_numpy(float), rows["male"])
    model.predict = model.predict_proba  # the prebuilt server answers with the chances then
    return model


def main():
    """Table in, model out."""
    from google.cloud import bigquery, storage

    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=4)
    given = parser.parse_args()
    rows = bigquery.Client().list_rows(given.table).to_dataframe().sort_values([*FEATURES, "male"])
    joblib.dump(fit(rows, trees=given.trees, depth=given.depth), "model.joblib")
    target = storage.Blob.from_uri(f"{os.environ['AIP_MODEL_DIR']}model.joblib", storage.Client())
    target.upload_from_filename("model.joblib")
    print(f"{given.trees} trees learnt from {len(rows)} penguins")


if __name__ == "__main__":
    main()

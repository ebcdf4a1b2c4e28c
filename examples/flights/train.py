"""Learns from a BigQuery table; the model goes to AIP_MODEL_DIR. Nothing in it knows about gcpmlops."""

import argparse
import os

import joblib
from google.cloud import bigquery, storage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Read, learn, judge, save."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True, help="PROJECT.DATASET.TABLE")
    parser.add_argument("--iterations", type=int, default=60)
    options = parser.parse_args()

    project = options.table.partition(".")[0]
    rows = bigquery.Client(project=project).list_rows(options.table).to_dataframe()
    features, label = rows.drop(columns="late").to_numpy(float), rows["late"].to_numpy(int)
    x_train, x_test, y_train, y_test = train_test_split(features, label, test_size=0.2, random_state=0)
    model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=options.iterations, random_state=0))
    model.fit(x_train, y_train)
    print(f"{len(rows):,} rows, AUC {roc_auc_score(y_test, model.predict_proba(x_test)[:, 1]):.3f}", flush=True)

    joblib.dump(model, "model.joblib")
    # Vertex AI says where the model belongs
    folder = os.environ["AIP_MODEL_DIR"].rstrip("/")
    storage.Blob.from_string(f"{folder}/model.joblib", client=storage.Client()).upload_from_filename("model.joblib")


if __name__ == "__main__":
    main()

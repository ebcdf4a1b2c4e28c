"""The training job: `python -m late_flights.task --data gs://BUCKET/FOLDER/`. Nothing in it knows about gcpmlops."""

import argparse
import os

import xgboost as xgb
from google.cloud import storage
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from late_flights import flights


def main() -> None:
    """Read, learn, judge, save."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="gs:// folder of CSV files")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--max-depth", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=0.2)
    options = parser.parse_args()

    table = flights.read(options.data)
    x_train, x_test, y_train, y_test = train_test_split(
        flights.features(table), flights.label(table), test_size=0.2, random_state=0
    )
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": options.max_depth, "eta": options.learning_rate, "nthread": 2},
        xgb.DMatrix(x_train, y_train, enable_categorical=True),
        num_boost_round=options.rounds,
    )
    scores = booster.predict(xgb.DMatrix(x_test, enable_categorical=True))
    print(f"{len(table):,} flights, AUC {roc_auc_score(y_test, scores):.3f}", flush=True)

    booster.save_model("model.bst")
    # Vertex AI says where the model belongs
    folder = os.environ["AIP_MODEL_DIR"].rstrip("/")
    storage.Blob.from_string(f"{folder}/model.bst", client=storage.Client()).upload_from_filename("model.bst")


if __name__ == "__main__":
    main()

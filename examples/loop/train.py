"""The training job: learns from a BigQuery table whether a flight will be late; the first column is only its id."""

import os
import sys

import joblib
from google.cloud import bigquery, storage
from sklearn.ensemble import HistGradientBoostingClassifier

rows = bigquery.Client().list_rows(sys.argv[1]).to_dataframe().sort_values("id")
known = rows[sys.argv[2].split(",")].to_numpy(float)
known[:, 0] = 0  # the id: no tree splits on what is always the same
model = HistGradientBoostingClassifier(max_leaf_nodes=15, min_samples_leaf=100, random_state=0).fit(known, rows["late"])
model.predict = model.predict_proba  # the prebuilt server answers with the chances then
joblib.dump(model, "model.joblib")
target = storage.Blob.from_uri(f"{os.environ['AIP_MODEL_DIR']}model.joblib", storage.Client())
target.upload_from_filename("model.joblib")

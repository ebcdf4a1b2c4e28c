"""A user's program: nothing in it knows of any emulator. Argument: the transport of the Vertex AI SDK."""

import json
import sys
import uuid
from pathlib import Path

from google.cloud import aiplatform, bigquery, storage
from google.cloud.aiplatform import jobs

TRAINING = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
TRAIN = """
import os, sys
import joblib
from google.cloud import bigquery, storage
from sklearn.linear_model import LogisticRegression
rows = [(row.x, row.y) for row in bigquery.Client().query(f"SELECT x, y FROM {sys.argv[1]}").result()]
model = LogisticRegression().fit([[x] for x, _ in rows], [y for _, y in rows])
joblib.dump(model, "model.joblib")
bucket, _, prefix = os.environ["AIP_MODEL_DIR"].removeprefix("gs://").partition("/")
storage.Client().bucket(bucket).blob(prefix.rstrip("/") + "/model.joblib").upload_from_filename("model.joblib")
print("trained on", len(rows), "rows")
"""

jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds
transport = sys.argv[1]
name = f"e2e-{uuid.uuid4().hex[:10]}"
dataset = name.replace("-", "_")

bucket = storage.Client().create_bucket(name, location="us-central1")
lines = "".join(f"{x / 10},{int(x > 50)}\n" for x in range(100))
bucket.blob("raw/rows.csv").upload_from_string("x,y\n" + lines, content_type="text/csv")

warehouse = bigquery.Client()
warehouse.create_dataset(dataset)
config = bigquery.LoadJobConfig(autodetect=True, skip_leading_rows=1, source_format="CSV")
warehouse.load_table_from_uri(f"gs://{name}/raw/*.csv", f"{dataset}.rows", job_config=config).result()
query = warehouse.query(f"SELECT y, COUNT(*) AS n, AVG(x) AS mean FROM {dataset}.rows GROUP BY y ORDER BY y")
frame = query.to_dataframe(create_bqstorage_client=True)
assert list(frame["n"]) == [51, 49], frame

aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}", api_transport=transport)
Path("train.py").write_text(TRAIN)
job = aiplatform.CustomJob.from_local_script(
    display_name=name,
    script_path="train.py",
    container_uri=TRAINING,
    args=[f"{dataset}.rows"],
    base_output_dir=f"gs://{name}/out",
)
job.run()
assert job.state.name == "JOB_STATE_SUCCEEDED", job.state
assert job.resource_name in [
    found.resource_name for found in aiplatform.CustomJob.list(filter=f'display_name="{name}"')
]

model = aiplatform.Model.upload(
    display_name=name, artifact_uri=f"gs://{name}/out/model", serving_container_image_uri=SERVING, labels={"team": "a"}
)
second = aiplatform.Model.upload(
    parent_model=model.resource_name, artifact_uri=f"gs://{name}/out/model", serving_container_image_uri=SERVING,
    version_aliases=["challenger"], is_default_version=False,
)  # fmt: skip
assert (model.version_id, second.version_id) == ("1", "2")
assert [version.version_id for version in model.versioning_registry.list_versions()] == ["1", "2"]

endpoint = aiplatform.Endpoint.create(display_name=name)
model.deploy(endpoint=endpoint, machine_type="n1-standard-2", deployed_model_display_name="one")
answer = endpoint.predict([[0.5], [9.5]])
assert answer.predictions == [0, 1], answer
assert answer.model_version_id == "1", answer
raw = endpoint.raw_predict(json.dumps({"instances": [[9.5]]}).encode(), {"Content-Type": "application/json"})
assert json.loads(raw.text)["predictions"] == [1], raw.text
(deployed,) = endpoint.list_models()
assert endpoint.traffic_split == {deployed.id: 100}

endpoint.undeploy_all()
endpoint.delete()
model.delete()
job.delete()
warehouse.delete_dataset(dataset, delete_contents=True)
bucket.delete(force=True)
assert not storage.Client().bucket(name).exists()
print("whole life cycle over", transport)

"""Managed datasets and training pipelines by the Vertex AI SDK. Arguments: its transports."""

import subprocess
import sys
import uuid
from pathlib import Path

import pandas
import pytest
from google.cloud import aiplatform, bigquery, storage
from google.cloud.aiplatform import training_jobs

TRAINING = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
PYTHON = "python:3.11"
TRAIN = """
import io, os, sys
import joblib
import pandas as pd
from google.cloud import storage
from sklearn.linear_model import LogisticRegression

def rows(uri):
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    blobs = storage.Client().list_blobs(bucket, prefix=name.partition("*")[0])
    return pd.concat(pd.read_csv(io.BytesIO(blob.download_as_bytes())) for blob in blobs)

assert os.environ["AIP_DATA_FORMAT"] == "csv"
training, validation, test = (rows(os.environ[f"AIP_{n}_DATA_URI"]) for n in ("TRAINING", "VALIDATION", "TEST"))
assert (len(training), len(validation), len(test)) == (60, 20, 20), (len(training), len(validation), len(test))
assert len(set(training.x) | set(validation.x) | set(test.x)) == 100
assert sys.argv[1:] == ["--rounds=7"], sys.argv
assert os.environ["NOTE"] == "kept"
model = LogisticRegression().fit(training[["x"]], training.y)
joblib.dump(model, "model.joblib")
bucket, _, prefix = os.environ["AIP_MODEL_DIR"].removeprefix("gs://").partition("/")
storage.Client().bucket(bucket).blob(prefix.rstrip("/") + "/model.joblib").upload_from_filename("model.joblib")
print("accuracy", model.score(test[["x"]], test.y))
"""
FROM_BIGQUERY = """
import os
from google.cloud import bigquery
assert os.environ["AIP_DATA_FORMAT"] == "bigquery"
sets = [os.environ[f"AIP_{name}_DATA_URI"].removeprefix("bq://") for name in ("TRAINING", "VALIDATION", "TEST")]
rows = [{row.word for row in bigquery.Client().list_rows(name)} for name in sets]
assert rows == [{"training"}, {"validation"}, {"test"}], rows
"""

training_jobs._JOB_WAIT_TIME = 0.2  # it looks every 5 seconds


def run(transport: str) -> None:
    name = f"pipes-{uuid.uuid4().hex[:10]}"
    bucket = storage.Client().create_bucket(name, location="us-central1")
    aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}", api_transport=transport)

    # datasets: from files, from a data frame by way of BigQuery, from a table
    lines = "".join(f"{x / 10},{int(x >= 50)}\n" for x in range(100))
    bucket.blob("data/rows.csv").upload_from_string("x,y\n" + lines)
    rows = aiplatform.TabularDataset.create(
        display_name=name, gcs_source=f"gs://{name}/data/rows.csv", labels={"a": "b"}
    )
    assert sorted(rows.column_names) == ["x", "y"]
    assert aiplatform.TabularDataset(rows.resource_name).display_name == name
    rows.update(display_name=f"{name}-rows", labels={"a": "c"})
    assert [found.name for found in aiplatform.TabularDataset.list(filter=f'display_name="{name}-rows"')] == [rows.name]
    (exported,) = rows.export_data(output_dir=f"gs://{name}/exported")
    assert bucket.blob(exported.removeprefix(f"gs://{name}/")).download_as_text() == "x,y\n" + lines

    warehouse = bigquery.Client()
    warehouse.create_dataset(name.replace("-", "_"))
    table = f"bq://{warehouse.project}.{name.replace('-', '_')}.words"
    words = ["training"] * 5 + ["validation"] * 3 + ["test"] * 2
    frame = pandas.DataFrame({"n": range(10), "word": words})
    framed = aiplatform.TabularDataset.create_from_dataframe(df_source=frame, staging_path=table, display_name=name)
    assert sorted(framed.column_names) == ["n", "word"]
    series = aiplatform.TimeSeriesDataset.create(display_name=name, bq_source=table)
    assert [found.name for found in aiplatform.TimeSeriesDataset.list(filter=f'display_name="{name}"')] == [series.name]
    images = aiplatform.ImageDataset.create(display_name=name)
    assert images.name not in [found.name for found in aiplatform.TabularDataset.list()]

    # a pipeline from a script
    Path("train.py").write_text(TRAIN)
    script = aiplatform.CustomTrainingJob(
        display_name=f"{name}-script", script_path="train.py", container_uri=TRAINING, requirements=["joblib"],
        model_serving_container_image_uri=SERVING,
    )  # fmt: skip
    model = script.run(
        dataset=rows, model_display_name=name, training_fraction_split=0.6, validation_fraction_split=0.2,
        test_fraction_split=0.2, args=["--rounds=7"], environment_variables={"NOTE": "kept"}, replica_count=1,
        base_output_dir=f"gs://{name}/script", model_version_aliases=["first"], sync=False,
    )  # fmt: skip

    if transport == "rest":  # the further kinds send the same messages
        model.wait()
        assert script.get_model().resource_name == model.resource_name
        print("datasets and training pipelines over rest")
        return

    # from a package and a container, side by side
    package = Path("package")
    (package / "trainer").mkdir(parents=True)
    (package / "trainer" / "__init__.py").touch()
    (package / "trainer" / "task.py").write_text(FROM_BIGQUERY)
    (package / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='trainer', version='0.1', packages=['trainer'])\n"
    )
    subprocess.run([sys.executable, "setup.py", "-q", "sdist"], cwd=package, check=True, capture_output=True)
    bucket.blob("trainer-0.1.tar.gz").upload_from_filename(package / "dist" / "trainer-0.1.tar.gz")
    packaged = aiplatform.CustomPythonPackageTrainingJob(
        display_name=f"{name}-package", python_package_gcs_uri=f"gs://{name}/trainer-0.1.tar.gz",
        python_module_name="trainer.task", container_uri=TRAINING,
    )  # fmt: skip
    packaged.run(
        dataset=framed,
        predefined_split_column_name="word",
        bigquery_destination=f"bq://{warehouse.project}",
        sync=False,
    )

    failing = aiplatform.CustomContainerTrainingJob(
        display_name=f"{name}-container", container_uri=PYTHON, model_serving_container_image_uri=SERVING,
        command=["python3", "-c", "raise ValueError('no data')"],
    )  # fmt: skip
    failing.run(base_output_dir=f"gs://{name}/container", sync=False)
    endless = aiplatform.CustomContainerTrainingJob(
        display_name=f"{name}-endless", container_uri=PYTHON, command=["python3", "-c", "import time; time.sleep(600)"]
    )
    endless.submit()
    endless.cancel()

    packaged.wait()
    model.wait()
    assert script.state.name == packaged.state.name == "PIPELINE_STATE_SUCCEEDED"
    assert script.get_model().resource_name == model.resource_name
    assert (model.version_id, set(model.version_aliases)) == ("1", {"default", "first"})
    endpoint = model.deploy(machine_type="n1-standard-2")
    assert endpoint.predict([[1.0], [9.0]]).predictions == [0, 1]
    endpoint.delete(force=True)

    with pytest.raises(RuntimeError, match="no data"):
        failing.wait()
    assert failing.has_failed

    out = f"/gcs/{name}/again/model"
    again = aiplatform.CustomContainerTrainingJob(
        display_name=f"{name}-again", container_uri=PYTHON, model_serving_container_image_uri=SERVING,
        command=["sh", "-c", f"mkdir -p {out} && cp /gcs/{name}/script/model/model.joblib {out}/"],
    )  # fmt: skip
    second = again.run(
        base_output_dir=f"gs://{name}/again", parent_model=model.resource_name, is_default_version=False,
        model_version_aliases=["second"],
    )  # fmt: skip
    assert (second.resource_name, second.version_id) == (model.resource_name, "2")
    assert aiplatform.Model(model.resource_name).version_id == "1"

    assert endless.state.name == "PIPELINE_STATE_CANCELLED"
    listed = aiplatform.CustomContainerTrainingJob.list(filter=f'display_name="{name}-endless"')
    assert [job.resource_name for job in listed] == [endless.resource_name]
    endless.delete()
    assert not aiplatform.CustomContainerTrainingJob.list(filter=f'display_name="{name}-endless"')
    fetched = aiplatform.CustomTrainingJob.get(script.resource_name)
    assert fetched.get_model().resource_name == model.resource_name
    for dataset in (rows, framed, series, images):
        dataset.delete()
    assert not aiplatform.TabularDataset.list(filter=f'display_name="{name}-rows"')
    print("datasets and training pipelines over", transport)


for each in sys.argv[1:]:
    run(each)

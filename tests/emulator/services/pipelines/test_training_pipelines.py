"""PipelineService's training pipelines through the official client: data in, a job, a model out."""

import csv
import io
import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1, bigquery, storage
from google.cloud.aiplatform_v1 import types

OPTIONS = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
TABULAR = "gs://google-cloud-aiplatform/schema/dataset/metadata/tabular_1.0.0.yaml"
CUSTOM = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
IMAGE = f"python:3.{sys.version_info[1]}"
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"
STATES: Any = types.PipelineState
FINAL = {STATES[f"PIPELINE_STATE_{state}"] for state in ("SUCCEEDED", "FAILED", "CANCELLED")}
NOTE = """
import json, os
names = ["AIP_DATA_FORMAT"] + [f"AIP_{name}_DATA_URI" for name in ("TRAINING", "VALIDATION", "TEST")]
print(json.dumps({name: os.environ.get(name) for name in names}))
open(os.path.join("/gcs", os.environ["BUCKET"], "note.json"), "w").write(
    json.dumps({name: os.environ.get(name) for name in names}))
"""


class Vertex:
    """The clients, and what the tests do with them."""

    def __init__(self, parent: str, bucket: storage.Bucket) -> None:
        self.parent = parent
        self.bucket = bucket
        self.uri = f"gs://{bucket.name}"
        self.pipelines = aiplatform_v1.PipelineServiceClient(client_options=OPTIONS)
        self.datasets = aiplatform_v1.DatasetServiceClient(client_options=OPTIONS)
        self.models = aiplatform_v1.ModelServiceClient(client_options=OPTIONS)
        self.jobs = aiplatform_v1.JobServiceClient(client_options=OPTIONS)

    def dataset(self, **source: Any) -> str:
        """A tabular dataset's id."""
        made = types.Dataset(display_name="d", metadata_schema_uri=TABULAR)
        types.Dataset.pb(made).metadata.struct_value.update({"inputConfig": source})
        return self.datasets.create_dataset(parent=self.parent, dataset=made).result(60).name.rpartition("/")[2]

    def csv(self, rows: list[dict[str, Any]]) -> str:
        """A dataset of one CSV file; its id."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        self.bucket.blob("rows.csv").upload_from_string(text.getvalue())
        return self.dataset(gcsSource={"uri": [f"{self.uri}/rows.csv"]})

    def pipeline(self, script: str, *, output: str = "out", **fields: Any) -> types.TrainingPipeline:
        """A created pipeline that runs Python code."""
        env = [{"name": "BUCKET", "value": self.bucket.name}]
        container = {"image_uri": IMAGE, "command": ["python3", "-c", script], "env": env}
        pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
        inputs: dict[str, Any] = {"workerPoolSpecs": [pool]}
        if output:
            inputs["baseOutputDirectory"] = {"outputUriPrefix": f"{self.uri}/{output}"}
        made = types.TrainingPipeline(
            **{"display_name": "p", "training_task_definition": CUSTOM, "labels": {"a": "b"}, **fields}
        )
        types.TrainingPipeline.pb(made).training_task_inputs.struct_value.update(inputs)
        return self.pipelines.create_training_pipeline(parent=self.parent, training_pipeline=made)

    def until(self, name: str, condition: Callable[[types.TrainingPipeline], Any]) -> types.TrainingPipeline:
        deadline = time.monotonic() + 60
        while not condition(found := self.pipelines.get_training_pipeline(name=name)):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)  # between two looks, not for timing
        return found

    def ended(self, script: str, **fields: Any) -> types.TrainingPipeline:
        return self.until(self.pipeline(script, **fields).name, lambda found: found.state in FINAL)

    def note(self) -> dict[str, str]:
        """What NOTE wrote."""
        found: dict[str, str] = json.loads(self.bucket.blob("note.json").download_as_text())
        return found

    def rows(self, wildcard: str) -> list[dict[str, str]]:
        """The rows behind a URI of CSV files."""
        prefix = wildcard.removeprefix(f"{self.uri}/").removesuffix("*.csv")
        texts = [blob.download_as_text() for blob in self.bucket.list_blobs(prefix=prefix)]
        assert texts, wildcard
        return [row for text in texts for row in csv.DictReader(io.StringIO(text))]

    def sets(self) -> list[list[dict[str, str]]]:
        note = self.note()
        assert note["AIP_DATA_FORMAT"] == "csv"
        return [self.rows(note[f"AIP_{name}_DATA_URI"]) for name in ("TRAINING", "VALIDATION", "TEST")]


@pytest.fixture
def vertex(google_environment: dict[str, str], emulator: Any, bucket: str) -> Vertex:
    return Vertex(f"projects/{emulator.project}/locations/us-central1", storage.Client().bucket(bucket))


def state(pipeline: types.TrainingPipeline) -> str:
    return pipeline.state.name.removeprefix("PIPELINE_STATE_")


def test_a_pipeline_runs_a_custom_job(vertex: Vertex) -> None:
    made = vertex.pipeline("print('hello')")
    assert made.name.startswith(f"{vertex.parent}/trainingPipelines/")
    done = vertex.until(made.name, lambda found: found.state in FINAL)
    assert state(done) == "SUCCEEDED"
    assert made.create_time <= done.start_time <= done.end_time
    job = vertex.jobs.get_custom_job(name=done.training_task_metadata["backingCustomJob"])
    assert (job.display_name, job.state.name, dict(job.labels)) == ("p-custom-job", "JOB_STATE_SUCCEEDED", {"a": "b"})
    listed = vertex.pipelines.list_training_pipelines(request={"parent": vertex.parent, "filter": 'labels.a="b"'})
    assert done in list(listed)
    vertex.pipelines.delete_training_pipeline(name=done.name).result(60)
    with pytest.raises(exceptions.NotFound, match=done.name):
        vertex.pipelines.get_training_pipeline(name=done.name)
    assert vertex.jobs.get_custom_job(name=job.name).name == job.name


def test_fractions_of_a_csv_dataset(vertex: Vertex) -> None:
    dataset = vertex.csv([{"n": n, "text": f'a "{n}", b'} for n in range(100)])
    config = {
        "dataset_id": dataset,
        "fraction_split": {"training_fraction": 0.7, "validation_fraction": 0.2, "test_fraction": 0.1},
        "gcs_destination": {"output_uri_prefix": f"{vertex.uri}/data/"},
    }
    done = vertex.ended(NOTE, input_data_config=config)
    assert state(done) == "SUCCEEDED", done.error
    training = vertex.note()["AIP_TRAINING_DATA_URI"]
    assert training.startswith(f"{vertex.uri}/data/dataset-{dataset}-tables-20")
    assert training.endswith("Z/training-*.csv")
    sets = vertex.sets()
    assert [len(rows) for rows in sets] == [70, 20, 10]
    assert sorted(int(row["n"]) for rows in sets for row in rows) == list(range(100))
    assert all(row["text"] == f'a "{row["n"]}", b' for rows in sets for row in rows)
    vertex.ended(NOTE, input_data_config=config)
    assert vertex.sets() == sets
    script = "import glob, os; assert glob.glob(os.environ['AIP_TEST_DATA_URI'].replace('gs://', '/gcs/'))"
    done = vertex.ended(script, input_data_config=config)
    assert state(done) == "SUCCEEDED", done.error


def test_predefined_and_timestamp_and_stratified_splits(vertex: Vertex) -> None:
    words = ["training", "training", "validation", "test", "other"]
    rows = [{"n": n, "set": words[n % 5], "at": f"2024-01-{31 - n:02d}T00:00:00Z"} for n in range(30)]
    dataset = vertex.csv(rows)
    fractions = {"training_fraction": 0.5, "validation_fraction": 0.3, "test_fraction": 0.2}
    vertex.ended(NOTE, input_data_config={"dataset_id": dataset, "predefined_split": {"key": "set"}})
    assert [{row["set"] for row in rows} for rows in vertex.sets()] == [{"training"}, {"validation"}, {"test"}]
    assert [len(rows) for rows in vertex.sets()] == [12, 6, 6]
    vertex.ended(NOTE, input_data_config={"dataset_id": dataset, "timestamp_split": {"key": "at", **fractions}})
    training, validation, test = ([row["at"] for row in rows] for rows in vertex.sets())
    assert (len(training), len(validation), len(test)) == (15, 9, 6)
    assert max(training) < min(validation)
    assert max(validation) < min(test)
    vertex.ended(NOTE, input_data_config={"dataset_id": dataset, "stratified_split": {"key": "set", **fractions}})
    assert [{row["set"] for row in rows} for rows in vertex.sets()] == [set(words)] * 3


@pytest.fixture
def table(vertex: Vertex, emulator: Any) -> str:
    client = bigquery.Client()
    client.create_dataset("trained", exists_ok=True)
    words = "CASE MOD(n, 4) WHEN 0 THEN 'training' WHEN 1 THEN 'validate' WHEN 2 THEN 'TEST' ELSE 'x' END"
    client.query(
        f"CREATE OR REPLACE TABLE trained.t AS SELECT n, {words} AS word, n * 0.5 AS half, "
        "TIMESTAMP_ADD(TIMESTAMP '2024-01-01', INTERVAL n DAY) AS at, [n] AS many "
        "FROM UNNEST(GENERATE_ARRAY(1, 40)) AS n"
    ).result()
    return vertex.dataset(bigquerySource={"uri": f"bq://{emulator.project}.trained.t"})


def test_bigquery_to_bigquery(vertex: Vertex, table: str, emulator: Any) -> None:
    client = bigquery.Client()

    def sets(**split: Any) -> list[list[Any]]:
        destination = {"output_uri": f"bq://{emulator.project}"}
        done = vertex.ended(NOTE, input_data_config={"dataset_id": table, "bigquery_destination": destination, **split})
        assert state(done) == "SUCCEEDED", done.error
        note = vertex.note()
        assert note["AIP_DATA_FORMAT"] == "bigquery"
        names = [note[f"AIP_{name}_DATA_URI"].removeprefix("bq://") for name in ("TRAINING", "VALIDATION", "TEST")]
        assert names[0].startswith(f"{emulator.project}.dataset_{table}_tables_20")
        assert [name.rpartition(".")[2] for name in names] == ["training", "validation", "test"]
        assert {(f.name, f.field_type, f.mode) for f in client.get_table(names[0]).schema} == {
            (f.name, f.field_type, f.mode) for f in client.get_table("trained.t").schema
        }
        return [list(client.list_rows(name)) for name in names]

    fractions = {"training_fraction": 0.5, "validation_fraction": 0.25, "test_fraction": 0.25}
    found = sets(fraction_split=fractions)
    assert [len(rows) for rows in found] == [20, 10, 10]
    assert sorted(row["n"] for rows in found for row in rows) == list(range(1, 41))
    found = sets(timestamp_split={"key": "at", **fractions})
    assert [sorted(row["n"] for row in rows) for rows in found] == [
        list(range(1, 21)), list(range(21, 31)), list(range(31, 41)),
    ]  # fmt: skip
    found = sets(predefined_split={"key": "word"})
    assert [{row["word"] for row in rows} for rows in found] == [{"training"}, {"validate"}, {"TEST"}]
    found = sets(stratified_split={"key": "word", **fractions})
    assert sorted(row["n"] for rows in found for row in rows) == list(range(1, 41))
    for word in ("training", "validate", "TEST", "x"):
        shares = [sum(row["word"] == word for row in rows) for rows in found]
        assert shares == [pytest.approx(share, abs=1) for share in (5, 2.5, 2.5)]


def test_across(vertex: Vertex, emulator: Any) -> None:
    client = bigquery.Client()
    client.create_dataset("across", exists_ok=True)
    client.query("CREATE OR REPLACE TABLE across.t AS SELECT n FROM UNNEST(GENERATE_ARRAY(1, 10)) AS n").result()
    dataset = vertex.dataset(bigquerySource={"uri": f"bq://{emulator.project}.across.t"})
    vertex.ended(NOTE, input_data_config={"dataset_id": dataset})
    assert sorted(int(row["n"]) for rows in vertex.sets() for row in rows) == list(range(1, 11))
    assert [len(rows) for rows in vertex.sets()] == [8, 1, 1]
    dataset = vertex.csv([{"n": n, "name": f"x{n}"} for n in range(10)])
    destination = {"output_uri": f"bq://{emulator.project}"}
    vertex.ended(NOTE, input_data_config={"dataset_id": dataset, "bigquery_destination": destination})
    rows = list(client.list_rows(vertex.note()["AIP_TRAINING_DATA_URI"].removeprefix("bq://")))
    assert len(rows) == 8
    assert all(row["name"] == f"x{row['n']}" for row in rows)
    name = vertex.note()["AIP_TRAINING_DATA_URI"].split(".")[-2]
    assert {found.table_id for found in client.list_tables(name)} == {"training", "validation", "test"}


MODEL = (
    "import os; p = os.environ['AIP_MODEL_DIR'].replace('gs://', '/gcs/'); os.makedirs(p, exist_ok=True); "
    "open(p + '/model.joblib', 'w').write('x')"
)


def upload(**fields: Any) -> dict[str, Any]:
    return {"model_to_upload": {"display_name": "m", "container_spec": {"image_uri": SERVING}, **fields}}


def test_the_model_is_uploaded_and_then_a_new_version(vertex: Vertex) -> None:
    dataset = vertex.csv([{"n": n} for n in range(10)])
    model_id = f"m-{uuid.uuid4().hex[:8]}"
    config = {"dataset_id": dataset}
    first = vertex.ended(MODEL, model_id=model_id, input_data_config=config, **upload(labels={"x": "y"}))
    assert state(first) == "SUCCEEDED", first.error
    assert first.model_to_upload.name == f"{vertex.parent}/models/{model_id}"
    model = vertex.models.get_model(name=first.model_to_upload.name)
    assert (model.version_id, model.artifact_uri) == ("1", f"{vertex.uri}/out/model")
    assert (model.training_pipeline, dict(model.labels)) == (first.name, {"x": "y"})
    assert model.data_stats.training_data_items_count == 8
    second = vertex.ended(MODEL, parent_model=model.name, **upload(version_aliases=["candidate"]))
    assert (second.model_to_upload.name, second.model_to_upload.version_id) == (model.name, "2")
    assert vertex.models.get_model(name=f"{model.name}@candidate").version_id == "2"
    assert vertex.models.get_model(name=model.name).version_id == "1"


def test_a_task_without_a_model_fails_its_pipeline(vertex: Vertex) -> None:
    done = vertex.ended("print('no model')", **upload())
    assert state(done) == "FAILED"
    assert done.error.code == 5
    assert f'There are no files under "{vertex.uri}/out/model" to copy' in done.error.message


def test_a_job_that_fails_fails_its_pipeline_with_its_reason(vertex: Vertex) -> None:
    done = vertex.ended("raise ValueError('no luck')", **upload())
    job = vertex.jobs.get_custom_job(name=done.training_task_metadata["backingCustomJob"])
    assert state(done) == "FAILED"
    assert done.error == job.error
    assert "no luck" in done.error.message
    assert not done.model_to_upload.name


def test_cancelling_cancels_the_job(vertex: Vertex) -> None:
    made = vertex.pipeline("import time; time.sleep(60)")
    with pytest.raises(exceptions.FailedPrecondition, match="cancel it first"):
        vertex.pipelines.delete_training_pipeline(name=made.name)
    running = vertex.until(made.name, lambda found: "backingCustomJob" in (found.training_task_metadata or {}))
    vertex.pipelines.cancel_training_pipeline(name=made.name)
    done = vertex.until(made.name, lambda found: found.state in FINAL)
    assert (state(done), done.error.code) == ("CANCELLED", 1)
    job = vertex.jobs.get_custom_job(name=running.training_task_metadata["backingCustomJob"])
    assert job.state.name == "JOB_STATE_CANCELLED"
    vertex.pipelines.cancel_training_pipeline(name=made.name)
    assert vertex.pipelines.get_training_pipeline(name=made.name) == done


TRIAL = """
import json, os, sys, time
rate = float(sys.argv[1].partition("=")[2])
line = {"timestamp": time.time(), "trial": "0", "score": str(rate * 10), "global_step": "1", "checkpoint_path": ""}
with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w") as file:  # as cloudml-hypertune does it
    file.write(json.dumps(line) + "\\n")
path = os.environ["AIP_MODEL_DIR"].replace("gs://", "/gcs/")
os.makedirs(path, exist_ok=True)
open(path + "/model.joblib", "w").write(f"rate {rate}")
assert os.environ["AIP_DATA_FORMAT"] == "csv"
"""


def test_a_search_ends_with_the_model_of_its_best_trial(vertex: Vertex) -> None:
    container = {"imageUri": IMAGE, "command": ["python3", "-c", TRIAL]}
    pool = {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}
    study = {
        "metrics": [{"metricId": "score", "goal": "MAXIMIZE"}],
        "parameters": [{"parameterId": "rate", "discreteValueSpec": {"values": [0.1, 0.3, 0.5]}}],
        "algorithm": "GRID_SEARCH",
    }
    output = {"outputUriPrefix": f"{vertex.uri}/search"}
    inputs = {
        "studySpec": study, "trialJobSpec": {"workerPoolSpecs": [pool], "baseOutputDirectory": output},
        "maxTrialCount": 3, "parallelTrialCount": 2,
    }  # fmt: skip
    made = types.TrainingPipeline(
        display_name="s", training_task_definition=CUSTOM.replace("custom_task", "hyperparameter_tuning_task"),
        input_data_config={"dataset_id": vertex.csv([{"n": n} for n in range(10)])}, **upload(),
    )  # fmt: skip
    types.TrainingPipeline.pb(made).training_task_inputs.struct_value.update(inputs)
    name = vertex.pipelines.create_training_pipeline(parent=vertex.parent, training_pipeline=made).name
    done = vertex.until(name, lambda found: found.state in FINAL)
    assert state(done) == "SUCCEEDED", done.error
    job = vertex.jobs.get_hyperparameter_tuning_job(name=done.training_task_metadata["backingHyperparameterTuningJob"])
    best = max(job.trials, key=lambda trial: trial.final_measurement.metrics[0].value)
    model = vertex.models.get_model(name=done.model_to_upload.name)
    assert model.artifact_uri == f"{vertex.uri}/search/{best.id}/model"
    assert vertex.bucket.blob(f"search/{best.id}/model/model.joblib").download_as_text() == "rate 0.5"


def test_numbers_among_the_arguments_are_texts(vertex: Vertex) -> None:
    script = "import sys; assert sys.argv[1:] == ['1', '0.5', 'x'], sys.argv"
    container = {"image_uri": IMAGE, "command": ["python3", "-c", script], "args": [1, 0.5, "x"]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    made = types.TrainingPipeline(display_name="p", training_task_definition=CUSTOM)
    inputs = {"worker_pool_specs": [pool, {}], "scheduling": {"timeout": None, "disable_retries": True}}
    types.TrainingPipeline.pb(made).training_task_inputs.struct_value.update(inputs)
    name = vertex.pipelines.create_training_pipeline(parent=vertex.parent, training_pipeline=made).name
    done = vertex.until(name, lambda found: found.state in FINAL)
    assert state(done) == "SUCCEEDED", done.error


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"predefined_split": {"key": "nothing"}}, "no column 'nothing'; its columns are n, word"),
        ({"predefined_split": {"key": "word"}}, "training set is empty: no row has a value in column 'word'"),
        ({"timestamp_split": {"key": "word", "training_fraction": 0.9}}, "timestamp_split: the training set is empty"),
    ],
)
def test_splits_that_do_not_fit_the_data(vertex: Vertex, config: dict[str, Any], words: str) -> None:
    dataset = vertex.csv([{"n": 1, "word": "a"}, {"n": 2, "word": "b"}])
    done = vertex.ended("print()", input_data_config={"dataset_id": dataset, **config})
    assert state(done) == "FAILED"
    assert words in done.error.message
    assert done.error.code == 3


def test_data_that_is_gone(vertex: Vertex) -> None:
    dataset = vertex.csv([{"n": 1}])
    vertex.bucket.blob("rows.csv").delete()
    done = vertex.ended("print()", input_data_config={"dataset_id": dataset})
    assert (state(done), done.error.code) == ("FAILED", 5)
    assert f"{vertex.uri}/rows.csv" in done.error.message


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"display_name": ""}, exceptions.InvalidArgument, "training_pipeline.display_name"),
    ({"training_task_definition": "gs://x/y.yaml"}, exceptions.InvalidArgument, "gs://x/y.yaml"),
    (
        {"training_task_definition": CUSTOM.replace("custom_task", "automl_tabular")},
        exceptions.MethodNotImplemented,
        "automl_tabular_1.0.0.yaml is not built",
    ),
    ({"input_data_config": {"dataset_id": "1"}}, exceptions.NotFound, "input_data_config.dataset_id.*datasets/1"),
    ({"input_data_config": {"predefined_split": {"key": "x"}}}, exceptions.InvalidArgument, "dataset_id: required"),
    ({"parent_model": "projects/p/locations/l/models/1", **upload()}, exceptions.NotFound, "models/1"),
    ({"model_to_upload": {"display_name": "m"}}, exceptions.InvalidArgument, "container_spec.image_uri: required"),
    ({"output": "", **upload()}, exceptions.InvalidArgument, "base_output_directory"),
    ({"model_id": "Not Allowed", **upload()}, exceptions.InvalidArgument, "model_id"),
]


def test_refused_pipelines(vertex: Vertex) -> None:
    for fields, error, words in REFUSED:  # one by one would take a second each for the clients
        with pytest.raises(error, match=words):
            vertex.pipeline("print()", **fields)


def test_refused_inputs(vertex: Vertex) -> None:
    for inputs, words in (
        ({"workerPoolSpecs": []}, "worker_pool_specs: the first worker pool"),
        ({"workerPoolSpecs": [{"machineSpec": {"machineType": "n1-standard-4"}}]}, "container_spec or python_package"),
        ({"workerPools": []}, 'training_task_inputs: .*"workerPools"'),
    ):
        made = types.TrainingPipeline(display_name="p", training_task_definition=CUSTOM)
        types.TrainingPipeline.pb(made).training_task_inputs.struct_value.update(inputs)
        with pytest.raises(exceptions.InvalidArgument, match=words):
            vertex.pipelines.create_training_pipeline(parent=vertex.parent, training_pipeline=made)


def test_fractions_that_sum_to_more_than_1(vertex: Vertex) -> None:
    dataset = vertex.csv([{"n": 1}])
    config = {"dataset_id": dataset, "fraction_split": {"training_fraction": 0.8, "test_fraction": 0.4}}
    with pytest.raises(exceptions.InvalidArgument, match=r"fraction_split: the fractions sum to 1\.2"):
        vertex.pipeline("print()", input_data_config=config)
    where = {"dataset_id": dataset, "bigquery_destination": {"output_uri": "bq://p.d"}}
    with pytest.raises(exceptions.InvalidArgument, match=r"'bq://p\.d' is not bq://PROJECT"):
        vertex.pipeline("print()", input_data_config=where)


def test_pipeline_jobs_are_not_built(vertex: Vertex) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="ListPipelineJobs"):
        list(vertex.pipelines.list_pipeline_jobs(parent=vertex.parent))

"""Where models come from, in Vertex ML Metadata."""

from dataclasses import replace

import pytest

from gcpmlops import Client, _google, exceptions
from gcpmlops._models.graph import ModelGraph
from gcpmlops._models.sources import CODE, DATASET, FILES, TABLE, code_of, read_by, source_of

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
TRAIN = """
import os
folder = os.environ["AIP_MODEL_DIR"].replace("gs://", "/gcs/", 1)
os.makedirs(folder, exist_ok=True)
open(os.path.join(folder, "model.joblib"), "w").write("a model")
"""


@pytest.fixture(scope="module")
def job(client: Client, staging: str, tmp_path_factory: pytest.TempPathFactory):
    """A training job that says what it reads."""
    script = tmp_path_factory.mktemp("train") / "train.py"
    script.write_text(TRAIN)
    client.storage.upload(b"a\n1\n", destination=f"gs://{staging}/lineage/train.csv")
    args = {"table": "flights.training", "input": f"gs://{staging}/lineage/train.csv", "output": f"gs://{staging}/out"}
    return client.training.run(script, image="python:3.11", args=args, requirements=(), display_name="trainer")


@pytest.fixture(scope="module")
def model(client: Client, job):
    return client.models.upload(job, display_name="lineage", image=IMAGE, data=["other.names"], check=False)


def test_a_job_as_source(client: Client, job, model, staging: str) -> None:
    found = client.models.lineage(model.versioned_name)
    assert model.artifact_uri == job.model_dir.rstrip("/")
    assert [(each.resource, each.name) for each in found.jobs] == [(job.name, "trainer")]
    project = client.config.project
    names = {f"{project}.flights.training", f"{project}.other.names", f"{staging}/lineage/train.csv"}
    assert {each.name for each in found.data} == names
    assert "python:3.11" in {each.uri for each in found.code}
    assert (list(found.evaluations), list(found.deployments), found.copied_from) == ([], [], "")
    assert found.to_dict()["training job"] == [job.name]
    assert "trainer" in found._repr_html_()


def test_versions_of_a_job_share_it_and_what_it_read(client: Client, job, model) -> None:
    settings = {"display_name": "lineage", "image": IMAGE, "check": False}
    second = client.models.upload(job, parent_model=model.name, **settings)
    one, two = (client.models.lineage(each.versioned_name) for each in (model, second))
    assert one.jobs[0].proto.name == two.jobs[0].proto.name
    assert {each.proto.name for each in two.data} == {each.proto.name for each in one.data}


def test_files_with_data_and_no_job(client: Client, staging: str, unique) -> None:
    client.storage.upload(b"x", destination=f"gs://{staging}/plain/model.joblib")
    name = unique("m")
    made = client.models.upload(
        f"gs://{staging}/plain", display_name=name, image=IMAGE, data=["gs://raw/2013/"], check=False
    )
    found = client.models.lineage(name)
    assert ([each.uri for each in found.data], list(found.jobs)) == (["gs://raw/2013/"], [])
    pipeline = "projects/p/locations/us-central1/pipelineJobs/train-1"
    again = client.models.record_lineage(made.name, job=pipeline)
    assert [each.resource for each in again.jobs] == [pipeline]
    assert [each.uri for each in again.data] == ["gs://raw/2013/"]
    copy = client.models.copy(made.name)
    assert client.models.lineage(copy.name).copied_from.startswith(made.name)


def test_trials_of_a_search(client: Client, model, mocker) -> None:
    name = f"{client.clients.parent}/hyperparameterTuningJobs/7"
    trial = custom_job("--data=gs://bkt/x.csv").job_spec
    search = _google.hyperparameter_tuning_job.HyperparameterTuningJob(
        name=name, display_name="search", trial_job_spec=trial
    )
    mocker.patch.object(client.clients.jobs, "get_hyperparameter_tuning_job", return_value=search)
    copy = client.models.copy(model.name)
    found = client.models.record_lineage(copy.name, job=name)
    assert [(each.name, each.resource) for each in found.jobs] == [("search", name)]
    assert [each.name for each in found.data] == ["bkt/x.csv"]


def test_what_the_registry_says_itself(client: Client, model) -> None:
    pipeline = f"{client.clients.parent}/trainingPipelines/8"
    version = type(model.proto)(model.proto)
    version.training_pipeline = pipeline
    jobs = client.models._lineages.read(replace(model, proto=version), []).jobs
    assert [each.resource.rpartition("/")[0].rpartition("/")[2] for each in jobs] == ["customJobs", "trainingPipelines"]


def test_nothing_recorded(client: Client, staging: str, unique) -> None:
    client.storage.upload(b"x", destination=f"gs://{staging}/plain/model.joblib")
    name = unique("m")
    client.models.upload(f"gs://{staging}/plain", display_name=name, image=IMAGE, check=False)
    assert client.models.lineage(name).rows == []


def test_what_cannot_be_recorded_is_said(client: Client, staging: str, unique, mocker) -> None:
    client.storage.upload(b"x", destination=f"gs://{staging}/plain/model.joblib")
    mocker.patch.object(ModelGraph, "connect", side_effect=exceptions.Unavailable("metadata is down"))
    name = unique("m")
    settings = {"display_name": name, "image": IMAGE, "check": False}
    with pytest.raises(exceptions.Unavailable, match="is registered; record its lineage"):
        client.models.upload(f"gs://{staging}/plain", data=["d.t"], **settings)
    assert client.models.get(name).version_id == "1"
    with pytest.raises(exceptions.InvalidArgument, match="no data"):
        client.models.upload(f"gs://{staging}/plain", data=["not a table"], **settings)
    with pytest.raises(exceptions.NotFound, match="999"):
        client.models.upload(f"gs://{staging}/plain", job="999", **settings)
    assert len(client.models.list(filter=f'display_name="{name}"')) == 1


@pytest.mark.parametrize(
    ("data", "schema", "name"),
    [
        ("gs://bkt/x/", FILES, "bkt/x/"),
        ("/gcs/bkt/x.csv", FILES, "bkt/x.csv"),
        ("d.t", TABLE, "proj.d.t"),
        ("q-1.d.t", TABLE, "q-1.d.t"),
        ("bq://other.d.t", TABLE, "other.d.t"),
        ("example.com:other.d.t", TABLE, "example.com:other.d.t"),
        ("projects/p/locations/us-central1/datasets/5", DATASET, "5"),
    ],
)
def test_data_by_name(data: str, schema: str, name: str) -> None:
    found = source_of(data, project="proj")
    assert (found.schema, found.name) == (schema, name)


@pytest.mark.parametrize("data", ["", "t", "d.", "SELECT 1 FROM d.t", "s3://bkt/x", 5])
def test_data_that_is_none(data) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="data"):
        source_of(data, project="proj")


def custom_job(*args: str, output: str = "gs://out/1", **env: str) -> _google.custom_job.CustomJob:
    variables = [_google.env_var.EnvVar(name=name, value=value) for name, value in env.items()]
    container = _google.custom_job.ContainerSpec(image_uri="python:3.11", args=list(args), env=variables)
    spec = _google.custom_job.CustomJobSpec(
        worker_pool_specs=[_google.custom_job.WorkerPoolSpec(container_spec=container)],
        base_output_directory=_google.io.GcsDestination(output_uri_prefix=output),
    )
    return _google.custom_job.CustomJob(job_spec=spec)


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["--train-data=gs://bkt/x.csv", "--model-out", "gs://bkt/m"], ["bkt/x.csv"]),
        (["--table", "d.t", "--n=5"], ["proj.d.t"]),
        (["--source=proj.d.t"], ["proj.d.t"]),
        (["--estimator=sklearn.ensemble.Forest", "--dataset=0.5.1"], []),
        (["--input=gs://{bucket}/x", "--input=gs://out/1/model/x"], []),
        (["--input=gs://bkt/x", "--data=gs://bkt/x"], ["bkt/x"]),
        (["bq://proj.d.t"], ["proj.d.t"]),
    ],
)
def test_what_a_job_reads(args: list[str], names: list[str]) -> None:
    assert [each.name for each in read_by(custom_job(*args), project="proj")] == names


def test_what_a_job_ran() -> None:
    pool = _google.custom_job.WorkerPoolSpec(
        python_package_spec=_google.custom_job.PythonPackageSpec(
            executor_image_uri="img:1", package_uris=["gs://bkt/trainer-1.tar.gz"], python_module="trainer.task"
        )
    )
    spec = _google.custom_job.CustomJobSpec(worker_pool_specs=[pool, pool])
    found = code_of(_google.custom_job.CustomJob(job_spec=spec))
    assert [(each.schema, each.uri) for each in found] == [(CODE, "gs://bkt/trainer-1.tar.gz"), (CODE, "img:1")]
    assert found[0].metadata == {"module": "trainer.task"}

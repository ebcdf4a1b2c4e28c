"""What a trial of a tuning job runs."""

from pathlib import Path

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.search.space import Categorical, Condition, Discrete, Double, Integer
from gcpmlops.emulator.services.jobs.tuning_specs import arguments, training_spec

NAME = "projects/p/locations/us-central1/hyperparameterTuningJobs/77"
MACHINE = {"machine_type": "n1-standard-4"}


def test_arguments_as_vertex_ai_writes_them() -> None:
    space = (
        Double("rate", 0, 1),
        Integer("units", 1, 9),
        Discrete("batch", (16, 32.5)),
        Categorical("kind", ("a", "b"), conditions=(Condition(("b",), Double("deep", 0, 1)),)),
    )
    point = {"rate": 1e-05, "units": 3.0, "batch": 16.0, "kind": "b", "deep": 1.0}
    assert arguments(space, point) == ["--rate=1e-05", "--units=3", "--batch=16", "--kind=b", "--deep=1.0"]
    point = {"rate": 0.1, "units": 3, "batch": 32.5, "kind": "a"}
    assert arguments(space, point) == ["--rate=0.1", "--units=3", "--batch=32.5", "--kind=a"]


def test_every_replica_gets_the_arguments_and_the_primary_reports(tmp_path: Path) -> None:
    container = {
        "image_uri": "python:3.11",
        "command": ["run"],
        "args": ["--epochs=3"],
        "env": [{"name": "A", "value": "1"}],
    }
    package = {"executor_image_uri": "python:3.11", "package_uris": ["gs://b/p.tar.gz"], "python_module": "m"}
    pools = [
        {"machine_spec": MACHINE, "replica_count": 1, "container_spec": container},
        {},
        {"machine_spec": MACHINE, "replica_count": 2, "python_package_spec": package},
    ]
    output = {"output_uri_prefix": "gs://b/out/"}
    job = types.HyperparameterTuningJob(
        name=NAME, trial_job_spec={"worker_pool_specs": pools, "base_output_directory": output}
    )
    spec = training_spec(job, 12, "5", ["--x=1"], tmp_path / "metrics")
    primary, unused, workers = spec.pools
    assert (primary.args, primary.command) == (["--epochs=3", "--x=1"], ["run"])
    assert primary.env == {"A": "1", "CLOUD_ML_HP_METRIC_FILE": str(tmp_path / "metrics")}
    assert unused is None
    assert (workers.args, workers.env, workers.replicas) == (["--x=1"], {}, 2)
    assert spec.output_uri == "gs://b/out/5"
    assert spec.trial_id == "5"
    assert spec.job_id == "77-5"
    assert spec.variables["CLOUD_ML_JOB_ID"] == "77"
    assert spec.variables["CLOUD_ML_TRIAL_ID"] == "5"
    assert (
        training_spec(
            types.HyperparameterTuningJob(name=NAME, trial_job_spec={"worker_pool_specs": pools}), 1, "1"
        ).output_uri
        == ""
    )

"""Hyperparameter tuning with Google's SDK and cloudml-hypertune. Arguments: transports of the SDK."""

import sys
import uuid
from pathlib import Path

import pytest
from google.cloud import aiplatform, aiplatform_v1, storage
from google.cloud.aiplatform import hyperparameter_tuning as hpt
from google.cloud.aiplatform import jobs

IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
TRAIN = """
import argparse, os
import hypertune

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("--units", type=int, required=True)
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--model", choices=["linear", "deep"], required=True)
parser.add_argument("--depth", type=int)
parser.add_argument("--wide", choices=["yes", "no"])
given = parser.parse_args()
assert (given.depth is not None) == (given.model == "deep"), given
assert (given.wide is not None) == (given.depth in (2, 3)), given
assert os.environ["AIP_MODEL_DIR"].endswith("/%s/model/" % os.environ["CLOUD_ML_TRIAL_ID"])
tune = hypertune.HyperTune()
for step in (1, 2):
    accuracy = 1 - abs(given.rate - 0.1) - given.units / 1000 + step / 1000
    tune.report_hyperparameter_tuning_metric("accuracy", accuracy, step)
"""
RATE = hpt.DoubleParameterSpec(min=0.001, max=1, scale="log")
ACCURACY = {"accuracy": "maximize"}


def search(name: str, custom_job: aiplatform.CustomJob, **settings: object) -> aiplatform.HyperparameterTuningJob:
    given = {"parameter_spec": {"rate": RATE}, "max_trial_count": 2, "parallel_trial_count": 2, **settings}
    return aiplatform.HyperparameterTuningJob(
        display_name=name, custom_job=custom_job, metric_spec=ACCURACY, labels={"team": "a"}, **given
    )


def every_kind_of_parameter(name: str, custom_job: aiplatform.CustomJob) -> None:
    wide = hpt.CategoricalParameterSpec(values=["yes", "no"], parent_values=[2, 3])
    depth = hpt.DiscreteParameterSpec(
        values=[2, 3, 8], scale=None, parent_values=["deep"], conditional_parameter_spec={"wide": wide}
    )
    parameters = {
        "rate": RATE,
        "units": hpt.IntegerParameterSpec(min=4, max=128, scale="linear"),
        "batch": hpt.DiscreteParameterSpec(values=[16, 32, 64], scale="linear"),
        "model": hpt.CategoricalParameterSpec(values=["linear", "deep"], conditional_parameter_spec={"depth": depth}),
    }
    job = search(name, custom_job, parameter_spec=parameters, max_trial_count=4)
    job.run()
    assert job.state.name == "JOB_STATE_SUCCEEDED", job.error
    assert [trial.id for trial in job.trials] == [str(number) for number in range(1, 5)]
    best = max(job.trials, key=lambda trial: trial.final_measurement.metrics[0].value)
    assert best.final_measurement.metrics[0].metric_id == "accuracy"
    assert best.final_measurement.step_count == 2
    found = aiplatform.HyperparameterTuningJob.list(filter=f'display_name="{name}"')
    assert [each.resource_name for each in found] == [job.resource_name]
    assert job.to_dict()["labels"] == {"team": "a"}


def failing(name: str, custom_job: aiplatform.CustomJob) -> None:
    custom_job.job_spec.worker_pool_specs[0].python_package_spec.args.append("--unknown")
    job = search(f"{name}-failing", custom_job, search_algorithm="random")
    with pytest.raises(RuntimeError, match="All trials failed"):
        job.run()
    assert "required: --units" in job.trials[0].infeasible_reason, job.trials[0]
    job.delete()


def cancelled(name: str, transport: str) -> None:
    container = {"image_uri": "python:3.11", "command": ["python3", "-c", "import time; time.sleep(999)"]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    custom_job = aiplatform.CustomJob(display_name=name, worker_pool_specs=[pool])
    job = search(f"{name}-endless", custom_job, parallel_trial_count=1)
    job.run(sync=False)
    job.wait_for_resource_creation()
    job.cancel()
    with pytest.raises(RuntimeError, match="CANCELED"):
        job.wait()
    assert job.state.name == "JOB_STATE_CANCELLED"
    options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    client = aiplatform_v1.JobServiceClient(client_options=options, transport=transport)
    listed = client.list_hyperparameter_tuning_jobs(parent=job.resource_name.partition("/hyperparameter")[0])
    assert next(iter(listed)).name == job.resource_name


jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds
Path("train.py").write_text(TRAIN)
for transport in sys.argv[1:]:
    name = f"tune-{uuid.uuid4().hex[:10]}"
    storage.Client().create_bucket(name, location="us-central1")
    aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}", api_transport=transport)
    custom_job = aiplatform.CustomJob.from_local_script(
        display_name=name, script_path="train.py", container_uri=IMAGE, base_output_dir=f"gs://{name}/out"
    )
    every_kind_of_parameter(name, custom_job)
    if transport == sys.argv[1]:
        failing(name, custom_job)
    cancelled(name, transport)
    print("tuned over", transport)

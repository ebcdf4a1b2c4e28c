"""Hyperparameter tuning with Google's SDK and cloudml-hypertune. Argument: the transport of the SDK."""

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

transport = sys.argv[1]
jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds
name = f"tune-{uuid.uuid4().hex[:10]}"
storage.Client().create_bucket(name, location="us-central1")
aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}", api_transport=transport)
Path("train.py").write_text(TRAIN)
custom_job = aiplatform.CustomJob.from_local_script(
    display_name=name, script_path="train.py", container_uri=IMAGE, base_output_dir=f"gs://{name}/out"
)
wide = hpt.CategoricalParameterSpec(values=["yes", "no"], parent_values=[2, 3])
depth = hpt.DiscreteParameterSpec(
    values=[2, 3, 8], scale=None, parent_values=["deep"], conditional_parameter_spec={"wide": wide}
)
job = aiplatform.HyperparameterTuningJob(
    display_name=name,
    custom_job=custom_job,
    metric_spec={"accuracy": "maximize"},
    parameter_spec={
        "rate": hpt.DoubleParameterSpec(min=0.001, max=1, scale="log"),
        "units": hpt.IntegerParameterSpec(min=4, max=128, scale="linear"),
        "batch": hpt.DiscreteParameterSpec(values=[16, 32, 64], scale="linear"),
        "model": hpt.CategoricalParameterSpec(values=["linear", "deep"], conditional_parameter_spec={"depth": depth}),
    },
    max_trial_count=6,
    parallel_trial_count=2,
    labels={"team": "a"},
)
job.run()
assert job.state.name == "JOB_STATE_SUCCEEDED", job.error
assert [trial.id for trial in job.trials] == [str(number) for number in range(1, 7)]
best = max(job.trials, key=lambda trial: trial.final_measurement.metrics[0].value)
assert best.final_measurement.metrics[0].metric_id == "accuracy"
assert best.final_measurement.step_count == 2
found = aiplatform.HyperparameterTuningJob.list(filter=f'display_name="{name}"')
assert [each.resource_name for each in found] == [job.resource_name]
assert job.to_dict()["labels"] == {"team": "a"}

custom_job.job_spec.worker_pool_specs[0].python_package_spec.args.append("--unknown")
failing = aiplatform.HyperparameterTuningJob(
    display_name=f"{name}-failing",
    custom_job=custom_job,
    metric_spec={"accuracy": "maximize"},
    parameter_spec={"rate": hpt.DoubleParameterSpec(min=0.001, max=1, scale="log")},
    max_trial_count=2,
    parallel_trial_count=2,
    search_algorithm="random",
)
with pytest.raises(RuntimeError, match="All trials failed"):
    failing.run()
assert "required: --units" in failing.trials[0].infeasible_reason, failing.trials[0]

sleeping = aiplatform.CustomJob(
    display_name=name,
    worker_pool_specs=[
        {
            "machine_spec": {"machine_type": "n1-standard-4"},
            "replica_count": 1,
            "container_spec": {
                "image_uri": "python:3.11",
                "command": ["python3", "-c", "import time; time.sleep(999)"],
            },
        }
    ],
)
endless = aiplatform.HyperparameterTuningJob(
    display_name=f"{name}-endless",
    custom_job=sleeping,
    metric_spec={"accuracy": "maximize"},
    parameter_spec={"rate": hpt.DoubleParameterSpec(min=0.001, max=1, scale="log")},
    max_trial_count=9,
    parallel_trial_count=1,
)
endless.run(sync=False)
endless.wait_for_resource_creation()
endless.cancel()
with pytest.raises(RuntimeError, match="CANCELED"):
    endless.wait()
assert endless.state.name == "JOB_STATE_CANCELLED"
failing.delete()

options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
client = aiplatform_v1.JobServiceClient(client_options=options, transport=transport)
listed = client.list_hyperparameter_tuning_jobs(parent=job.resource_name.partition("/hyperparameter")[0])
names = [each.name for each in listed if each.display_name.startswith(name)]
assert names == [endless.resource_name, job.resource_name]
print("tuned over", transport)

"""Custom jobs that log into experiments. Arguments: the SDK's transport, a Python that has the SDK."""

import sys
import uuid

from google.api_core import exceptions
from google.cloud import aiplatform, storage
from google.cloud.aiplatform import jobs

JOB = """
import logging
from google.cloud import aiplatform
aiplatform.log_params({"depth": 4})
aiplatform.log_metrics({"accuracy": 0.75})
"""
jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds
transport, python = sys.argv[1:]
name = f"exp-{uuid.uuid4().hex[:8]}"
storage.Client().create_bucket(name, location="us-central1")
aiplatform.init(
    location="us-central1", staging_bucket=f"gs://{name}", experiment=name, experiment_tensorboard=False,
    api_transport=transport,
)  # fmt: skip


def job() -> aiplatform.CustomJob:
    """One that logs by what it finds in its environment."""
    container = {"image_uri": "python:3.11", "command": [python, "-c", JOB]}
    pools = [{"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}]
    return aiplatform.CustomJob("logs", pools)


run = aiplatform.ExperimentRun.create("mine", experiment=name)
first, second = job(), job()
first.submit(experiment=name, experiment_run="mine", service_account="me@example.iam.gserviceaccount.com")
second.submit(experiment=name, service_account="me@example.iam.gserviceaccount.com")
for made in (first, second):
    made._block_until_complete()
    assert made.state.name == "JOB_STATE_SUCCEEDED", made.error
assert second.gca_resource.job_spec.experiment_run.endswith(f"{name}-{second.name}")

frame = aiplatform.get_experiment_df().set_index("run_name")
assert set(frame.index) == {"mine", second.name}
assert set(frame["param.depth"]) == {4}
assert set(frame["metric.accuracy"]) == {0.75}
assert set(frame["state"]) == {"COMPLETE"}  # the SDK says so when it has waited for the job

for made, run_name in ((first, "mine"), (second, second.name)):
    logged = aiplatform.ExperimentRun(run_name, experiment=name).get_logged_custom_jobs()
    assert [found.resource_name for found in logged] == [made.resource_name]

spec = first.gca_resource
spec.name, spec.job_spec.experiment = "", spec.job_spec.experiment + "-none"
try:
    first.api_client.create_custom_job(parent=run.resource_name.partition("/metadataStores/")[0], custom_job=spec)
except exceptions.NotFound as error:
    print("refused:", error.message)
else:
    raise SystemExit("an experiment that isn't there was accepted")
print(f"jobs in experiments over {transport}")

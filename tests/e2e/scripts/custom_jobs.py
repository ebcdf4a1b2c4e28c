"""Custom jobs by the SDK over the given transports: a cluster, restarts, a timeout, a cancelled job, an experiment."""

import sys
import time
import uuid

import pytest
from google.cloud import aiplatform, aiplatform_v1, logging, storage
from google.cloud.aiplatform import jobs

PYTHON = "python:3.11"
MACHINE = {"machine_type": "n1-standard-4"}
PRIMARY = """
import os, socket
server = socket.create_server((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
ranks = sorted(server.accept()[0].recv(9).decode() for _ in range(int(os.environ["WORLD_SIZE"]) - 1))
print("ranks", os.environ["RANK"], *ranks, flush=True)
"""
WORKER = """
import json, os, socket, time
task = json.loads(os.environ["CLUSTER_SPEC"])["task"]
assert json.loads(os.environ["TF_CONFIG"])["task"] == {"type": "worker", "index": task["index"]}
while True:
    try:
        peer = socket.create_connection((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
peer.sendall(os.environ["RANK"].encode())
time.sleep(100)  # ended by the end of the primary replica
"""
FLAKY = """
import os, sys
os.makedirs(os.environ["DIR"], exist_ok=True)
path = os.environ["DIR"] + "/attempts"
count = len(open(path).read()) if os.path.exists(path) else 0
open(path, "a").write("x")
print("attempt", count + 1)
sys.exit(3 if count < 2 else 0)
"""
LOG = logging.Client()
jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds


def pool(script: str, replicas: int = 1, **env: str) -> dict[str, object]:
    variables = [{"name": key, "value": value} for key, value in env.items()]
    container = {"image_uri": PYTHON, "command": ["python3", "-c", script], "env": variables}
    return {"machine_spec": MACHINE, "replica_count": replicas, "container_spec": container}


def job(name: str, *pools: dict[str, object], **run: object) -> aiplatform.CustomJob:
    made = aiplatform.CustomJob(display_name=name, worker_pool_specs=list(pools), labels={"kind": name})
    made.submit(**run)
    return made


def messages(made: aiplatform.CustomJob) -> list[str]:
    query = f'resource.type="ml_job" AND resource.labels.job_id="{made.name}"'
    entries = LOG.list_entries(filter_=query, page_size=1000)
    return [entry.payload["message"] if isinstance(entry.payload, dict) else entry.payload for entry in entries]


def run(transport: str) -> None:
    name = f"custom-{uuid.uuid4().hex[:10]}"
    bucket = storage.Client().create_bucket(name, location="us-central1")
    aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}", api_transport=transport)
    experiment = aiplatform.Experiment.create(name)
    cluster = job(name, pool(PRIMARY), pool(WORKER, replicas=2))
    restarted = job(name, pool(FLAKY, DIR=f"/gcs/{name}"), restart_job_on_worker_restart=True, timeout=600)
    once = job(name, pool(FLAKY, DIR=f"/gcs/{name}/once"), restart_job_on_worker_restart=True, disable_retries=True)
    endless = job(
        name, pool("import time; time.sleep(1000)"), timeout=1, service_account="me@x.iam.gserviceaccount.com"
    )
    script = "import os; print(os.environ['AIP_EXPERIMENT_NAME'])"
    tracked = job(name, pool(script), experiment=experiment)
    unwanted = job(name, pool("import time; time.sleep(1000)"))
    unwanted.cancel()

    submitted = (cluster, restarted, once, endless, tracked, unwanted)
    for each in submitted:
        while not each.done():
            time.sleep(0.05)
    assert [each.state.name.removeprefix("JOB_STATE_") for each in submitted] == [
        "SUCCEEDED", "SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED", "CANCELLED",
    ]  # fmt: skip
    assert "ranks 0 1 2" in messages(cluster)
    assert messages(cluster)[-1] == "Job completed successfully."
    assert [line for line in messages(restarted) if line.startswith("attempt")] == [
        "attempt 1",
        "attempt 2",
        "attempt 3",
    ]
    assert sum("Restarting the job" in line for line in messages(restarted)) == 2
    assert messages(once)[-1].startswith("The replica workerpool0-0 exited with a non-zero status of 3.")
    with pytest.raises(RuntimeError, match=r"scheduling\.timeout ran out"):
        endless._block_until_complete()
    assert endless.job_spec.service_account == "me@x.iam.gserviceaccount.com"
    assert experiment.resource_name in messages(tracked)
    assert messages(unwanted)[-1] == "Job is cancelled."
    found = aiplatform.CustomJob.list(filter=f'labels.kind="{name}" AND state="JOB_STATE_FAILED"')
    assert {each.resource_name for each in found} == {once.resource_name, endless.resource_name}
    (newest,) = (
        aiplatform_v1.JobServiceClient(
            transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
        )
        .list_custom_jobs(request={"parent": cluster._parent, "page_size": 1})
        .pages.__next__()
        .custom_jobs
    )
    assert newest.name == unwanted.resource_name
    once.delete()
    bucket.delete(force=True)
    experiment.delete()
    print(f"custom jobs over {transport}")


for each in sys.argv[1:]:
    run(each)

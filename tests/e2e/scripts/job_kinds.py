"""Custom jobs by worker pool specs: a Python package and containers, and how their failures look in the SDK."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, storage
from google.cloud.aiplatform import jobs

PYTHON = "python:3.11"
MACHINE = {"machine_type": "n1-standard-4"}

jobs._JOB_WAIT_TIME = 0.2  # the SDK would look every 5 seconds
name = f"kinds-{uuid.uuid4().hex[:10]}"
bucket = storage.Client().create_bucket(name, location="us-central1")
aiplatform.init(location="us-central1", staging_bucket=f"gs://{name}")


def job(**task: object) -> aiplatform.CustomJob:
    pool = {"machine_spec": MACHINE, "replica_count": 1, **task}
    return aiplatform.CustomJob(display_name=name, worker_pool_specs=[pool], base_output_dir=f"gs://{name}/out")


package = Path("package")
(package / "trainer").mkdir(parents=True)
(package / "trainer" / "__init__.py").touch()
(package / "trainer" / "task.py").write_text("import sys\nprint('package', *sys.argv[1:])\n")
(package / "setup.py").write_text(
    "from setuptools import setup\nsetup(name='trainer', version='0.1', packages=['trainer'])\n"
)
subprocess.run([sys.executable, "setup.py", "-q", "sdist"], cwd=package, check=True, capture_output=True)
bucket.blob("trainer-0.1.tar.gz").upload_from_filename(package / "dist" / "trainer-0.1.tar.gz")
spec = {
    "executor_image_uri": PYTHON,
    "package_uris": [f"gs://{name}/trainer-0.1.tar.gz"],
    "python_module": "trainer.task",
    "args": ["--rows=3"],
}
packaged = job(python_package_spec=spec)
packaged.run(sync=False)

script = "import os; open(os.environ['OUT'] + '/note.txt', 'w').write('from ' + os.environ['CLOUD_ML_JOB_ID'])"
command = {"image_uri": PYTHON, "command": ["python3", "-c", script], "env": [{"name": "OUT", "value": f"/gcs/{name}"}]}
made = job(container_spec=command)
made.run(sync=False)
failing = job(container_spec={"image_uri": PYTHON, "command": ["python3", "-c", "raise ValueError('no data')"]})
failing.run(sync=False)
packaged.wait()
made.wait()
assert bucket.blob("note.txt").download_as_text() == f"from {made.resource_name.rpartition('/')[2]}"

with pytest.raises(RuntimeError, match="ValueError: no data"):
    failing.wait()
assert failing.state.name == "JOB_STATE_FAILED"

with pytest.raises(exceptions.BadRequest, match=r"gcr\.io/nobody/nothing:1"):
    job(container_spec={"image_uri": "gcr.io/nobody/nothing:1", "command": ["true"]}).submit()

location = f"projects/{aiplatform.initializer.global_config.project}/locations/us-central1"
with pytest.raises(exceptions.NotFound, match="customJobs/1"):
    aiplatform.CustomJob.get(f"{location}/customJobs/1")
with pytest.raises(exceptions.NotFound, match="models/1"):
    aiplatform.Model(f"{location}/models/1")
with pytest.raises(exceptions.NotFound, match="endpoints/1"):
    aiplatform.Endpoint(f"{location}/endpoints/1").predict([[1]])
with pytest.raises(exceptions.NotFound, match=f"none-{name}"):
    storage.Client().get_bucket(f"none-{name}")
bucket.delete(force=True)
print("all kinds")

"""The exact request of a job, as a dry run shows it: nothing is contacted."""

# ruff: noqa: E501 - tables of cases

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from gcpmlops import Client
from gcpmlops._jobs.settings import JobRequest, JobSettings
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.training import WorkerPool

PARENT = "projects/p/locations/us-central1"


@pytest.fixture
def request_of():
    """The CustomJobSpec."""
    client = Client(project="p", endpoint="http://127.0.0.1:9", staging_bucket="gs://staging")

    def made(*args: Any, **settings: Any) -> Any:
        return client.training.submit(*args, dry_run=True, **settings).proto.job_spec

    return made


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print(1)\n")
    return tmp_path / "train.py"


def test_settings_are_the_same_in_both_forms() -> None:
    assert {each.name for each in fields(JobRequest)} - {"source"} == set(JobSettings.__annotations__)


def test_unknown_setting(request_of) -> None:
    with pytest.raises(TypeError, match="machine_typ"):
        request_of(image="python:3.11", machine_typ="n1-standard-4")


def test_scheduling(request_of) -> None:
    scheduling = request_of(
        image="i", timeout=90, restart_on_failure=True, disable_retries=True, strategy="spot", max_wait=600
    ).scheduling
    assert scheduling.timeout.total_seconds() == 90
    assert (scheduling.restart_job_on_worker_restart, scheduling.disable_retries) == (True, True)
    assert (scheduling.strategy.name, scheduling.max_wait_duration.total_seconds()) == ("SPOT", 600)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"timeout": 0}, "timeout"), ({"max_wait": -1}, "max_wait"), ({"strategy": "CHEAP"}, "strategy"),
        ({"replica_count": 0}, "replica_count"), ({"env": {"a-b": "x"}}, "env"), ({"experiment_run": "r"}, "experiment_run"),
        ({"args": "--a=1"}, "args"), ({"labels": {"A": "b"}}, "labels"), ({"base_output_dir": "gs://X"}, "base_output_dir"),
        ({"worker_pools": [None]}, "worker_pools"), ({"worker_pools": [WorkerPool(replica_count=2), WorkerPool()]}, "worker_pools"),
        ({"worker_pools": [WorkerPool()] * 5}, "worker_pools"), ({"worker_pools": [WorkerPool()], "replica_count": 2}, "replica_count"),
        ({"worker_pools": [WorkerPool(), WorkerPool(machine_type="n9")]}, "worker_pools[1].machine_type"),
        ({"requirements": ["six"]}, "source"), ({"module": "a.b"}, "source"),
    ],
)  # fmt: skip
def test_refused(request_of, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        request_of(image="i", **settings)
    assert caught.value.field == field


def test_where_its_output_and_logs_go(request_of) -> None:
    spec = request_of(
        image="i", service_account="sa@p", network="projects/1/global/networks/n", base_output_dir="gs://out/x",
        tensorboard="7", experiment="flights", experiment_run="first", boot_disk_gb=200, labels={"a": "b"},
    )  # fmt: skip
    assert spec.tensorboard == f"{PARENT}/tensorboards/7"
    assert spec.experiment == f"{PARENT}/metadataStores/default/contexts/flights"
    assert spec.experiment_run == f"{PARENT}/metadataStores/default/contexts/flights-first"
    assert (spec.service_account, spec.network) == ("sa@p", "projects/1/global/networks/n")
    assert spec.base_output_directory.output_uri_prefix == "gs://out/x"
    assert spec.worker_pool_specs[0].disk_spec.boot_disk_size_gb == 200
    full = f"{PARENT}/metadataStores/default/contexts/other"
    assert request_of(image="i", experiment=full).experiment == full


def test_args(request_of) -> None:
    args = {"rows": 5, "fast": True, "slow": False, "none": None, "tags": ["a", "b"], "map": {"x": [1]}, "s": "a b"}
    spec = request_of(image="i", args=args, env={"N": 5})
    container = spec.worker_pool_specs[0].container_spec
    assert list(container.args) == ["--rows=5", "--fast", "--tags=a", "--tags=b", '--map={"x": [1]}', "--s=a b"]
    assert [(each.name, each.value) for each in container.env] == [("N", "5")]


def test_replicas_are_two_pools(request_of, script: Path) -> None:
    pools = request_of(script, replica_count=4).worker_pool_specs
    assert [pool.replica_count for pool in pools] == [1, 3]
    assert pools[0].python_package_spec == pools[1].python_package_spec


def test_pools_of_their_own(request_of, script: Path) -> None:
    pools = request_of(
        script,
        image="xgboost-cpu.2-1",
        args={"rows": 1},
        env={"A": "1", "B": "1"},
        machine_type="n1-highmem-8",
        worker_pools=[
            WorkerPool(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=2),
            WorkerPool(machine_type="c2-standard-16", replica_count=3, args={"rows": 2}, env={"B": "2"}),
            None,
            WorkerPool(image="gcr.io/mine/evaluator:1", command=["evaluate"], args=["--all"]),
        ],
    ).worker_pool_specs
    chief, workers, servers, evaluator = pools
    assert chief.machine_spec.machine_type == "n1-highmem-8"
    assert chief.machine_spec.accelerator_count == 2
    assert (workers.machine_spec.machine_type, workers.replica_count) == ("c2-standard-16", 3)
    assert not workers.machine_spec.accelerator_count
    assert list(workers.python_package_spec.args) == ["--rows=2"]
    assert {each.name: each.value for each in workers.python_package_spec.env} == {"A": "1", "B": "2"}
    assert chief.python_package_spec.package_uris == workers.python_package_spec.package_uris
    assert not type(servers).pb(servers).ListFields()
    assert evaluator.container_spec.image_uri == "gcr.io/mine/evaluator:1"
    assert list(evaluator.container_spec.command) == ["evaluate"]


def test_package_at_gs(request_of) -> None:
    spec = request_of("gs://code/mine-1.tar.gz", module="mine.task", requirements=["six"], image="xgboost-cpu.2-1")
    package = spec.worker_pool_specs[0].python_package_spec
    own, requirements = package.package_uris
    assert (own, package.python_module) == ("gs://code/mine-1.tar.gz", "mine.task")
    assert requirements.startswith("gs://staging/gcpmlops/training/mine-1-")
    with pytest.raises(InvalidArgument, match="which module"):
        request_of("gs://code/mine-1.tar.gz")
    with pytest.raises(InvalidArgument, match="object name"):
        request_of("gs://code", module="a")


def test_dry_run_is_dry(script: Path) -> None:
    client = Client(project="p", endpoint="http://127.0.0.1:9")
    spec = client.training.run(script, dry_run=True).proto.job_spec
    uri = spec.worker_pool_specs[0].python_package_spec.package_uris[0]
    assert uri.startswith("gs://p-vertex-staging-us-central1/gcpmlops/training/train-")
    assert "storage" not in vars(client.clients)


def test_a_list_of_jobs_needs_neither_packing_nor_preflight() -> None:
    code = "import sys, gcpmlops.training; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"gcpmlops._jobs.plan", "gcpmlops._preflight.checks", "argparse", "tarfile", "grpc"} & set(loaded)

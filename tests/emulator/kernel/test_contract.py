"""The contract is read off private attributes of the clients: these counts notice when that breaks."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest

from gcpmlops import emulator
from gcpmlops.emulator.kernel import contract

AIPLATFORM = "google.cloud.aiplatform_v1"


@pytest.mark.parametrize(
    ("package", "services", "methods", "with_rest"),
    [
        (AIPLATFORM, 34, 345, 340),
        ("google.cloud.logging_v2", 3, 43, 39),
        ("google.cloud.monitoring_v3", 8, 51, 51),
        ("google.cloud.resourcemanager_v3", 7, 52, 52),
        ("google.cloud.storage_control_v2", 1, 39, 19),
        ("google.cloud.bigquery_storage_v1", 2, 9, 0),
    ],
)
def test_counts(package: str, services: int, methods: int, with_rest: int) -> None:
    loaded = [contract.load(package, folder) for folder in contract.services(package)]
    found = [method for service in loaded for method in service.methods.values()]
    assert (len(loaded), len(found), sum(bool(method.http) for method in found)) == (services, methods, with_rest)


def test_a_method_knows_its_messages() -> None:
    method = contract.load(AIPLATFORM, "job_service").methods["CreateCustomJob"]
    request = method.decode(method.request.serialize(method.request(parent="projects/p/locations/l")))
    assert request.parent == "projects/p/locations/l"
    assert method.path == "/google.cloud.aiplatform.v1.JobService/CreateCustomJob"
    assert method.http[0] == contract.HttpRule("POST", "/v1/{parent=projects/*/locations/*}/customJobs", "custom_job")


def test_streams_are_told_apart() -> None:
    methods = contract.load(AIPLATFORM, "prediction_service").methods
    assert methods["ServerStreamingPredict"].server_streams
    assert not methods["ServerStreamingPredict"].client_streams
    assert methods["StreamingPredict"].client_streams
    assert not methods["Predict"].server_streams


def test_folders_are_found_by_proto_name() -> None:
    for folder in contract.services(AIPLATFORM):
        assert contract.folder_of(contract.load(AIPLATFORM, folder).proto) == folder


def test_garbage_collection_goes_on_after_an_import() -> None:
    contract.services(AIPLATFORM)
    assert gc.isenabled()
    with pytest.raises(ModuleNotFoundError):
        contract.services("google.cloud.no_such_package")
    assert gc.isenabled()


def test_nothing_imports_a_part_of_a_client_package() -> None:
    """While another thread imports the whole, each would wait for the other: Python ends that with a _DeadlockError.

    `from google.x_v1 import types` waits for the whole first.
    """
    part = re.compile(r"^\s*(?:from|import) google(?:\.\w+)*_v\d\w*\.\w.*", re.MULTILINE)
    sources = Path(emulator.__file__).parent.rglob("*.py")
    assert [found for source in sources for found in part.findall(source.read_text("utf-8"))] == []

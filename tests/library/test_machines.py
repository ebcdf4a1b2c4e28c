"""The table of machine types, and what is refused with which words."""

# ruff: noqa: E501 - tables of cases

import pytest

from gcpmlops import Client
from gcpmlops._jobs import machines
from gcpmlops.exceptions import InvalidArgument


@pytest.mark.parametrize(
    ("machine", "accelerator", "count"),
    [
        ("n1-standard-4", None, 0), ("e2-highmem-8", None, 0), ("c2-standard-60", None, 0), ("cloud-tpu", "TPU_V3", 8),
        ("n1-standard-8", "NVIDIA_TESLA_T4", 2), ("n1-highmem-96", "NVIDIA_TESLA_V100", 8), ("N1-Standard-4", "nvidia-tesla-p100", 1),
        ("a2-highgpu-4g", "NVIDIA_TESLA_A100", 4), ("g2-standard-24", "NVIDIA_L4", 2), ("a3-highgpu-8g", "NVIDIA_H100_80GB", 8),
        ("ct5lp-hightpu-4t", None, 0),
    ],
)  # fmt: skip
def test_offered(machine: str, accelerator: str | None, count: int) -> None:
    name, kind, number = machines.check(machine, accelerator, count)
    assert (name, number) == (machine.lower(), count)
    assert kind == (accelerator and accelerator.upper().replace("-", "_"))


@pytest.mark.parametrize(
    ("machine", "accelerator", "count", "field", "said"),
    [
        ("n1-standrad-4", None, 0, "machine_type", "Did you mean n1-standard-4"),
        ("n1_standard_4", None, 0, "machine_type", "n1-standard-4"),
        ("standard-4", None, 0, "machine_type", "-standard-4"),
        ("a2-highgpu-3g", None, 0, "machine_type", "a2-highgpu-"),
        ("what", None, 0, "machine_type", "gcpmlops training machines"),
        ("n1-standard-4", "NVIDIA_T4", 1, "accelerator_type", "NVIDIA_TESLA_T4"),
        ("n1-standard-4", "t4", 1, "accelerator_type", "NVIDIA_TESLA_T4"),
        ("n1-standard-4", None, 1, "accelerator_type", "NVIDIA_TESLA_T4"),
        ("n1-standard-4", "NVIDIA_TESLA_T4", 3, "accelerator_count", "1, 2, 4"),
        ("n1-standard-96", "NVIDIA_TESLA_T4", 1, "accelerator_count", "4"),
        ("e2-standard-4", "NVIDIA_TESLA_T4", 1, "accelerator_type", "n1-standard-4"),
        ("n1-standard-4", "NVIDIA_L4", 1, "accelerator_type", "g2-standard-4"),
        ("a2-highgpu-4g", "NVIDIA_A100_80GB", 4, "accelerator_type", "4 x NVIDIA_TESLA_A100"),
        ("g2-standard-24", "NVIDIA_L4", 1, "accelerator_count", "2"),
    ],
)  # fmt: skip
def test_not_offered(machine: str, accelerator: str | None, count: int, field: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        machines.check(machine, accelerator, count)
    assert caught.value.field == field
    assert said in str(caught.value)
    if "no 'n1-standrad" in str(caught.value):
        assert caught.value.allowed.startswith("n1-standard-4")


def test_the_table_holds_together() -> None:
    from google.cloud.aiplatform_v1.types import AcceleratorType

    offer = machines.offer()
    assert set(offer.accelerators) <= set(AcceleratorType.__members__)
    families = {machine.family for machine in offer.machines.values()}
    for accelerator in offer.accelerators.values():
        assert set(accelerator.families) <= families
        assert any(accelerator.counts_for(machine) for machine in offer.machines.values())
    for machine in offer.machines.values():
        if machine.accelerator_type:
            machines.check(machine.name, machine.accelerator_type, machine.accelerator_count)


def test_machines_of_an_accelerator() -> None:
    training = Client(project="p").training
    assert len(training.machines()) > 100
    assert {machine.family for machine in training.machines(accelerator_type="nvidia-l4")} == {"g2"}
    with pytest.raises(InvalidArgument, match="NVIDIA_L4"):
        training.machines(accelerator_type="L5")


def test_of_a_job() -> None:
    submit = Client(project="p").training.submit
    with pytest.raises(InvalidArgument, match="n1-standard-4"):
        submit(image="python:3.11", machine_type="n1-standard-5", dry_run=True)
    job = submit(image="python:3.11", machine_type="z9-standard-4", check_machine=False, dry_run=True)
    assert job.proto.job_spec.worker_pool_specs[0].machine_spec.machine_type == "z9-standard-4"
    spec = submit(image="python:3.11", machine_type="a2-highgpu-2g", dry_run=True).proto.job_spec
    machine = spec.worker_pool_specs[0].machine_spec
    assert (machine.accelerator_type.name, machine.accelerator_count) == ("NVIDIA_TESLA_A100", 2)
    spec = submit(
        image="python:3.11", machine_type="n1-standard-8", accelerator_type="nvidia-tesla-t4", dry_run=True
    ).proto.job_spec
    machine = spec.worker_pool_specs[0].machine_spec
    assert (machine.accelerator_type.name, machine.accelerator_count) == ("NVIDIA_TESLA_T4", 1)

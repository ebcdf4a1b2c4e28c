"""Workbench instances: names, what is changed, what an open link takes.

One that is made and deleted: tests/cli; one that runs, opened and stopped by the library: tests/e2e/test_workbench.py.
"""

from __future__ import annotations

import webbrowser
from typing import Any

import pytest
from google.cloud.notebooks_v2 import types

from gcpmlops import Client, exceptions
from gcpmlops._notebooks.spec import Spec
from gcpmlops.notebooks import Instance, Notebooks

NAME = "projects/p/locations/us-central1-a/instances/nb"
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("machine_type", "accelerator", "service_account", "boot_disk_gb", "data_disk_gb")),
    **dict.fromkeys(("idle_shutdown", "startup_script", "owner", "labels")),
    "accelerators": 1,
}


def spec(**given: Any) -> Spec:
    return Spec(**{**NOTHING, **given})


def instance(**fields: Any) -> types.Instance:
    return types.Instance(name=NAME, **fields)


def handle(proto: types.Instance) -> Instance:
    return Instance(proto, lambda _: handle(proto))


@pytest.mark.parametrize(
    ("name", "location", "full"),
    [
        ("nb", "us-east1", "projects/p/locations/us-east1-b/instances/nb"),
        ("nb", "us-central1-a", NAME),
        ("us-central1-a/nb", "us-east1", NAME),
        (NAME, "us-east1", NAME),
    ],
)
def test_names(name: str, location: str, full: str) -> None:
    assert Client(project="p", location=location).notebooks._resolve(name) == full


def test_what_is_asked_for_and_another_there_is_changed() -> None:
    setup = {
        "machine_type": "zones/z/machineTypes/e2-standard-4",
        "metadata": {"idle-timeout-seconds": "600", "k": "v"},
    }
    there = instance(gce_setup=setup, labels={"a": "b"})
    assert spec().changes(there) == []
    assert spec(machine_type="e2-standard-4", idle_shutdown="10m", labels={"a": "b"}).changes(there) == []
    assert spec(machine_type="e2-standard-8", labels={}).changes(there) == ["labels", "gce_setup.machine_type"]
    assert spec(accelerator="nvidia_l4", idle_shutdown=7200).changes(there) == [
        "gce_setup.accelerator_configs",
        "gce_setup.metadata",
    ]


def test_the_message() -> None:
    setup = spec(
        accelerator="NVIDIA_L4", accelerators=2, service_account="a@p.iam.gserviceaccount.com", data_disk_gb=200,
        startup_script="gs://scripts/s.sh", boot_disk_gb=160,
    ).message().gce_setup  # fmt: skip
    assert (setup.accelerator_configs[0].type_.name, setup.accelerator_configs[0].core_count) == ("NVIDIA_L4", 2)
    assert (setup.boot_disk.disk_size_gb, setup.data_disks[0].disk_size_gb) == (160, 200)
    assert dict(setup.metadata) == {"post-startup-script": "gs://scripts/s.sh"}
    assert setup.service_accounts[0].email == "a@p.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"accelerator": "FAST"}, "NVIDIA_TESLA_T4"),
        ({"idle_shutdown": "soon"}, "idle_shutdown"),
        ({"startup_script": "s.sh"}, "startup_script"),
    ],
)
def test_bad_arguments_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=said):
        spec(**given).message()


def test_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    notebooks = Client(project="p").notebooks

    def give(**fields: Any) -> None:
        monkeypatch.setattr(Notebooks, "get", lambda self, name: handle(instance(**fields)))

    give(state="ACTIVE", proxy_uri="abc-dot-us-central1.notebooks.googleusercontent.com")
    assert notebooks.open(NAME) == "https://abc-dot-us-central1.notebooks.googleusercontent.com" == opened[0]
    give(state="ACTIVE", proxy_uri="http://127.0.0.1:1/lab?token=t")
    assert notebooks.open(NAME, browser=False) == "http://127.0.0.1:1/lab?token=t"
    assert len(opened) == 1
    give(state="STOPPED", health_info={"reason": "no disk"})
    with pytest.raises(exceptions.FailedPrecondition, match=r"STOPPED.*no disk") as caught:
        notebooks.open(NAME)
    assert caught.value.next_step == "Start it: `gcpmlops notebooks start us-central1-a/nb`."
    give(state="ACTIVE", gce_setup={"service_accounts": [{"email": "a@b.c"}]})
    with pytest.raises(exceptions.FailedPrecondition, match="gives no link") as caught:
        notebooks.open(NAME)
    assert "roles/iam.serviceAccountUser on a@b.c" in caught.value.next_step


def test_wait_says_why_it_will_never_run() -> None:
    stopped = handle(instance(state="STOPPED", health_info={"reason": "JupyterLab can't be installed"}))
    with pytest.raises(exceptions.OperationFailed, match="JupyterLab can't be installed"):
        stopped.wait()
    assert "nb" in handle(instance(state="ACTIVE")).wait()._repr_html_()

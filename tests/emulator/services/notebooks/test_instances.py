"""States of Workbench instances, and what an instance may say."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.notebooks_v2 import types

from gcpmlops.emulator.services.notebooks import config, idle, resizing

from .conftest import PARENT, Workbench

NAME = f"{PARENT}/instances/nb"


def test_states_from_made_to_gone(workbench: Workbench) -> None:
    seen: list[str] = []
    workbench.runtime.on_start = lambda _: seen.append(workbench.get().state.name)
    workbench.done(workbench.create())
    made = workbench.get()
    assert (made.state.name, made.health_state.name, made.proxy_uri) == (
        *("ACTIVE", "HEALTHY"),
        "http://127.0.0.1:4000/lab?token=secret",
    )
    assert workbench.runtime.accounts[0].endswith("-compute@developer.gserviceaccount.com in p1")
    workbench.do("stop")
    assert (workbench.get().state.name, workbench.get().proxy_uri) == ("STOPPED", "")
    assert workbench.runtime.servers[0].ended
    workbench.do("start")
    assert workbench.get().proxy_uri == made.proxy_uri  # the port and the token are the same
    workbench.do("reset")
    assert (len(workbench.runtime.servers), workbench.runtime.servers[1].ended) == (3, True)
    disk = workbench.runtime.disk(made.id).path
    assert disk.is_dir()
    workbench.do("delete")
    assert seen == ["PROVISIONING", "STARTING", "STARTING"]
    assert not disk.exists()
    with pytest.raises(exceptions.NotFound):
        workbench.get()


def test_what_is_so_already_is_left_alone_and_what_is_on_its_way_is_not_turned(workbench: Workbench) -> None:
    going, go_on = threading.Event(), threading.Event()

    def wait(_: Any) -> None:
        going.set()
        assert go_on.wait(30)

    workbench.runtime.on_start = wait
    creating = workbench.create()
    assert going.wait(30)
    for verb in ("stop", "start", "reset"):
        with pytest.raises(exceptions.FailedPrecondition, match="is PROVISIONING: only an instance that is"):
            workbench.do(verb)
    go_on.set()
    workbench.done(creating)
    workbench.do("start")
    assert len(workbench.runtime.servers) == 1
    workbench.do("stop")
    workbench.do("stop")
    with pytest.raises(exceptions.FailedPrecondition, match="is STOPPED"):
        workbench.do("reset")
    with pytest.raises(exceptions.AlreadyExists):
        workbench.create()


def test_one_that_does_not_start_is_stopped_and_says_why(workbench: Workbench) -> None:
    def fail(_: Any) -> None:
        raise exceptions.FailedPrecondition("jupyterlab can't be installed")

    workbench.runtime.on_start = fail
    with pytest.raises(exceptions.FailedPrecondition, match="can't be installed"):
        workbench.done(workbench.create())
    stopped = workbench.get()
    assert (stopped.state.name, stopped.health_info["reason"]) == ("STOPPED", "jupyterlab can't be installed")
    workbench.runtime.on_start = lambda _: None
    workbench.do("start")
    assert "reason" not in workbench.get().health_info


def test_deleting_gives_up_a_start(workbench: Workbench) -> None:
    going = threading.Event()

    def wait(cancellation: Any) -> None:
        going.set()
        assert cancellation.wait(30)
        cancellation.check()

    workbench.runtime.on_start = wait
    creating = workbench.create()
    assert going.wait(30)
    workbench.do("delete")
    with pytest.raises(exceptions.GoogleAPICallError, match="stopped while it started"):
        workbench.done(creating)
    assert not workbench.api.list_instances(types.ListInstancesRequest(parent=PARENT)).instances


def test_a_server_that_goes_by_itself_is_unhealthy_until_a_reset(workbench: Workbench) -> None:
    workbench.done(workbench.create())
    workbench.runtime.servers[0].crash()
    ill = workbench.get()
    assert (ill.state.name, ill.health_state.name, ill.health_info["jupyterlab_status"]) == (
        "ACTIVE",
        "UNHEALTHY",
        "-1",
    )
    assert "exit code 1" in ill.health_info["reason"]
    workbench.do("reset")
    assert workbench.get().health_state.name == "HEALTHY"
    workbench.runtime.servers[0].crash()  # of the run before
    assert workbench.get().health_state.name == "HEALTHY"


def test_after_a_restart_what_ran_runs_again(workbench: Workbench) -> None:
    for name, state in (("a", "ACTIVE"), ("b", "STOPPING"), ("c", "DELETED"), ("d", "STOPPED"), ("e", "STARTING")):
        workbench.done(workbench.create(name))
        workbench.machines.rows.update(
            f"{PARENT}/instances/{name}", lambda row, state=state: setattr(row, "state", types.State[state])
        )
    workbench.machines.close()
    started = len(workbench.runtime.servers)
    workbench.begin()
    workbench.machines.resume()
    listed = workbench.api.list_instances(types.ListInstancesRequest(parent="projects/p1/locations/-")).instances
    assert {each.name[-1]: each.state.name for each in listed} == {
        "a": "ACTIVE",
        "b": "STOPPED",
        "d": "STOPPED",
        "e": "ACTIVE",
    }
    assert len(workbench.runtime.servers) == started + 2


def test_idle_instances_are_stopped_by_the_clock(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    activity = iter([("t0", False), ("t0", True), ("t1", False), ("t1", False)])
    monkeypatch.setattr(idle, "last_activity", lambda server: next(activity))
    workbench.done(workbench.create(gce_setup={"metadata": {"idle-timeout-seconds": "600"}}))
    workbench.context.agenda.travel(timedelta(seconds=1700), patience=30)
    assert workbench.get().state.name == "ACTIVE"
    workbench.context.agenda.travel(timedelta(seconds=200), patience=30)
    assert workbench.get().state.name == "STOPPED"
    assert workbench.runtime.servers[0].ended
    assert "Idle for 600 s: the instance is stopped." in workbench.lines


@pytest.mark.parametrize(("behavior", "runs"), [("run_once", 1), ("download_and_run_every_start", 2)])
def test_scripts_run_once_or_at_each_start(workbench: Workbench, behavior: str, runs: int) -> None:
    (workbench.objects / "b").mkdir(parents=True)
    (workbench.objects / "b" / "s.sh").write_text("echo hello")
    metadata = {"post-startup-script": "gs://b/s.sh", "post-startup-script-behavior": behavior}
    workbench.done(workbench.create(gce_setup={"metadata": metadata}))
    workbench.do("reset")
    assert workbench.runtime.scripts == ["echo hello"] * runs
    workbench.done(workbench.create("other", gce_setup={"metadata": {"post-startup-script": "gs://b/none.sh"}}))
    assert any("can't be read" in line for line in workbench.lines)


def test_what_may_change_and_when(workbench: Workbench) -> None:
    workbench.done(workbench.create(labels={"a": "b"}))
    workbench.update("labels", "gce_setup.metadata", labels={"c": "d"}, gce_setup={"metadata": {"k": "v"}})
    changed = workbench.get()
    assert (dict(changed.labels), dict(changed.gce_setup.metadata)) == ({"c": "d"}, {"k": "v"})
    with pytest.raises(exceptions.FailedPrecondition, match="only an instance that is STOPPED can be changed"):
        workbench.update("gce_setup.machine_type", gce_setup={"machine_type": "n1-standard-2"})
    with pytest.raises(exceptions.InvalidArgument, match="can't be changed"):
        workbench.update("gce_setup.boot_disk", gce_setup={})
    with pytest.raises(exceptions.InvalidArgument, match="update_mask"):
        workbench.update(labels={})
    workbench.do("stop")
    workbench.update("gce_setup.machine_type", gce_setup={"machine_type": "n1-standard-2"})
    assert workbench.get().gce_setup.machine_type == "n1-standard-2"


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("Upper", {}, "instance_id"),
        ("ends-", {}, "instance_id"),
        ("1st", {}, "instance_id"),
        ("x" * 64, {}, "instance_id"),
        ("nb", {"labels": {"A": "b"}}, "labels.A"),
        ("nb", {"instance_owners": ["a@example.com", "b@example.com"]}, "instance_owners"),
        ("nb", {"gce_setup": {"machine_type": "Big One"}}, "machine_type"),
        ("nb", {"gce_setup": {"service_accounts": [{"email": "nobody"}]}}, "service_accounts"),
        ("nb", {"gce_setup": {"service_accounts": [{"email": "a@b.c"}, {"email": "d@e.f"}]}}, "one at most"),
        ("nb", {"gce_setup": {"accelerator_configs": [{"type_": "NVIDIA_L4"}]}}, "core_count"),
        ("nb", {"gce_setup": {"boot_disk": {"disk_size_gb": -1}}}, "disk_size_gb"),
        ("nb", {"gce_setup": {"metadata": {"idle-timeout-seconds": "soon"}}}, "idle-timeout-seconds"),
        ("nb", {"gce_setup": {"metadata": {"post-startup-script": "s.sh"}}}, "post-startup-script"),
    ],
)
def test_what_can_not_be_is_refused_and_nothing_is_made(
    workbench: Workbench, name: str, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=said):
        workbench.create(name, **fields)
    assert not workbench.api.list_instances(types.ListInstancesRequest(parent=PARENT)).instances


@pytest.mark.parametrize(
    ("location", "error"), [("us-central1", exceptions.InvalidArgument), ("mars-north1-a", exceptions.NotFound)]
)
def test_instances_are_in_zones(workbench: Workbench, location: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        workbench.api.create_instance(
            types.CreateInstanceRequest(parent=f"projects/p1/locations/{location}", instance_id="nb")
        )


def test_what_an_instance_is_by_default(workbench: Workbench) -> None:
    workbench.done(workbench.create())
    told = config.answer(PARENT)
    setup = workbench.get().gce_setup
    assert told["defaultValues"] == {"machineType": setup.machine_type}
    assert told["availableImages"] == [{"imageName": setup.vm_image.family}]


def test_disks_only_grow(workbench: Workbench) -> None:
    workbench.done(workbench.create())
    done = resizing.resize(workbench.context, NAME, {"bootDisk": {"diskSizeGb": "300"}})
    assert (done["done"], done["metadata"]["target"]) == (True, NAME)
    resizing.resize(workbench.context, NAME, {"dataDisk": {"diskSizeGb": 101}})
    setup = workbench.get().gce_setup
    assert (setup.boot_disk.disk_size_gb, setup.data_disks[0].disk_size_gb) == (300, 101)
    for body in ({}, {"dataDisk": {"diskSizeGb": 101}}, {"bootDisk": {"diskSizeGb": "x"}}, {"bootDisk": 3}):
        with pytest.raises(exceptions.InvalidArgument):
            resizing.resize(workbench.context, NAME, body)
    with pytest.raises(exceptions.NotFound):
        resizing.resize(workbench.context, f"{NAME}x", {"bootDisk": {"diskSizeGb": 301}})


def test_nothing_is_newer(workbench: Workbench) -> None:
    workbench.done(workbench.create())
    request = types.CheckInstanceUpgradabilityRequest(notebook_instance=NAME)
    assert not workbench.api.check_instance_upgradability(request).upgradeable
    with pytest.raises(exceptions.FailedPrecondition, match="nothing is newer"):
        workbench.api.upgrade_instance(types.UpgradeInstanceRequest(name=NAME))
    with pytest.raises(exceptions.FailedPrecondition, match="has not been upgraded"):
        workbench.api.rollback_instance(types.RollbackInstanceRequest(name=NAME))


class Guard:
    """Allows everything but to act as an account."""

    def allows(self, permission: str, resource: str, *, email: str) -> bool:
        return permission not in ("iam.serviceAccounts.actAs", "notebooks.instances.update")

    def require(self, permission: str, resource: str, *, email: str) -> None:
        if not self.allows(permission, resource, email=email):
            raise exceptions.PermissionDenied(f"Permission {permission} denied on {resource}")


def test_who_may_not_act_as_the_account_gets_no_link_and_starts_nothing(workbench: Workbench) -> None:
    workbench.done(workbench.create())
    workbench.done(workbench.create("hidden", disable_proxy_access=True))
    assert not workbench.get("hidden").proxy_uri
    workbench.context.access.guard = Guard()
    assert (workbench.get().state.name, workbench.get().proxy_uri) == ("ACTIVE", "")
    with pytest.raises(exceptions.PermissionDenied, match="actAs"):
        workbench.create("other")
    with pytest.raises(exceptions.PermissionDenied, match="update"):
        resizing.resize(workbench.context, NAME, {"bootDisk": {"diskSizeGb": 300}})
    workbench.do("stop")
    with pytest.raises(exceptions.PermissionDenied, match="actAs"):
        workbench.do("start")

"""What an instance may say, and what it is filled up with, as Vertex AI Workbench documents it."""

from __future__ import annotations

import logging
import re
from typing import Any

from google.api_core import exceptions
from google.cloud.location import locations_pb2
from google.cloud.notebooks_v2 import types

from gcpmlops.emulator.kernel import access, locations, names
from gcpmlops.emulator.kernel.validate import invalid, labels
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)

INSTANCE = "projects/{project}/locations/{location}/instances/{instance}"
IDLE_TIMEOUT = "idle-timeout-seconds"
SCRIPT = "post-startup-script"
MACHINE_TYPE, IMAGE_FAMILY = "e2-standard-4", "workbench-instances"
_PARENT = "projects/{project}/locations/{location}"
_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ZONE = re.compile(r"(?P<region>[a-z]+-[a-z]+\d+)-[a-z]")
_MACHINE_TYPE = re.compile(r"(?:.*/)?[a-z][a-z0-9]*-[a-z0-9-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BALANCED: Any = types.DiskType.PD_BALANCED
_NO_TYPE: Any = types.AcceleratorConfig.AcceleratorType.ACCELERATOR_TYPE_UNSPECIFIED
_SMALLEST_IDLE, _LONGEST_IDLE = 600, 86400 * 7
_AT_MOST_ONE = ("accelerator_configs", "service_accounts", "data_disks", "network_interfaces")
_IGNORED = (
    *("machine_type", "accelerator_configs", "vm_image", "container_image", "boot_disk", "data_disks"),
    *("shielded_instance_config", "network_interfaces", "disable_public_ip", "tags", "enable_ip_forwarding"),
    "gpu_driver_config",
)


def parent(name: str) -> None:
    """Raises: InvalidArgument for what is no zone, NotFound for one of a region that Google doesn't have."""
    found = names.parse(_PARENT, name)
    zone = _ZONE.fullmatch(found["location"])
    if zone is None:
        raise invalid("parent", f"{found['location']!r} is no zone: expected one such as us-central1-a.")
    region = f"projects/{found['project']}/locations/{zone['region']}"
    locations.get_location(locations_pb2.GetLocationRequest(name=region))


def instance_id(text: str) -> None:
    """Raises: InvalidArgument with the rule."""
    if not _ID.fullmatch(text):
        rule = "lower-case letters, digits and -, beginning with a letter and not ending with -, 63 characters at most"
        raise invalid("instance_id", f"{text!r} is not allowed ({rule}).")


def completed(instance: types.Instance) -> types.Instance:
    """The instance with its defaults. Raises: InvalidArgument naming the first field that can't be."""
    labels(instance.labels, "instance.labels")
    if len(instance.instance_owners) > 1:
        raise invalid("instance.instance_owners", "one owner at most.")
    setup = types.GceSetup(instance.gce_setup)
    for field in _AT_MOST_ONE:
        if len(getattr(setup, field)) > 1:
            raise invalid(f"instance.gce_setup.{field}", "one at most.")
    _complete(setup, project_number(names.project_of(instance.name)))
    _check(setup)
    instance.gce_setup = setup
    return instance


def _complete(setup: types.GceSetup, number: int) -> None:
    setup.machine_type = setup.machine_type or MACHINE_TYPE
    if "vm_image" not in setup and "container_image" not in setup:
        setup.vm_image = types.VmImage(project="cloud-notebooks-managed", family=IMAGE_FAMILY)
    if not setup.service_accounts:
        setup.service_accounts = [types.ServiceAccount(email=f"{number}-compute@developer.gserviceaccount.com")]
    setup.service_accounts[0].scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    if "boot_disk" not in setup:
        setup.boot_disk = types.BootDisk(disk_size_gb=150, disk_type=_BALANCED)
    if not setup.data_disks:
        setup.data_disks = [types.DataDisk(disk_size_gb=100, disk_type=_BALANCED)]


def _check(setup: types.GceSetup) -> None:
    if not _MACHINE_TYPE.fullmatch(setup.machine_type):
        raise invalid("instance.gce_setup.machine_type", f"{setup.machine_type!r} is no machine type.")
    if not _EMAIL.fullmatch(account(setup)):
        raise invalid("instance.gce_setup.service_accounts.email", f"{account(setup)!r} is no email.")
    for accelerator in setup.accelerator_configs:
        if accelerator.core_count < 1 or accelerator.type_ == _NO_TYPE:
            raise invalid("instance.gce_setup.accelerator_configs", "needs a type, and a core_count of 1 or more.")
    for size in (setup.boot_disk.disk_size_gb, *(disk.disk_size_gb for disk in setup.data_disks)):
        if size < 0:
            raise invalid("instance.gce_setup", f"a disk_size_gb of {size} is negative.")
    idle_seconds(setup)
    uri = setup.metadata.get(SCRIPT, "")
    if uri and not re.fullmatch(r"gs://[^/]+/.+|https://.+", uri):
        raise invalid(f"instance.gce_setup.metadata.{SCRIPT}", f"{uri!r} is no gs:// URI.")


def idle_seconds(setup: types.GceSetup) -> int:
    """After how much idleness an instance is stopped; 0 never. Raises: InvalidArgument."""
    text = setup.metadata.get(IDLE_TIMEOUT, "")
    if not text:
        return 0
    if not text.isdigit() or not _SMALLEST_IDLE <= int(text) <= _LONGEST_IDLE:
        rule = f"a number of seconds from {_SMALLEST_IDLE} to {_LONGEST_IDLE}"
        raise invalid(f"instance.gce_setup.metadata.{IDLE_TIMEOUT}", f"{text!r} is not {rule}.")
    return int(text)


def account(setup: types.GceSetup) -> str:
    """The email of the service account as which the instance runs."""
    return str(setup.service_accounts[0].email)


def account_name(instance: types.Instance) -> str:
    """The full name of that account."""
    return access.account_name(account(instance.gce_setup), instance.name)


def log_ignored(instance: types.Instance, given: types.GceSetup) -> None:
    """Says once what is kept and has no effect here: nothing of a local process is a machine."""
    fields = [field.name for field, _ in types.GceSetup.pb(given).ListFields() if field.name in _IGNORED]
    if fields:
        log.info("%s: gce_setup's %s: kept, and without effect here", instance.name, ", ".join(fields))


def in_state(instance: types.Instance, *wanted: Any, to: str) -> None:
    """Raises: FailedPrecondition where it is in none of these states."""
    if instance.state not in wanted:
        expected = " or ".join(types.State(state).name for state in wanted)
        raise exceptions.FailedPrecondition(
            f"{instance.name} is {types.State(instance.state).name}: only an instance that is {expected} can be {to}."
        )

"""`instances.resizeDisk`, which the installed client does not describe and gcloud calls: disks only grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud.notebooks_v2 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.notebooks import checks


def resize(context: Context, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The operation, done: the size is kept, as all of the disks' settings are.

    Raises: InvalidArgument for what is no larger size of one of the two disks; NotFound, PermissionDenied.
    """
    parse(checks.INSTANCE, name)
    context.access.require("notebooks.instances.update", name)  # the gate knows the contract's methods alone

    def change(row: types.Instance) -> None:
        setup = types.GceSetup(row.gce_setup)
        for field, disk in (("bootDisk", setup.boot_disk), ("dataDisk", setup.data_disks[0])):
            if field in body:
                disk.disk_size_gb = _larger(field, body[field], disk.disk_size_gb)
        row.gce_setup = setup
        row.update_time = context.clock.now()

    if not {"bootDisk", "dataDisk"} & set(body):
        raise invalid("disk", "required, but missing: bootDisk or dataDisk.")
    instance = context.store.collection(types.Instance).update(name, change)
    metadata = types.OperationMetadata(
        create_time=instance.update_time, end_time=instance.update_time, target=name, verb="resize", api_version="v2"
    )
    parent = name.rpartition("/instances/")[0]
    return dict(
        json_format.MessageToDict(context.operations.finished(parent=parent, metadata=metadata, response=instance))
    )


def _larger(field: str, given: Any, now: int) -> int:
    try:
        size = int(given["diskSizeGb"])
    except (KeyError, TypeError, ValueError):
        raise exceptions.InvalidArgument(f"{field}.diskSizeGb: {given!r} is no size.") from None
    if size <= now:
        raise invalid(f"{field}.diskSizeGb", f"{size} is not larger than the {now} GB that it has.")
    return size

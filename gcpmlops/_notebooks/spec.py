"""What an instance is to be: Google's message, and what of it differs from one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcpmlops._durations import Duration, seconds_of
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops._google import workbench_instance

_IDLE, _SCRIPT = "idle-timeout-seconds", "post-startup-script"


@dataclass(frozen=True)
class Spec:
    """The arguments of `Notebooks.create`; None is Google's default, or as it is."""

    machine_type: str | None
    accelerator: str | None
    accelerators: int
    service_account: str | None
    boot_disk_gb: int | None
    data_disk_gb: int | None
    idle_shutdown: Duration | None
    startup_script: str | None
    owner: str | None
    labels: Mapping[str, str] | None

    def message(self) -> workbench_instance.Instance:
        """Google's message. Raises InvalidArgument naming the argument."""
        from gcpmlops._google import gce_setup as types
        from gcpmlops._google import workbench_instance

        setup = types.GceSetup(machine_type=self.machine_type or "", metadata=self._metadata())
        if self.accelerator:
            setup.accelerator_configs = [
                types.AcceleratorConfig(type_=self._accelerator(types), core_count=self.accelerators)
            ]
        if self.service_account:
            setup.service_accounts = [types.ServiceAccount(email=self.service_account)]
        if self.boot_disk_gb is not None:
            setup.boot_disk = types.BootDisk(disk_size_gb=self.boot_disk_gb)
        if self.data_disk_gb is not None:
            setup.data_disks = [types.DataDisk(disk_size_gb=self.data_disk_gb)]
        owners = [self.owner] if self.owner else []
        return workbench_instance.Instance(gce_setup=setup, labels=dict(self.labels or {}), instance_owners=owners)

    def changes(self, there: workbench_instance.Instance) -> list[str]:
        """The paths of what was asked for and is another there."""
        wanted, setup, paths = self.message(), there.gce_setup, []
        if self.labels is not None and dict(wanted.labels) != dict(there.labels):
            paths.append("labels")
        if self.machine_type and self.machine_type != setup.machine_type.rpartition("/")[2]:
            paths.append("gce_setup.machine_type")
        if self.accelerator and list(wanted.gce_setup.accelerator_configs) != list(setup.accelerator_configs):
            paths.append("gce_setup.accelerator_configs")
        if any(setup.metadata.get(key) != value for key, value in wanted.gce_setup.metadata.items()):
            paths.append("gce_setup.metadata")
        return paths

    def _metadata(self) -> dict[str, str]:
        metadata = {}
        if self.idle_shutdown is not None:
            metadata[_IDLE] = f"{seconds_of(self.idle_shutdown, field='idle_shutdown'):.0f}"
        if self.startup_script is not None:
            if not self.startup_script.startswith("gs://") or not GsUri.parse(self.startup_script).name:
                raise InvalidArgument(
                    f"startup_script: {self.startup_script!r} is no object of Cloud Storage",
                    field="startup_script",
                    value=self.startup_script,
                    allowed="gs://BUCKET/OBJECT",
                )
            metadata[_SCRIPT] = self.startup_script
        return metadata

    def _accelerator(self, types: Any) -> Any:
        known = types.AcceleratorConfig.AcceleratorType
        try:
            return known[str(self.accelerator).upper()]
        except KeyError:
            names = ", ".join(each.name for each in known if each.value)
            raise InvalidArgument(
                f"accelerator: {self.accelerator!r} is none of {names}",
                field="accelerator",
                value=self.accelerator,
                allowed=names,
            ) from None

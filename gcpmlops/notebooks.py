"""Vertex AI Workbench: instances that run JupyterLab, made, started, stopped, opened."""

from __future__ import annotations

import builtins
import re
import webbrowser
from collections.abc import Mapping
from typing import Any

from gcpmlops._durations import Duration
from gcpmlops._notebooks.instance import Instance as Instance
from gcpmlops._notebooks.spec import Spec
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, NotFound, translated

__all__ = ["Instance", "Notebooks"]

_HINT = "See the instances with `gcpmlops notebooks list`."
_ZONE = re.compile(r"[a-z]+-[a-z]+\d+-[a-z]")
_MINUTES_15 = 900.0


class Notebooks:
    """`client.notebooks`. API: Notebooks v2 (Vertex AI Workbench instances).

    Wherever an instance is named, ID, ZONE/ID or its full resource name does. An id alone is of the client's location:
    of that zone, or of zone b where it is a region, which every region has.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def create(
        self,
        name: str,
        *,
        machine_type: str | None = None,
        accelerator: str | None = None,
        accelerators: int = 1,
        service_account: str | None = None,
        boot_disk_gb: int | None = None,
        data_disk_gb: int | None = None,
        idle_shutdown: Duration | None = None,
        startup_script: str | None = None,
        owner: str | None = None,
        labels: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> Instance:
        """An instance, made (CreateInstance) or changed to this (UpdateInstance); it is not started again.

        What is given and differs is changed: labels and metadata at any time, the machine while it is STOPPED. What
        can't be changed (account, disks, owner) is only looked at when it is made.

        Args:
            name: its id: lower-case letters, digits and -; ZONE/ID for another zone.
            machine_type: Google's default is e2-standard-4.
            accelerator: such as NVIDIA_TESLA_T4.
            accelerators: how many of them.
            service_account: whom its notebooks act as; default the project's Compute Engine account.
            boot_disk_gb: size of the boot disk.
            data_disk_gb: size of the disk of the home folder.
            idle_shutdown: after so long without a computation it is stopped.
            startup_script: gs:// URI of a shell script that is run once it has started.
            owner: the one user who may open it; default: all who may act as its account.
            labels: all of them.
            wait: False returns while it is PROVISIONING.

        Raises InvalidArgument, FailedPrecondition, PermissionDenied; OperationFailed where it does not start.
        """
        spec = Spec(
            machine_type, accelerator, accelerators, service_account, boot_disk_gb, data_disk_gb, idle_shutdown,
            startup_script, owner, labels,
        )  # fmt: skip
        full, wanted = self._resolve(name), spec.message()
        try:
            there = self.get(full)
        except NotFound:
            self._make(full, wanted, wait)
            return self.get(full)
        if paths := spec.changes(there.proto):
            wanted.name = full
            if "gce_setup.metadata" in paths:
                wanted.gce_setup.metadata = {**there.proto.gce_setup.metadata, **wanted.gce_setup.metadata}
            self._run("update_instance", full, {"instance": wanted, "update_mask": {"paths": paths}})
        return self.get(full)

    def get(self, name: str) -> Instance:
        """An instance (GetInstance). Raises NotFound."""
        full = self._resolve(name)
        with translated(f"instance {name}", next_step=_HINT):
            return Instance(self._clients.notebooks.get_instance(name=full, **self._clients.idempotent), self.get)

    def list(self, *, filter: str = "") -> builtins.list[Instance]:  # noqa: A002 - the API's name
        """The instances of the project, in all zones of the client's location (ListInstances)."""
        location = self._clients.config.location
        parent = f"projects/{self._clients.config.require('project')}/locations/-"
        with translated("instances"):
            request: Any = {"parent": parent, "filter": filter}
            found = self._clients.notebooks.list_instances(request=request, **self._clients.idempotent)
            handles = [Instance(proto, self.get) for proto in found]
        return [each for each in handles if location in (each.zone, each.zone.rpartition("-")[0])]

    def start(self, name: str, *, wait: bool = True) -> Instance:
        """Starts a stopped instance (StartInstance); one that runs is left alone.

        Raises NotFound; OperationFailed with the reason where it does not start.
        """
        return self._moved("start_instance", name, wait)

    def stop(self, name: str, *, wait: bool = True) -> Instance:
        """Stops an instance (StopInstance): its files stay, its machine costs nothing. Raises NotFound."""
        return self._moved("stop_instance", name, wait)

    def open(self, name: str, *, browser: bool = True) -> str:
        """The URL of its JupyterLab (GetInstance), opened in a browser unless `browser` is False.

        Raises NotFound; FailedPrecondition where it is not ACTIVE, or gives no link.
        """
        instance = self.get(name)
        if instance.state != "ACTIVE":
            raise FailedPrecondition(
                f"instance {instance.id} is {instance.state}, and has no JupyterLab to open"
                + (f": {instance.error}" if instance.error else ""),
                resource=instance.name,
                next_step=f"Start it: `gcpmlops notebooks start {instance.zone}/{instance.id}`.",
            )
        if not instance.url:
            raise FailedPrecondition(
                f"instance {instance.id} gives no link",
                resource=instance.name,
                next_step=f"Opening it takes roles/iam.serviceAccountUser on {instance.service_account}, and an "
                "instance made without disable_proxy_access.",
            )
        if browser:
            webbrowser.open(instance.url)
        return instance.url

    def delete(self, name: str, *, wait: bool = True) -> None:
        """Deletes an instance with its disks (DeleteInstance). Raises NotFound."""
        full = self._resolve(name)
        self._run("delete_instance", full, {"name": full}, wait)

    def _make(self, full: str, wanted: Any, wait: bool) -> None:
        parent, _, instance_id = full.partition("/instances/")
        self._run("create_instance", full, {"parent": parent, "instance_id": instance_id, "instance": wanted}, wait)

    def _moved(self, method: str, name: str, wait: bool) -> Instance:
        full = self._resolve(name)
        self._run(method, full, {"name": full}, wait)
        return self.get(full)

    def _run(self, method: str, full: str, request: Mapping[str, Any], wait: bool = True) -> None:
        what = f"instance {full.rpartition('/')[2]}"
        with translated(what, next_step=_HINT):
            operation = getattr(self._clients.notebooks, method)(request=request, **self._clients.once)
        if wait:
            self._clients.finish(operation, timeout=_MINUTES_15, resource=what)

    def _resolve(self, name: str) -> str:
        if name.startswith("projects/"):
            return name
        location = self._clients.config.location
        zone, _, instance_id = name.rpartition("/")
        zone = zone or (location if _ZONE.fullmatch(location) else f"{location}-b")
        return f"projects/{self._clients.config.require('project')}/locations/{zone}/instances/{instance_id}"

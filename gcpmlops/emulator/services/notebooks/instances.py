"""google.cloud.notebooks.v2.NotebookService: instances, made, started, stopped, changed, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.notebooks_v2 import types
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.kernel import filters, masks, paging
from gcpmlops.emulator.kernel.access import ACT_AS
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.names import location_of, parse, project_of
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.kernel.validate import invalid, require
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.notebooks import checks
from gcpmlops.emulator.services.notebooks.machines import Machines, State

_OUTPUT = ("name", "proxy_uri", "creator", "state", "upgrade_history", "id", "health_state", "health_info")
_TIMES = ("create_time", "update_time")
_WHILE_RUNNING = ("labels", "gce_setup.metadata", "gce_setup.tags")  # all else changes the machine itself
_FIXED = ("instance_owners", "disable_proxy_access", "gce_setup.boot_disk", "gce_setup.data_disks")
_SETTLED = (State.ACTIVE, State.STOPPED)


class Instances(Service):
    """Instances; each that is ACTIVE is a JupyterLab process."""

    proto = "google.cloud.notebooks.v2.NotebookService"

    def __init__(self, context: Context, machines: Machines, policies: Policies) -> None:
        super().__init__(context)
        self._machines = machines
        self._rows = machines.rows
        self._policies = policies

    def create_instance(self, request: types.CreateInstanceRequest) -> Any:
        checks.parent(request.parent)
        checks.instance_id(request.instance_id)
        instance = types.Instance(request.instance)
        for field in (*_OUTPUT, *_TIMES):
            setattr(instance, field, None)
        instance.name = f"{request.parent}/instances/{request.instance_id}"
        instance = checks.completed(instance)
        self.access.require(ACT_AS, checks.account_name(instance))
        self.access.check_member(f"serviceAccount:{checks.account(instance.gce_setup)}")
        instance.id, instance.state = str(uuid.uuid4()), State.PROVISIONING
        instance.creator = current_call().caller.email
        instance.create_time = instance.update_time = self.clock.now()
        self._rows.insert(instance.name, instance)
        checks.log_ignored(instance, request.instance.gce_setup)
        return self._started(instance.name, "create", self._machines.boot)

    def get_instance(self, request: types.GetInstanceRequest) -> types.Instance:
        return self._shown(self._stored(request.name))

    def list_instances(self, request: types.ListInstancesRequest) -> types.ListInstancesResponse:
        """Of one zone, or of all (`locations/-`)."""
        found = parse("projects/{project}/locations/{location}", request.parent)
        mine = [
            each
            for each in self._rows.list()
            if project_of(each.name) == found["project"] and found["location"] in ("-", location_of(each.name))
        ]
        chosen = [each for each in mine if filters.matches(request.filter, each)]
        page, token = paging.page(filters.order(chosen, request.order_by), request)
        return types.ListInstancesResponse(instances=[self._shown(each) for each in page], next_page_token=token)

    def update_instance(self, request: types.UpdateInstanceRequest) -> Any:
        """Labels, metadata and tags at any time; what is the machine itself while it is STOPPED."""
        name = self._stored(request.instance.name).name
        require(request, "update_mask.paths")
        mask = field_mask_pb2.FieldMask(paths=_whole_lists(masks.snake(request.update_mask).paths))

        masks.apply(mask, types.Instance(), request.instance, immutable=(*_OUTPUT, *_TIMES))  # whether there are such
        for path in mask.paths:
            if path.startswith(_FIXED) or path == "gce_setup":
                raise invalid("update_mask", f"{path} can't be changed.")

        def change(row: types.Instance) -> None:
            for path in mask.paths:
                if not path.startswith(_WHILE_RUNNING):
                    checks.in_state(row, State.STOPPED, to=f"changed in its {path}")
            masks.apply(mask, row, request.instance, immutable=(*_OUTPUT, *_TIMES))
            checks.completed(row)
            row.update_time = self.clock.now()

        self._rows.update(name, change)
        return self._started(name, "update", self._rows.get)

    def delete_instance(self, request: types.DeleteInstanceRequest) -> Any:
        name = self._stored(request.name).name

        def remove(name: str) -> None:
            self._machines.remove(name)
            self._policies.forget(name)

        self._to(name, State.DELETED, *(state for state in State if state != State.DELETED), to="deleted")
        return self._started(name, "delete", remove)

    def start_instance(self, request: types.StartInstanceRequest) -> Any:
        """One that runs already is left alone, as by Compute Engine."""
        instance = self._stored(request.name)
        self.access.require(ACT_AS, checks.account_name(instance))
        if instance.state == State.ACTIVE:
            return self._started(instance.name, "start", self._rows.get)
        self._to(instance.name, State.STARTING, State.STOPPED, to="started")
        return self._started(instance.name, "start", self._machines.boot)

    def stop_instance(self, request: types.StopInstanceRequest) -> Any:
        """One that is stopped already is left alone, as by Compute Engine."""
        instance = self._stored(request.name)
        if instance.state == State.STOPPED:
            return self._started(instance.name, "stop", self._rows.get)
        self._to(instance.name, State.STOPPING, State.ACTIVE, to="stopped")
        return self._started(instance.name, "stop", self._machines.halt)

    def reset_instance(self, request: types.ResetInstanceRequest) -> Any:
        name = self._stored(request.name).name
        self._to(name, State.STARTING, State.ACTIVE, to="reset")
        return self._started(name, "reset", self._machines.reset)

    def check_instance_upgradability(
        self, request: types.CheckInstanceUpgradabilityRequest
    ) -> types.CheckInstanceUpgradabilityResponse:
        """Never: all instances run the JupyterLab that the emulator installs."""
        self._stored(request.notebook_instance)
        return types.CheckInstanceUpgradabilityResponse(
            upgradeable=False, upgrade_info="The instance runs the newest version that there is."
        )

    def upgrade_instance(self, request: types.UpgradeInstanceRequest) -> Any:
        """Raises: FailedPrecondition, as there is nothing newer."""
        raise exceptions.FailedPrecondition(f"{self._stored(request.name).name} can't be upgraded: nothing is newer.")

    def rollback_instance(self, request: types.RollbackInstanceRequest) -> Any:
        """Raises: FailedPrecondition, as it was never upgraded."""
        name = self._stored(request.name).name
        raise exceptions.FailedPrecondition(f"{name} can't be rolled back: it has not been upgraded.")

    def _stored(self, name: str) -> types.Instance:
        parse(checks.INSTANCE, name)
        instance: types.Instance = self._rows.get(name)
        return instance

    def _to(self, name: str, state: Any, *wanted: Any, to: str) -> None:
        """Into a state, at once and only from these. Raises: FailedPrecondition."""

        def change(row: types.Instance) -> None:
            checks.in_state(row, *wanted, to=to)
            row.state = state

        self._rows.update(name, change)

    def _started(self, name: str, verb: str, run: Callable[[str], types.Instance | None]) -> Any:
        metadata = types.OperationMetadata(
            create_time=self.clock.now(),
            target=name,
            verb=verb,
            api_version="v2",
            endpoint=f"{self.proto}.{verb.capitalize()}Instance",
        )

        def shown() -> types.Instance | None:
            instance = run(name)
            return None if instance is None else self._shown(instance)

        return self.operations.start(parent=name.rpartition("/instances/")[0], metadata=metadata, run=shown)

    def _shown(self, instance: types.Instance) -> types.Instance:
        """With the link while it leads somewhere, and only for those who may act as the instance's account."""
        may_open = self.access.allows(ACT_AS, checks.account_name(instance))
        if instance.state != State.ACTIVE or instance.disable_proxy_access or not may_open:
            instance.proxy_uri = ""
        return instance


def _whole_lists(paths: Any) -> list[str]:
    """A field inside of a list, as gcloud names them, means the list."""
    lists = ("gce_setup.accelerator_configs", "gce_setup.service_accounts")
    return [next((whole for whole in lists if path.startswith(f"{whole}.")), path) for path in paths]

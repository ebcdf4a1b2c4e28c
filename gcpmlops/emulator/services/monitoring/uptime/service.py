"""google.monitoring.v3.UptimeCheckService: configurations; their probes begin at once."""

from __future__ import annotations

import re
import secrets
from typing import Any

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters, names, paging, validate
from gcpmlops.emulator.kernel.masks import apply, raw, snake
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring.uptime import checks, regions
from gcpmlops.emulator.services.monitoring.uptime.rounds import Rounds

_NAME = "projects/{project}/uptimeCheckConfigs/{check}"
_PARENT = "projects/{project}"
_FIXED = ("name", "monitored_resource", "resource_group", "synthetic_monitor")


class UptimeCheckService(Service):
    """Uptime checks of projects.

    Args:
        context: of all services.
        rounds: makes the probes.
    """

    proto = "google.monitoring.v3.UptimeCheckService"

    def __init__(self, context: Context, rounds: Rounds) -> None:
        super().__init__(context)
        self._rounds = rounds
        self._configs: Any = context.store.collection(types.UptimeCheckConfig)
        self._policies: Any = context.store.collection(types.AlertPolicy)

    def create_uptime_check_config(self, request: types.CreateUptimeCheckConfigRequest) -> types.UptimeCheckConfig:
        """A new one, which is probed at once and then every period."""
        project = names.parse(_PARENT, request.parent)["project"]
        config = types.UptimeCheckConfig(request.uptime_check_config)
        message = raw(config)
        checks.fill(message)
        checks.check(message)
        message.monitored_resource.labels["project_id"] = project
        slug = re.sub(r"[^a-z0-9]+", "-", config.display_name.lower()).strip("-")[:40] or "check"
        config.name = f"{request.parent}/uptimeCheckConfigs/{slug}-{secrets.token_urlsafe(8).replace('_', '-')}"
        self._configs.insert(config.name, config)
        self._rounds.begin(config.name)
        return _shown(config)

    def list_uptime_check_configs(
        self, request: types.ListUptimeCheckConfigsRequest
    ) -> types.ListUptimeCheckConfigsResponse:
        """Those of a project that a filter wants."""
        names.parse(_PARENT, request.parent)
        wanted = filters.parse(request.filter)
        found = [each for each in self._configs.list(request.parent) if wanted(each)]
        page, token = paging.page(found, request)
        return types.ListUptimeCheckConfigsResponse(
            uptime_check_configs=[_shown(each) for each in page], next_page_token=token, total_size=len(found)
        )

    def get_uptime_check_config(self, request: types.GetUptimeCheckConfigRequest) -> types.UptimeCheckConfig:
        """One of them."""
        names.parse(_NAME, request.name)
        return _shown(self._configs.get(request.name))

    def update_uptime_check_config(self, request: types.UpdateUptimeCheckConfigRequest) -> types.UptimeCheckConfig:
        """Changes the fields of the mask, or all; what is checked stays what it was."""
        new = request.uptime_check_config
        names.parse(_NAME, new.name)

        def change(known: types.UptimeCheckConfig) -> types.UptimeCheckConfig:
            changed = _changed(known, new, request.update_mask)
            kinds = [raw(each).WhichOneof("check_request_type") for each in (known, changed)]
            if kinds[0] != kinds[1]:
                raise validate.invalid("uptime_check_config", f"{kinds[0]} can't become {kinds[1]}: make a new check.")
            checks.fill(raw(changed))
            checks.check(raw(changed))
            return changed

        updated = self._configs.update(new.name, change)
        self._rounds.begin(new.name)
        return _shown(updated)

    def delete_uptime_check_config(self, request: types.DeleteUptimeCheckConfigRequest) -> empty_pb2.Empty:
        """Unless an alert policy watches it."""
        parts = names.parse(_NAME, request.name)
        found = self._configs.get(request.name)
        for policy in self._policies.list(f"projects/{parts['project']}"):
            if parts["check"] in str(raw(policy)):
                raise exceptions.FailedPrecondition(
                    f"Uptime check {found.display_name!r} is watched by {policy.name}: change or delete that first."
                )
        self._configs.delete(request.name)
        self._rounds.end(request.name)
        return empty_pb2.Empty()

    def list_uptime_check_ips(self, request: types.ListUptimeCheckIpsRequest) -> types.ListUptimeCheckIpsResponse:
        """Where checks come from: this machine, whatever the region."""
        found = [
            types.UptimeCheckIp(region=region, location=place, ip_address=regions.ADDRESS)
            for region, places in regions.LOCATIONS.items()
            for _, place in places
        ]
        page, token = paging.page(found, request)
        return types.ListUptimeCheckIpsResponse(uptime_check_ips=page, next_page_token=token)


def _changed(known: types.UptimeCheckConfig, new: types.UptimeCheckConfig, mask: Any) -> types.UptimeCheckConfig:
    paths = {path.partition(".")[0] for path in snake(mask).paths} if mask else set()
    for field in _FIXED[1:]:
        if (not paths or field in paths) and raw(new).HasField(field) and getattr(new, field) != getattr(known, field):
            if field == "monitored_resource" and _same_resource(known, new):
                continue
            raise validate.invalid(f"uptime_check_config.{field}", "it can't be changed: make a new check.")
    changed = types.UptimeCheckConfig(known)
    if paths:
        apply(mask, changed, new, immutable=("name",))
        return changed
    changed = types.UptimeCheckConfig(new)
    changed.monitored_resource = known.monitored_resource
    return changed


def _same_resource(known: types.UptimeCheckConfig, new: types.UptimeCheckConfig) -> bool:
    """What the caller left out of its labels is the project."""
    one, other = known.monitored_resource, new.monitored_resource
    return bool(one.type == other.type and {**other.labels, "project_id": ""} == {**one.labels, "project_id": ""})


def _shown(config: types.UptimeCheckConfig) -> types.UptimeCheckConfig:
    shown: types.UptimeCheckConfig = checks.masked(config)
    return shown

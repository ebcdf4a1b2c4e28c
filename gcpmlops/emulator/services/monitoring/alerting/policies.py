"""google.monitoring.v3.AlertPolicyService."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring.alerting.policy_checks import PolicyChecks
from gcpmlops.emulator.services.monitoring.alerting.records import mutation

PROJECT = "projects/{project}"
POLICY = PROJECT + "/alertPolicies/{policy}"
_KEPT = ("name", "creation_record")


class AlertPolicies(Service):
    """Policies.

    Args:
        context: the store, and the clock.
        checks: of what is to be stored.
        put: told of a policy that is new, or changed.
        removed: told of one that is gone.
    """

    proto = "google.monitoring.v3.AlertPolicyService"

    def __init__(
        self,
        context: Context,
        checks: PolicyChecks,
        put: Callable[[types.AlertPolicy], None],
        removed: Callable[[types.AlertPolicy], None],
    ) -> None:
        super().__init__(context)
        self._rows: Any = context.store.collection(types.AlertPolicy)
        self._checks = checks
        self._put = put
        self._removed = removed

    def list_alert_policies(self, request: types.ListAlertPoliciesRequest) -> types.ListAlertPoliciesResponse:
        """Those of a project, in the order of their creation or as `order_by` says."""
        names.parse(PROJECT, request.name)
        found = [one for one in self._rows.list(request.name) if filters.matches(request.filter, one)]
        page, token = paging.page(filters.order(found, request.order_by), request)
        return types.ListAlertPoliciesResponse(alert_policies=page, next_page_token=token, total_size=len(found))

    def get_alert_policy(self, request: types.GetAlertPolicyRequest) -> types.AlertPolicy:
        """One."""
        return self.stored(request.name)

    def create_alert_policy(self, request: types.CreateAlertPolicyRequest) -> types.AlertPolicy:
        """A new one, enabled unless it says otherwise; its conditions get names."""
        project = names.parse(PROJECT, request.name)["project"]
        policy = types.AlertPolicy(request.alert_policy)
        self._checks.check(project, policy)
        policy.name = f"{request.name}/alertPolicies/{names.new_id()}"
        _complete(policy)
        _name_conditions(policy, ())
        policy.creation_record = policy.mutation_record = mutation(self.clock.now())
        created: types.AlertPolicy = self._rows.insert(policy.name, policy, parent=request.name)
        self._put(created)
        return created

    def update_alert_policy(self, request: types.UpdateAlertPolicyRequest) -> types.AlertPolicy:
        """Replaces the fields of the mask, or all. Conditions with a known name go on, others begin."""
        given = request.alert_policy
        with self.locks(given.name):
            stored = self.stored(given.name)
            changed = _changed(stored, given, request.update_mask)
            self._checks.check(names.project_of(given.name), changed)
            _name_conditions(changed, [each.name for each in stored.conditions])
            changed.mutation_record = mutation(self.clock.now())
            return self._stored_again(changed)

    def delete_alert_policy(self, request: types.DeleteAlertPolicyRequest) -> empty_pb2.Empty:
        """Its open incidents close."""
        policy = self.stored(request.name)
        with self.locks(request.name):
            self._rows.delete(request.name)
            self._removed(policy)
        return empty_pb2.Empty()

    def stored(self, name: str) -> types.AlertPolicy:
        """Raises InvalidArgument, NotFound."""
        names.parse(POLICY, name)
        found: types.AlertPolicy = self._rows.get(name)
        return found

    def all(self) -> list[types.AlertPolicy]:
        """Of every project."""
        found: list[types.AlertPolicy] = self._rows.list()
        return found

    def notifying(self, channel: str) -> list[str]:
        """The names of the policies that notify a channel."""
        return [policy.name for policy in self.all() if channel in policy.notification_channels]

    def without_channel(self, channel: str) -> None:
        """Takes it out of all policies."""
        for name in self.notifying(channel):
            with self.locks(name):
                policy = self.stored(name)
                policy.notification_channels = [each for each in policy.notification_channels if each != channel]
                for each in policy.alert_strategy.notification_channel_strategy:
                    each.notification_channel_names = [
                        other for other in each.notification_channel_names if other != channel
                    ]
                policy.mutation_record = mutation(self.clock.now())
                self._stored_again(policy)

    def _stored_again(self, policy: types.AlertPolicy) -> types.AlertPolicy:
        changed: types.AlertPolicy = self._rows.update(policy.name, lambda _: policy)
        self._put(changed)
        return changed


def _complete(policy: types.AlertPolicy) -> None:
    """Defaults that are shown."""
    if not raw(policy).HasField("enabled"):
        policy.enabled = True
    if policy.documentation.content and not policy.documentation.mime_type:
        policy.documentation.mime_type = "text/markdown"
    for condition in policy.conditions:
        for kind in ("condition_threshold", "condition_absent"):
            if kind in condition:
                trigger = getattr(condition, kind).trigger
                if not trigger.count and not trigger.percent:
                    trigger.count = 1


def _changed(stored: types.AlertPolicy, given: types.AlertPolicy, mask: Any) -> types.AlertPolicy:
    if mask.paths:
        changed = types.AlertPolicy(stored)
        masks.apply(mask, changed, given, immutable=("name", "creation_record", "mutation_record", "validity"))
    else:
        changed = types.AlertPolicy(given)
        for field in _KEPT:
            setattr(changed, field, getattr(stored, field))
    _complete(changed)
    return changed


def _name_conditions(policy: types.AlertPolicy, known: Iterable[str]) -> None:
    """New conditions get a name. Raises InvalidArgument for a name that none of the policy's has."""
    for index, condition in enumerate(policy.conditions):
        if not condition.name or not known:
            condition.name = f"{policy.name}/conditions/{names.new_id()}"
        elif condition.name not in known:
            text = f"{condition.name} is no condition of the policy: leave the name of a new one out."
            raise validate.invalid(f"alert_policy.conditions[{index}].name", text)
    if len({condition.name for condition in policy.conditions}) < len(policy.conditions):
        raise exceptions.InvalidArgument("alert_policy.conditions: two of them have the same name.")

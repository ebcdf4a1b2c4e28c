"""google.iam.v1.IAMPolicy of an API's resources: policies with their etags; here every caller owns the project."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.iam.v1 import iam_policy_pb2, policy_pb2

from gcpmlops.emulator.kernel import masks
from gcpmlops.emulator.kernel.project_names import ProjectNames
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.iam_admin import expressions

_BASIC = ("roles/owner", "roles/editor", "roles/viewer")
_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|domain:[\w.-]+|project(Owner|Editor|Viewer):\S+|(deleted:)?principal(Set)?://\S+"
    r"|(deleted:)?(user|group|serviceAccount):[^\s@:]+@[^\s@]+|serviceAccount:\S+\.svc\.id\.goog\[\S+\]"
)
_PERMISSION = re.compile(r"[a-z][\w-]*(\.\w+){2,}")
_CONDITIONAL = 3  # version of a policy with conditions
_EMPTY_ETAG = b"\x00 \x01"  # of a resource that never had a policy


class Policies(Service):
    """google.iam.v1.IAMPolicy for one API's resources.

    Args:
        check: raises NotFound for a resource that isn't there.
        permissions: what a permission of this API begins with.
    """

    proto = "google.iam.v1.IAMPolicy"

    def __init__(self, context: Context, check: Callable[[str], object], *, permissions: str) -> None:
        super().__init__(context)
        self._check = check
        self._permissions = permissions
        self._stored = context.store.collection(policy_pb2.Policy)
        self._names = ProjectNames(str(self.settings.project_number), self.settings.project)

    def get_iam_policy(self, request: iam_policy_pb2.GetIamPolicyRequest) -> policy_pb2.Policy:
        self._names.by_id(request)
        _check_version(request.options.requested_policy_version, "options.requested_policy_version")
        self._check(request.resource)
        stored: policy_pb2.Policy | None = self._stored.find(request.resource)
        return stored or policy_pb2.Policy(etag=_EMPTY_ETAG)

    def set_iam_policy(self, request: iam_policy_pb2.SetIamPolicyRequest) -> policy_pb2.Policy:
        """Raises: Aborted for an etag that is no longer the policy's; InvalidArgument for what no policy takes."""
        if not request.HasField("policy"):
            raise invalid("policy", "required, but missing.")
        _check_bindings(self._names.by_id(request).policy)
        for binding in request.policy.bindings:
            for member in binding.members:
                self.access.check_member(member)
        with self.locks(request.resource):
            before = self.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=request.resource))
            if request.policy.etag and request.policy.etag != before.etag:
                raise exceptions.Aborted(
                    "There were concurrent policy changes: read the policy again and repeat the whole change."
                )
            for role in {binding.role for binding in request.policy.bindings} - {had.role for had in before.bindings}:
                self.access.check_role(role, request.resource)
            policy = policy_pb2.Policy()
            policy.CopyFrom(before)
            masks.apply(_mask(request), policy, request.policy)
            _merge(policy)
            policy.version = _CONDITIONAL if _is_conditional(policy) else 1
            policy.etag = secrets.token_bytes(8)
            self._stored.put(request.resource, policy, parent="")
        self.access.changed()
        return policy

    def test_iam_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Of a resource that isn't there: none."""
        for permission in request.permissions:
            if "*" in permission:
                raise invalid("permissions", f"{permission}: wildcards are not allowed.")
            if not _PERMISSION.fullmatch(permission) or not permission.startswith(self._permissions):
                raise exceptions.InvalidArgument(f"Permission {permission} is not valid for this resource.")
        try:
            self._check(self._names.by_id(request).resource)
        except exceptions.NotFound:
            return iam_policy_pb2.TestIamPermissionsResponse()
        allowed = [name for name in request.permissions if self.access.allows(name, request.resource)]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=allowed)

    def forget(self, resource: str) -> None:
        """The resource is gone."""
        if self._stored.find(resource) is not None:
            self._stored.delete(resource)
            self.access.changed()


def _mask(request: Any) -> Any:
    """The fields that the call replaces: bindings and etag by default."""
    if request.update_mask.paths:
        return request.update_mask
    return type(request.update_mask)(paths=["bindings", "version"])


def _check_bindings(policy: Any) -> None:
    _check_version(policy.version, "policy.version")
    if _is_conditional(policy) and policy.version != _CONDITIONAL:
        raise invalid("policy.version", f"must be {_CONDITIONAL} in a policy with conditions.")
    for binding in policy.bindings:
        if not binding.role.startswith(("roles/", "projects/", "organizations/")):
            raise exceptions.InvalidArgument(f"Role {binding.role!r} is not supported: expected roles/NAME.")
        for member in binding.members:
            if not _MEMBER.fullmatch(member):
                raise exceptions.InvalidArgument(f"Invalid member {member!r}: expected user:EMAIL and the like.")
        if binding.HasField("condition"):
            _check_condition(binding)


def _merge(policy: Any) -> None:
    """One binding for each role and condition, each member once; without members there is none."""
    merged: dict[tuple[str, bytes], Any] = {}
    for binding in policy.bindings:
        found = merged.setdefault((binding.role, binding.condition.SerializeToString()), policy_pb2.Binding())
        members = dict.fromkeys((*found.members, *binding.members))
        found.CopyFrom(binding)
        found.members[:] = members
    del policy.bindings[:]
    policy.bindings.extend(binding for binding in merged.values() if binding.members)


def _check_condition(binding: Any) -> None:
    if binding.role in _BASIC:
        raise exceptions.InvalidArgument(f"The basic role {binding.role} cannot be bound with a condition.")
    if not expressions.is_well_formed(binding.condition.expression):
        raise exceptions.InvalidArgument(
            f"The condition {binding.condition.title!r} of {binding.role} is no expression: "
            f"{binding.condition.expression!r} does not compile."
        )


def _check_version(version: int, field: str) -> None:
    if version not in (0, 1, _CONDITIONAL):
        raise invalid(field, f"{version} is no version of a policy: 0, 1 and {_CONDITIONAL} are.")


def _is_conditional(policy: Any) -> bool:
    return any(binding.HasField("condition") for binding in policy.bindings)

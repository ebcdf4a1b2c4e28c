"""The gate's check under ``--enforce-iam``: the caller's roles give the permission, or the call is refused by name."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types
from google.rpc import error_details_pb2

from gcpmlops.emulator.kernel.access import ACT_AS, Used, account_name
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.gate import Asked, Needed, Wanted
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.access import conditions, roles
from gcpmlops.emulator.services.access.bindings import Binding, Bindings, full_name
from gcpmlops.emulator.services.access.methods import permission_of, resource_of
from gcpmlops.emulator.services.access.phrases import denied

_REMEMBERED = 20_000  # decisions
_TEAMS = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}
_POLICY = ("GetIamPolicy", "SetIamPolicy", "TestIamPermissions")


class Enforcer:
    """Decides, and remembers what it decided until a policy changes.

    Into ``used``, where there is one, goes what was allowed: which roles are needed shows in it.
    """

    def __init__(self, context: Context, bindings: Bindings) -> None:
        self._context = context
        self._bindings = bindings
        self._roles = context.store.collection(types.Role)
        self._decided: dict[tuple[str, str, str], bool] = {}
        self._generation = -1  # of what was decided
        self._lock = threading.Lock()
        self.used: set[Used] | None = None

    def check(self, asked: Asked) -> None:
        """Raises: PermissionDenied."""
        if isinstance(asked.request, Wanted):
            for permission, resource in asked.request.pairs:
                self.require(permission, resource, email=asked.call.caller.email)
            return
        if asked.needs is not None:
            self._check_declared(asked)
            return
        if asked.method.endswith(_POLICY):
            self._check_policy_call(asked)
            return
        permission = permission_of(asked.service, asked.method)
        if permission and asked.request is not None:
            delegate = next(iter(asked.request.delegates), "") if asked.service == "iamcredentials" else ""
            if delegate:  # the caller needs no more than the first one, which the service follows up
                permission = "iam.serviceAccounts.implicitDelegation"
            self.require(permission, delegate or resource_of(asked), email=asked.call.caller.email)
        for more, resource in _further(asked):
            self.require(more, resource, email=asked.call.caller.email)

    def _check_declared(self, asked: Asked) -> None:
        """A hand-declared REST call."""
        if isinstance(asked.needs, Needed):
            resource = self._place(asked.needs.resource, asked.request)
            permission = asked.needs.permission
            if "{kind}" in permission:
                permission = permission.format(kind=policy_kind(resource, asked.service))
            self.require(permission, resource, email=asked.call.caller.email)

    def _place(self, template: str, variables: Mapping[str, str]) -> str:
        """The resource of a hand-declared call; a project by its id."""
        settings, parts = self._context.settings, template.format_map(variables).split("/")
        if parts[1:2] == [str(settings.project_number)]:
            parts[1] = settings.project
        return "/".join(parts)

    def require(self, permission: str, resource: str, *, email: str = "") -> None:
        """Raises: PermissionDenied."""
        email = email or current_call().caller.email
        name = full_name(resource)
        if not email and current_call().caller.email == "" and not current_call().headers:
            return  # the emulator's own work, on behalf of nobody
        if self.allows(permission, name, email=email):
            if self.used is not None:
                self.used.add((email, permission, name))
            return
        info = error_details_pb2.ErrorInfo(
            reason="IAM_PERMISSION_DENIED", domain="iam.googleapis.com",
            metadata={"permission": permission, "resource": resource},
        )  # fmt: skip
        raise exceptions.PermissionDenied(denied(permission, resource, email), details=[info])

    def allows(self, permission: str, resource: str, *, email: str) -> bool:
        """Whether the identity's roles give it; an empty email is that of who calls."""
        email = email or current_call().caller.email
        if self._generation != self._context.access.generation or len(self._decided) > _REMEMBERED:
            self._forget()
        decided, key = self._decided, (email, permission, resource)
        known = decided.get(key)
        if known is None:
            known, lasting = self._decide(permission, resource, email)
            if lasting:
                decided[key] = known  # not in what has taken its place meanwhile: this was read before the change
        return known

    def _forget(self) -> None:
        with self._lock:
            generation = self._context.access.generation
            self._bindings.forget()
            self._decided = {}
            self._generation = generation  # the last: who sees it sees the rest

    def _decide(self, permission: str, resource: str, email: str) -> tuple[bool, bool]:
        """(whether, whether it stays so until a policy changes)."""
        lasting = True
        for binding in self._bindings.of(full_name(resource)):
            if not self._is(binding.member, email) or not self._gives(binding.role, permission):
                continue
            if not binding.condition:
                return True, lasting
            lasting = False
            if self._holds(binding, resource, permission):
                return True, False
        return False, lasting

    def _holds(self, binding: Binding, resource: str, permission: str) -> bool:
        service = f"{permission.partition('.')[0]}.googleapis.com"
        name = f"projects/_/{resource}" if resource.startswith("buckets/") else resource
        return conditions.holds(binding.condition, resource=name, service=service, now=self._context.clock.now())

    def _is(self, member: str, email: str) -> bool:
        kind, _, value = member.partition(":")
        if kind in ("serviceAccount", "user"):
            return bool(email) and value == email
        if email.startswith("principal:") and kind in ("principal", "principalSet"):
            return member in self._context.access.principals(email)
        if kind in _TEAMS:
            return any(
                binding.role == _TEAMS[kind] and self._is(binding.member, email) and not binding.condition
                for binding in self._bindings.on_project(value)
                if binding.member.partition(":")[0] not in _TEAMS
            )
        return member == "allUsers" or (member == "allAuthenticatedUsers" and bool(email))

    def _gives(self, role: str, permission: str) -> bool:
        if role.startswith("roles/"):
            return roles.gives(role, permission)
        own: Any = self._roles.find(role)
        return own is not None and not own.deleted and permission in own.included_permissions

    def _check_policy_call(self, asked: Asked) -> None:
        """``pubsub.topics.setIamPolicy`` and the like, after the kind of the resource."""
        action = asked.method.rpartition(".")[2]
        action = action[0].lower() + action[1:]
        if action not in ("getIamPolicy", "setIamPolicy"):
            return
        resource = resource_of(asked)
        self.require(f"{policy_kind(resource, asked.service)}.{action}", resource, email=asked.call.caller.email)


def policy_kind(resource: str, service: str) -> str:
    """``pubsub.topics`` of projects/P/topics/T."""
    parts = resource.split("/")
    if resource.startswith(("buckets/", "projects/_/buckets/")):
        return "storage.buckets"
    if len(parts) == 2:
        return "billing.accounts" if parts[0] == "billingAccounts" else "resourcemanager.projects"
    return f"{service}.{parts[-2]}"


def _further(asked: Asked) -> Iterator[tuple[str, str]]:
    """What a call asks beside its own permission."""
    short = asked.method.rpartition(".")[2]
    if asked.service == "bigquerystorage" and short == "CreateReadSession":
        table = raw(asked.request).read_session.table
        if "/datasets/_" not in table:  # a query's own result
            yield "bigquery.tables.getData", table
    elif asked.service == "pubsub" and short == "CreateSubscription":
        yield "pubsub.topics.attachSubscription", raw(asked.request).topic
    elif asked.service == "aiplatform" and short == "DeployModel":
        yield "aiplatform.models.get", raw(asked.request).deployed_model.model.partition("@")[0]
    if asked.service == "pubsub" and (account := _pushing(raw(asked.request))):
        yield ACT_AS, account_name(account, resource_of(asked))


def _pushing(request: Any) -> str:
    """The account whose tokens a subscription's pushes bear."""
    holder = getattr(request, "subscription", request)  # UpdateSubscription(subscription=...)
    config = getattr(request, "push_config", None) or getattr(holder, "push_config", None)
    return str(config.oidc_token.service_account_email) if config is not None else ""

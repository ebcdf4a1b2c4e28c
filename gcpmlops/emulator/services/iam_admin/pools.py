"""Workload identity pools and their providers, which IAM has in REST alone: kept and shown as they were given."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from google.api_core import exceptions
from google.protobuf import json_format, struct_pb2

from gcpmlops.emulator.kernel.gate import Unasked
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.iam_admin.expressions import is_well_formed
from gcpmlops.emulator.settings import project_number

_POOLS = "/v1/{parent=projects/*/locations/*}/workloadIdentityPools"
POOL = "/v1/{name=projects/*/locations/*/workloadIdentityPools/*}"
_PROVIDERS = "/v1/{parent=projects/*/locations/*/workloadIdentityPools/*}/providers"
_PROVIDER = "/v1/{name=projects/*/locations/*/workloadIdentityPools/*/providers/*}"
_ID = re.compile(r"(?!gcp-)[a-z0-9-]{4,32}")
_TYPE = "type.googleapis.com/google.iam.v1.WorkloadIdentityPool"
_OWN = ("name", "state", "expireTime")
_KINDS = ("oidc", "aws", "saml", "x509")
_COMMON = ("displayName", "description", "disabled")
_OF_POOL = (*_COMMON, "mode", "sessionDuration", "inlineCertificateIssuanceConfig", "inlineTrustConfig")
_OF_PROVIDER = (*_COMMON, *_KINDS, "attributeMapping", "attributeCondition")
_GITHUB = "https://token.actions.githubusercontent.com"  # of everybody's repositories


def routes(pools: Callable[[], Pools]) -> tuple[JsonRoute, ...]:
    """The routes; ``pools`` makes them when one is called."""

    def lazily(method: str) -> Callable[[Mapping[str, str], Any], dict[str, Any]]:
        return lambda variables, body: dict(getattr(pools(), method)(variables, body))

    made = []
    for many, one in ((_PROVIDERS, _PROVIDER), (_POOLS, POOL)):
        made += [
            JsonRoute("POST", many, lazily("create"), Unasked.WITHIN),
            JsonRoute("GET", many, lazily("all"), Unasked.WITHIN),
            JsonRoute("GET", one, lazily("get"), Unasked.WITHIN),
            JsonRoute("PATCH", one, lazily("update"), Unasked.WITHIN),
            JsonRoute("DELETE", one, lazily("delete"), Unasked.WITHIN),
            JsonRoute("POST", f"{one}:undelete", lazily("undelete"), Unasked.WITHIN),
        ]
    return tuple(made)


class Pools:
    """By name, in which the project is the id here and its number outside.

    Args:
        projects: a project's id by id or number; raises where there is none.
    """

    def __init__(self, context: Context, projects: Callable[[str], str]) -> None:
        self._context = context
        self._projects = projects
        self._rows = context.store.collection(struct_pb2.Struct)

    def create(self, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        """Raises: InvalidArgument for an id or settings that are not allowed; AlreadyExists; NotFound of the pool."""
        parent = self._name(variables["parent"])
        is_provider = "/workloadIdentityPools/" in parent
        kind = "providers" if is_provider else "workloadIdentityPools"
        given = variables.get("workloadIdentityPoolProviderId" if is_provider else "workloadIdentityPoolId", "")
        self._require("create", parent, provider=is_provider)
        if not _ID.fullmatch(given):
            field = "workload_identity_pool_provider_id" if is_provider else "workload_identity_pool_id"
            raise invalid(field, f"{given!r} is not allowed: 4 to 32 of a-z, 0-9 and -, not beginning with gcp-.")
        settings = _settings(body or {}, provider=is_provider)
        if is_provider:
            self._live(parent)
            _check_provider(settings)
        made = {**settings, "name": f"{parent}/{kind}/{given}", "state": "ACTIVE"}
        if self._rows.find(made["name"]) is not None:
            raise exceptions.AlreadyExists(f"{kind} {given} exists already, or was deleted within the last 30 days.")
        self._keep(made)
        return self._done(made)

    def all(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        """All; deleted ones where showDeleted asks for them."""
        parent = self._name(variables["parent"])
        is_provider = "/workloadIdentityPools/" in parent
        self._require("list", parent, provider=is_provider)
        if is_provider:
            self.find(parent)
        found = [_plain(row) for row in self._rows.list(parent)]
        if variables.get("showDeleted", "").lower() != "true":
            found = [each for each in found if each["state"] == "ACTIVE"]
        key = "workloadIdentityPoolProviders" if is_provider else "workloadIdentityPools"
        return {key: [_shown(each) for each in found]}

    def get(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        name = self._name(variables["name"])
        self._require("get", name, provider="/providers/" in name)
        return _shown(self.find(name))

    def update(self, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        """The fields that updateMask names."""
        name = self._name(variables["name"])
        self._require("update", name, provider="/providers/" in name)
        stored, given = self._live(name), _settings(body or {}, provider="/providers/" in name)
        paths = [path.split(".")[0] for path in variables.get("updateMask", "").split(",") if path]
        for key in map(_camel, paths or given):
            if key not in _OWN:
                stored[key] = given.get(key)
        kept = {key: value for key, value in stored.items() if value is not None}
        if "/providers/" in name:
            _check_provider(kept)
        self._keep(kept)
        return self._done(kept)

    def delete(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        return self._mark(variables["name"], "delete", "DELETED")

    def undelete(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        return self._mark(variables["name"], "undelete", "ACTIVE")

    def find(self, name: str) -> dict[str, Any]:
        """A pool or provider, deleted ones too. Raises: NotFound."""
        row = self._rows.find(self._name(name))
        if row is None:
            raise exceptions.NotFound(f"{name} is not found.")
        return _plain(row)

    def check(self, name: str) -> None:
        """Raises: NotFound where it is not there; FailedPrecondition where it is deleted."""
        self._live(name)

    def remember(self, principal: str, sets: list[str]) -> None:
        """Which sets (principalSet://...) a federated identity is in, as its last token said."""
        if self.members(principal) != {principal, *sets}:
            self._keep({"name": principal, "sets": sets}, parent="principals")
            self._context.access.changed()

    def members(self, principal: str) -> frozenset[str]:
        """Itself, and its sets."""
        row = self._rows.find(principal)
        return frozenset({principal, *(_plain(row)["sets"] if row is not None else ())})

    def _live(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        if found["state"] != "ACTIVE":
            raise exceptions.FailedPrecondition(f"{name} is deleted: undelete it first.")
        return found

    def _mark(self, given: str, verb: str, state: str) -> dict[str, Any]:
        name = self._name(given)
        self._require(verb, name, provider="/providers/" in name)
        found = self.find(name)
        if found["state"] == state:
            raise exceptions.FailedPrecondition(f"{given} is {state} already.")
        found["state"] = state
        self._keep(found)
        return self._done(found)

    def _keep(self, made: Mapping[str, Any], parent: str | None = None) -> None:
        row = struct_pb2.Struct()
        row.update(dict(made))
        above = made["name"].rsplit("/", 2)[0] if parent is None else parent
        self._rows.put(made["name"], row, parent=above)

    def _name(self, name: str) -> str:
        parts = name.split("/")
        parts[1] = self._projects(parts[1])
        return "/".join(parts)

    def _require(self, verb: str, resource: str, *, provider: bool) -> None:
        kind = "workloadIdentityPoolProviders" if provider else "workloadIdentityPools"
        project = "/".join(resource.split("/")[:2])
        self._context.access.require(f"iam.{kind}.{verb}", project)

    def _done(self, made: Mapping[str, Any]) -> dict[str, Any]:
        response, metadata = struct_pb2.Struct(), struct_pb2.Struct()
        response.update(_shown(made))
        parent = _shown(made)["name"]
        name = f"{parent}/operations/{secrets.token_hex(12)}"
        self._context.operations.finished(name=name, metadata=metadata, response=response)
        kind = _TYPE + ("Provider" if "/providers/" in parent else "")
        return {"name": name, "done": True, "response": {"@type": kind, **_shown(made)}}


def _settings(body: Mapping[str, Any], *, provider: bool) -> dict[str, Any]:
    """Without what only the service sets. Raises: InvalidArgument for a field that there isn't."""
    allowed = _OF_PROVIDER if provider else _OF_POOL
    for key, value in body.items():
        if key not in (*allowed, *_OWN):
            raise exceptions.InvalidArgument(f"Invalid JSON payload received. Unknown name {key!r}.")
        if key in (*_KINDS, "attributeMapping") and not isinstance(value, dict):
            raise invalid(key, "an object is expected.")
    return {key: value for key, value in body.items() if key not in _OWN}


def _check_provider(body: Mapping[str, Any]) -> None:
    """Raises: InvalidArgument for settings by which no token could be exchanged."""
    kinds = [kind for kind in _KINDS if kind in body]
    if len(kinds) != 1:
        raise invalid("provider", "one of oidc, aws, saml and x509 is required.")
    condition = str(body.get("attributeCondition", ""))
    written = {"attributeCondition": condition or "true", **body.get("attributeMapping", {})}
    for field, expression in written.items():
        if not is_well_formed(str(expression)):
            raise invalid(field, f"{expression!r} does not compile.")
    if kinds == ["oidc"]:
        if body["oidc"].get("issuerUri") == _GITHUB and "assertion." not in condition:
            raise invalid(
                "attributeCondition", "must reference one of the provider's claims: all of GitHub has this issuer."
            )
        if not str(body["oidc"].get("issuerUri", "")).startswith("https://"):
            raise invalid("oidc.issuerUri", "an https:// address is required.")
        if "google.subject" not in body.get("attributeMapping", {}):
            raise invalid("attributeMapping", "google.subject has to be mapped: google.subject=assertion.sub.")
        if body["oidc"].get("jwksJson"):
            keys_of(body["oidc"]["jwksJson"])


def keys_of(text: str) -> list[dict[str, Any]]:
    """The keys of a JSON Web Key Set. Raises: InvalidArgument for what is none."""
    try:
        keys = json.loads(text)["keys"]
        return [dict(key) for key in keys]
    except (ValueError, KeyError, TypeError) as error:
        raise invalid("oidc.jwksJson", f"no JSON Web Key Set: {error!r}.") from None


def _plain(row: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(row))


def _shown(stored: Mapping[str, Any]) -> dict[str, Any]:
    """With the project's number in the name, as the cloud shows it."""
    parts = stored["name"].split("/")
    parts[1] = str(project_number(parts[1]))
    return {**stored, "name": "/".join(parts)}


def _camel(path: str) -> str:
    head, *rest = path.split("_")
    return head + "".join(part.capitalize() for part in rest)

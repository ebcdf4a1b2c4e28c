"""IAM policies of a set-up's resources, read and changed in one form, whichever API keeps them.

A binding is (role, member). A change is read, made and written with the policy's etag, and repeated where somebody else
was quicker.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from gcpmlops._project.commands import member_of
from gcpmlops.exceptions import FailedPrecondition

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

Binding = tuple[str, str]
_ATTEMPTS = 6
_DATASET_ROLES = {  # the names under which the API keeps them
    "roles/bigquery.dataViewer": "READER",
    "roles/bigquery.dataEditor": "WRITER",
    "roles/bigquery.dataOwner": "OWNER",
}
_PREDEFINED = {legacy: role for role, legacy in _DATASET_ROLES.items()}


class Policies:
    """Of the resources of one project; raises google.api_core exceptions."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, resource: str) -> set[Binding]:
        """The bindings; those with a condition are not among them: they do not hold always."""
        return self._bindings(resource, self._get(resource))

    def change(self, resource: str, *, add: Collection[Binding] = (), remove: Collection[Binding] = ()) -> None:
        """Bindings added and removed, in one write; other bindings stay as they are.

        Raises FailedPrecondition where the policy went on changing meanwhile.
        """
        from google.api_core import exceptions as theirs

        for _ in range(_ATTEMPTS):
            policy = self._get(resource)
            self._apply(resource, policy, add, remove)
            try:
                self._set(resource, policy)
            except (theirs.Aborted, theirs.Conflict, theirs.PreconditionFailed):
                continue  # somebody else's change came first: on top of theirs
            return
        raise FailedPrecondition(
            f"the policy of {resource} keeps changing", resource=resource, next_step="Run the command again."
        )

    def _get(self, resource: str) -> Any:
        if resource.startswith("gs://"):
            return self._bucket(resource).get_iam_policy(requested_policy_version=3, **self._clients.idempotent)
        if _is_dataset(resource):
            return self._clients.bigquery.get_dataset(resource, **self._clients.idempotent)
        request: dict[str, Any] = {"resource": resource, "options": {"requested_policy_version": 3}}
        return self._policy_client(resource).get_iam_policy(request=request, **self._clients.idempotent)

    def _set(self, resource: str, policy: Any) -> None:
        if resource.startswith("gs://"):
            policy.version = 3
            self._bucket(resource).set_iam_policy(policy, **self._clients.once)
        elif _is_dataset(resource):
            self._clients.bigquery.update_dataset(policy, ["access_entries"], **self._clients.once)
        else:
            request = {"resource": resource, "policy": policy}
            self._policy_client(resource).set_iam_policy(request=request, **self._clients.once)

    def _policy_client(self, resource: str) -> Any:
        if "/serviceAccounts/" in resource:
            return self._clients.iam
        return self._clients.artifact_registry if "/repositories/" in resource else self._clients.projects

    def _bucket(self, resource: str) -> Any:
        return self._clients.storage.bucket(resource.removeprefix("gs://"))

    def _bindings(self, resource: str, policy: Any) -> set[Binding]:
        if _is_dataset(resource):
            return {binding for entry in policy.access_entries if (binding := _of_entry(entry))}
        return {
            (_field(found, "role"), member)
            for found in policy.bindings
            if not _field(found, "condition")
            for member in _field(found, "members")
        }

    def _apply(self, resource: str, policy: Any, add: Collection[Binding], remove: Collection[Binding]) -> None:
        if _is_dataset(resource):
            kept = [entry for entry in policy.access_entries if _of_entry(entry) not in remove]
            present = {_of_entry(entry) for entry in kept}
            policy.access_entries = [*kept, *(_entry(*binding) for binding in add if binding not in present)]
        elif resource.startswith("gs://"):
            _apply_json(policy, add, remove)
        else:
            _apply_proto(policy, add, remove)


def _is_dataset(resource: str) -> bool:
    return "/" not in resource


def _field(binding: Any, name: str) -> Any:
    if isinstance(binding, dict):
        return binding.get(name)
    if name == "condition":
        return binding.condition.expression
    return getattr(binding, name)


def _apply_json(policy: Any, add: Collection[Binding], remove: Collection[Binding]) -> None:
    """Storage's: a list of dicts."""
    for role, member in remove:
        for binding in policy.bindings:
            if binding["role"] == role and not binding.get("condition"):
                binding["members"] = set(binding["members"]) - {member}
    for role, member in add:
        found = next((b for b in policy.bindings if b["role"] == role and not b.get("condition")), None)
        if found is None:
            policy.bindings.append({"role": role, "members": {member}})
        else:
            found["members"] = {*found["members"], member}
    policy.bindings = [binding for binding in policy.bindings if binding["members"]]


def _apply_proto(policy: Any, add: Collection[Binding], remove: Collection[Binding]) -> None:
    """google.iam.v1.Policy."""
    for role, member in remove:
        found = _unconditional(policy, role)
        if found is not None and member in found.members:
            found.members.remove(member)
    for role, member in add:
        found = _unconditional(policy, role)
        if found is None:
            policy.bindings.add(role=role, members=[member])
        elif member not in found.members:
            found.members.append(member)
    kept = [binding for binding in policy.bindings if binding.members]
    del policy.bindings[:]
    policy.bindings.extend(kept)


def _unconditional(policy: Any, role: str) -> Any:
    """The role's binding that holds always; None where there is none."""
    return next((b for b in policy.bindings if b.role == role and not b.condition.expression), None)


def _of_entry(entry: Any) -> Binding | None:
    """A dataset's access entry as a binding; None for views, special groups and the like."""
    role = _PREDEFINED.get(entry.role, entry.role)
    if not role:
        return None
    if entry.entity_type == "iamMember":
        return role, str(entry.entity_id)
    if entry.entity_type in ("userByEmail", "groupByEmail"):
        is_group = entry.entity_type == "groupByEmail"
        return role, f"group:{entry.entity_id}" if is_group else member_of(str(entry.entity_id))
    return None


def _entry(role: str, member: str) -> Any:
    from google.cloud import bigquery

    kind, _, email = member.partition(":")
    entity = "groupByEmail" if kind == "group" else "userByEmail"
    return bigquery.AccessEntry(role=_DATASET_ROLES.get(role, role), entity_type=entity, entity_id=email)

"""Who has which role on a resource: its own policy and those of what it stands in, in one form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.iam.v1 import policy_pb2

from gcpmlops.emulator.kernel.service import ResourceStore

_DATASET_ROLES = {
    "READER": "roles/bigquery.dataViewer",
    "WRITER": "roles/bigquery.dataEditor",
    "OWNER": "roles/bigquery.dataOwner",
}
_GROUPS = {"projectOwners": "projectOwner", "projectWriters": "projectEditor", "projectReaders": "projectViewer"}


class Binding(NamedTuple):
    """A role of a member; ``condition`` is CEL, mostly empty."""

    role: str
    member: str
    condition: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """Policies that other stores keep.

    Attributes:
        bucket: a bucket's project and its policy's JSON bindings; None where it isn't there.
        dataset: a dataset's access entries (JSON); None where it isn't there.
    """

    bucket: Callable[[str], tuple[str, Sequence[Mapping[str, Any]]] | None]
    dataset: Callable[[str, str], Sequence[Mapping[str, Any]] | None]


class Bindings:
    """Reads them; ``owner`` is the account that owns every project."""

    def __init__(self, store: ResourceStore, elsewhere: Elsewhere, *, owner: str) -> None:
        self._policies = store.collection(policy_pb2.Policy)
        self._elsewhere = elsewhere
        self._owner = owner
        self._known: dict[str, tuple[Binding, ...]] = {}

    def forget(self) -> None:
        """Something changed: all is read again."""
        self._known = {}

    def of(self, resource: str) -> Iterator[Binding]:
        """Of ``projects/P/...``, ``buckets/B[/objects/O]`` and ``projects/P/datasets/D[/tables/T]``."""
        if resource.startswith("buckets/"):
            bucket = resource.split("/")[1]
            yield from self._once(f"buckets/{bucket}", lambda: self._of_bucket(bucket))
            return
        parts = resource.split("/")
        if len(parts) >= 4 and parts[2] == "datasets":
            _, project, _, dataset = parts[:4]
            yield from self._once("/".join(parts[:4]), lambda: self._of_dataset(project, dataset))
            parts = parts[:2]
        for end in range(len(parts), 0, -2):
            yield from self._stored("/".join(parts[:end]))  # the store keeps what was read
        yield Binding("roles/owner", f"serviceAccount:{self._owner}")

    def on_project(self, project: str) -> Iterator[Binding]:
        """Of a project alone."""
        yield from self.of(f"projects/{project}")

    def _once(self, name: str, read: Callable[[], Iterator[Binding]]) -> tuple[Binding, ...]:
        known = self._known  # what is read now must not stay in what takes its place meanwhile
        if name not in known:
            known[name] = tuple(read())
        return known[name]

    def _stored(self, name: str) -> Iterator[Binding]:
        policy = self._policies.find(name)
        for binding in policy.bindings if policy is not None else ():
            for member in binding.members:
                yield Binding(binding.role, member, binding.condition.expression)

    def _of_bucket(self, bucket: str) -> Iterator[Binding]:
        found = self._elsewhere.bucket(bucket)
        if found is None:
            yield Binding("roles/owner", "allAuthenticatedUsers")  # it is in nobody's project: 404 for all
            return
        project, bindings = found
        for binding in bindings:
            condition = (binding.get("condition") or {}).get("expression", "")
            for member in binding.get("members", ()):
                yield Binding(binding["role"], member, condition)
        yield from self.on_project(project)

    def _of_dataset(self, project: str, dataset: str) -> Iterator[Binding]:
        for entry in self._elsewhere.dataset(project, dataset) or ():
            role = _DATASET_ROLES.get(entry.get("role", ""), entry.get("role", ""))
            if member := _entity(entry, project):
                yield Binding(role, member)


def _entity(entry: Mapping[str, Any], project: str) -> str:
    if "userByEmail" in entry:
        email = str(entry["userByEmail"])
        return f"{'serviceAccount' if email.endswith('gserviceaccount.com') else 'user'}:{email}"
    if "iamMember" in entry:
        return str(entry["iamMember"])
    group = str(entry.get("specialGroup", ""))
    return f"{_GROUPS[group]}:{project}" if group in _GROUPS else group


def full_name(resource: str) -> str:
    """`projects/-/serviceAccounts/EMAIL` has its project in the address."""
    prefix = "projects/-/serviceAccounts/"
    if not resource.startswith(prefix):
        return resource
    email = resource.removeprefix(prefix)
    domain = email.partition("@")[2]
    return f"projects/{domain.partition('.')[0]}/serviceAccounts/{email}" if ".iam." in domain else resource

"""IAM policies of projects: who made one owns it, and Google's service agents have their roles."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any

from google.cloud.resourcemanager_v3 import types
from google.iam.v1 import iam_policy_pb2, policy_pb2

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services import service_agents
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.projects import Projects, caller_member

_OWNER = "roles/owner"
_PUBLIC = {"allUsers", "allAuthenticatedUsers"}


class ProjectPolicies(Policies):
    """The IAM methods of google.cloud.resourcemanager.v3.Projects.

    A project has its policy from the start: of its owner and, where every API is enabled, of all service agents.
    """

    proto = "google.cloud.resourcemanager.v3.Projects"

    def __init__(self, context: Context, projects: Projects, *, owner: str) -> None:
        super().__init__(context, _checked(projects), permissions="")
        self._projects = projects
        self._owner = f"serviceAccount:{owner}"

    def get_iam_policy(self, request: iam_policy_pb2.GetIamPolicyRequest) -> policy_pb2.Policy:
        request.resource = self._by_id(request.resource)
        self.ensure(request.resource.removeprefix("projects/"))
        return super().get_iam_policy(request)

    def set_iam_policy(self, request: iam_policy_pb2.SetIamPolicyRequest) -> policy_pb2.Policy:
        """Raises: InvalidArgument for everybody in a binding: a project takes no public ones."""
        request.resource = self._by_id(request.resource)
        members = {member for binding in request.policy.bindings for member in binding.members}
        for public in sorted(members & _PUBLIC):
            raise invalid("policy.bindings.members", f"a project's policy does not take {public}.")
        return super().set_iam_policy(request)

    def test_iam_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        request.resource = self._by_id(request.resource)
        return super().test_iam_permissions(request)

    def created(self, project: types.Project) -> None:
        """Who makes a project owns it."""
        self.ensure(project.project_id, {_OWNER: [caller_member() or self._owner]})

    def ensure(self, project_id: str, more: dict[str, list[str]] | None = None) -> None:
        """The policy that a project has from the start, unless it has one."""
        name = f"projects/{project_id}"
        with self.locks(name):
            if self._stored.find(name) is None:
                agents = service_agents.bindings(project_id) if self.settings.enable_all else ()
                wanted = [(_OWNER, self._owner), *agents]
                wanted += [(role, member) for role, members in (more or {}).items() for member in members]
                self._stored.put(name, _with(policy_pb2.Policy(version=1), wanted), parent="")
                self.access.changed()

    def grant(self, project_id: str, wanted: Iterable[tuple[str, str]]) -> None:
        """Adds roles to members, as an API does when it is enabled."""
        self.ensure(project_id)
        pairs = list(wanted)
        if not pairs:
            return
        with self.locks(f"projects/{project_id}"):
            self._stored.update(f"projects/{project_id}", lambda policy: _with(policy, pairs))
        self.access.changed()

    def _by_id(self, resource: str) -> str:
        return f"projects/{self._projects.id_of(resource.removeprefix('projects/'))}"


def _checked(projects: Projects) -> Callable[[str], object]:
    return lambda name: projects.get(name.removeprefix("projects/"))


def _with(policy: Any, wanted: Iterable[tuple[str, str]]) -> Any:
    """The etag is another only where something is new."""
    before = policy.SerializeToString()
    for role, member in wanted:
        binding = next((each for each in policy.bindings if each.role == role and not each.HasField("condition")), None)
        if binding is None:
            binding = policy.bindings.add(role=role)
        if member not in binding.members:
            binding.members.append(member)
    if policy.SerializeToString() != before:
        policy.etag = secrets.token_bytes(8)
    return policy

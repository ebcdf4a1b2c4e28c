"""google.iam.admin.v1.IAM: predefined roles, a project's own ones, which permissions there are, conditions' form."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable

from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types

from gcpmlops.emulator.kernel import masks, paging
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.access.predefined import PREDEFINED
from gcpmlops.emulator.services.access.roles import ROLES, permissions
from gcpmlops.emulator.services.iam_admin.expressions import is_well_formed
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)

_ID = re.compile(r"[a-zA-Z0-9_.]{3,64}")
_PREDEFINED_NAME = re.compile(r"roles/[A-Za-z][\w.]*")
_PERMISSION = re.compile(r"[a-z][\w-]*(\.\w+){2,}")
_MOST = 300  # roles of a project
_FULL = types.RoleView.FULL
_RESOURCE = re.compile(r"//(?P<api>[a-z]+)\.googleapis\.com/(?:v\d+/)?(?P<name>.+)")
_IMMUTABLE = ("name", "etag", "deleted")


class Roles(Service):
    """Predefined ones cannot be changed; a project's own that is deleted gives nothing, and can come back.

    Args:
        projects: a project's id by id or number; raises where there is none.
    """

    proto = "google.iam.admin.v1.IAM"

    def __init__(self, context: Context, projects: Callable[[str], str]) -> None:
        super().__init__(context)
        self._projects = projects
        self._rows = context.store.collection(types.Role)

    def list_roles(self, request: types.ListRolesRequest) -> types.ListRolesResponse:
        """Without a parent the predefined ones; permissions only in the view FULL."""
        found = self._own(request.parent) if request.parent else [_predefined(name, request.view) for name in ROLES]
        chosen = [role for role in found if request.show_deleted or not role.deleted]
        page, token = paging.page(chosen, request, default=300)
        return types.ListRolesResponse(roles=[_viewed(role, request.view) for role in page], next_page_token=token)

    def get_role(self, request: types.GetRoleRequest) -> types.Role:
        """With all its permissions."""
        if not request.name.startswith("roles/"):
            return self._get(request.name)
        if request.name not in ROLES:
            raise exceptions.NotFound(f"The role named {request.name} was not found.")
        return _predefined(request.name, _FULL)

    def create_role(self, request: types.CreateRoleRequest) -> types.Role:
        """Raises: InvalidArgument for an id or permissions that are not allowed; AlreadyExists."""
        if not _ID.fullmatch(request.role_id):
            rule = "3 to 64 letters, digits, underscores and periods"
            raise invalid("role_id", f"{request.role_id!r} is not allowed: {rule}.")
        parent = self._parent(request.parent)
        _check(request.role)
        if len(self._rows.list(parent)) >= _MOST:
            raise exceptions.ResourceExhausted(f"{parent} has {_MOST} roles, which is the most.")
        role = types.Role(request.role)
        role.name, role.deleted, role.etag = f"{parent}/roles/{request.role_id}", False, _etag()
        try:
            self._rows.insert(role.name, role, parent=parent)
        except exceptions.AlreadyExists:
            raise exceptions.AlreadyExists(f"A role named {request.role_id} in {parent} already exists.") from None
        return self._changed(role)

    def update_role(self, request: types.UpdateRoleRequest) -> types.Role:
        """Raises: InvalidArgument for a predefined one; FailedPrecondition for a deleted one; Aborted."""
        name = self._get(request.name).name
        _check(request.role)
        given = [path for path in masks.snake(request.update_mask).paths if path != "etag"]
        mask = type(request.update_mask)(paths=given) if request.update_mask.paths else None

        def change(stored: types.Role) -> None:
            _check_etag(stored, request.role.etag)
            if stored.deleted:
                raise exceptions.FailedPrecondition(f"The role {stored.name} is deleted: undelete it first.")
            masks.apply(mask, stored, request.role, immutable=_IMMUTABLE)
            stored.etag = _etag()

        return self._changed(self._rows.update(name, change))

    def delete_role(self, request: types.DeleteRoleRequest) -> types.Role:
        """It gives nothing any more. Raises: FailedPrecondition for one that is deleted already; Aborted."""
        return self._mark(request.name, request.etag, deleted=True)

    def undelete_role(self, request: types.UndeleteRoleRequest) -> types.Role:
        """Raises: FailedPrecondition for one that is not deleted; Aborted."""
        return self._mark(request.name, request.etag, deleted=False)

    def query_grantable_roles(self, request: types.QueryGrantableRolesRequest) -> types.QueryGrantableRolesResponse:
        """Those that hold a permission of the resource's API; of a project all of them."""
        api = _api(request.full_resource_name)
        found = [_predefined(name, request.view) for name in ROLES if not api or name.startswith(f"roles/{api}.")]
        own = [role for role in self._rows.list() if not role.deleted]
        page, token = paging.page([*found, *own], request, default=300)
        return types.QueryGrantableRolesResponse(roles=page, next_page_token=token)

    def query_testable_permissions(
        self, request: types.QueryTestablePermissionsRequest
    ) -> types.QueryTestablePermissionsResponse:
        """Those that this emulator asks for, of the resource's API; of a project all of them."""
        api = _api(request.full_resource_name)
        chosen = [name for name in permissions() if not api or name.startswith(f"{api}.")]
        page, token = paging.page(chosen, request, default=100)
        return types.QueryTestablePermissionsResponse(
            permissions=[types.Permission(name=name, stage="GA") for name in page], next_page_token=token
        )

    def lint_policy(self, request: types.LintPolicyRequest) -> types.LintPolicyResponse:
        """Whether a condition compiles; nothing else is looked at."""
        expression = request.condition.expression
        found = [] if is_well_formed(expression) else [_lint(f"{expression!r} does not compile.")]
        return types.LintPolicyResponse(lint_results=found)

    def check_bound(self, role: str, resource: str) -> None:
        """Raises: InvalidArgument for one that no policy of the resource takes."""
        if not role.startswith(("projects/", "organizations/")):
            _check_spelling(role)
            return
        found: types.Role | None = self._rows.find(role)
        project = role.split("/")[1]
        near = (project, str(project_number(project)), "_", "-") if resource.startswith("projects/") else ()
        if found is None or found.deleted or (near and resource.split("/")[1] not in near):
            raise exceptions.InvalidArgument(f"Role ({role}) does not exist in the resource's hierarchy.")

    def _mark(self, name: str, etag: bytes, *, deleted: bool) -> types.Role:
        def change(stored: types.Role) -> None:
            _check_etag(stored, etag)
            if stored.deleted == deleted:
                raise exceptions.FailedPrecondition(f"The role {name} is {'' if deleted else 'not '}deleted.")
            stored.deleted, stored.etag = deleted, _etag()

        return self._changed(self._rows.update(self._get(name).name, change))

    def _changed(self, role: types.Role) -> types.Role:
        self.access.changed()
        return role

    def _get(self, name: str) -> types.Role:
        if name.startswith("roles/"):
            raise exceptions.InvalidArgument(f"{name} is a predefined role: it cannot be changed.")
        given = parse("projects/{project}/roles/{role}", name)
        found: types.Role | None = self._rows.find(f"projects/{self._projects(given['project'])}/roles/{given['role']}")
        if found is None:
            raise exceptions.NotFound(f"The role named {name} was not found.")
        return found

    def _own(self, parent: str) -> list[types.Role]:
        found: list[types.Role] = self._rows.list(self._parent(parent))
        return found

    def _parent(self, parent: str) -> str:
        if parent.startswith("organizations/"):
            raise exceptions.MethodNotImplemented("Roles of organisations are not built in this emulator.")
        return f"projects/{self._projects(parse('projects/{project}', parent)['project'])}"


def _lint(message: str) -> types.LintResult:
    return types.LintResult(
        level=types.LintResult.Level.CONDITION,
        validation_unit_name="LintValidationUnits/ConditionCompileCheck",
        severity=types.LintResult.Severity.ERROR,
        field_name="condition.expression",
        debug_message=message,
    )


def _check_spelling(role: str) -> None:
    """Raises: InvalidArgument for a role that is known in other letters; who knows all of Google's roles?"""
    meant = next((known for known in ROLES if known.lower() == role.lower()), role)
    if not _PREDEFINED_NAME.fullmatch(role) or meant != role:
        hint = f" Is {meant} meant?" if meant != role else ""
        raise exceptions.InvalidArgument(f"Role {role} is not supported for this resource.{hint}")
    if role not in ROLES:
        log.warning("the role %s is not known here: it is kept, and gives nothing", role)


def _predefined(name: str, view: int) -> types.Role:
    title, _ = PREDEFINED[name.removeprefix("roles/")]
    granted = sorted(ROLES[name].permissions) if view == _FULL else []
    return types.Role(name=name, title=title, stage="GA", included_permissions=granted, etag=b"\x00")


def _viewed(role: types.Role, view: int) -> types.Role:
    if view == _FULL:
        return role
    shown = types.Role(role)
    shown.included_permissions = []
    return shown


def _check(role: types.Role) -> None:
    """Raises: InvalidArgument for texts that are too long, or a permission that its API doesn't ask for.

    Those of an API that is not emulated are taken as they are, and give nothing.
    """
    if len(role.title) > 100 or len(role.description) > 300:
        raise invalid("role", "a title has 100 characters at most, a description 300.")
    known = set(permissions())
    emulated = {name.partition(".")[0] for name in known}
    for name in role.included_permissions:
        if name not in known and (name.partition(".")[0] in emulated or not _PERMISSION.fullmatch(name)):
            raise invalid("role.included_permissions", f"Permission {name} is not valid.")


def _check_etag(stored: types.Role, etag: bytes) -> None:
    if etag and etag != stored.etag:
        raise exceptions.Aborted(f"The role {stored.name} has another etag: it was changed since; read it again.")


def _api(full_resource_name: str) -> str:
    """What the permissions of a resource begin with; empty for a project, where all are."""
    found = _RESOURCE.fullmatch(full_resource_name)
    if found is None:
        raise exceptions.InvalidArgument(f"{full_resource_name!r} is no //SERVICE.googleapis.com/RESOURCE.")
    return "" if found["api"] == "cloudresourcemanager" else found["api"]


def _etag() -> bytes:
    return secrets.token_bytes(6)

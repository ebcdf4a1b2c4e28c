"""google.cloud.resourcemanager.v3.Projects: made, found, changed, deleted and brought back."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.resourcemanager_v3 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel import masks, paging, validate
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.project_parents import none_such
from gcpmlops.emulator.services.project_query import matches
from gcpmlops.emulator.settings import project_number

_ID = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_NAME = re.compile(r"[\w '!\"-]{4,30}")
_RESERVED = ("google", "null", "ssl", "undefined")  # no id may hold them
_ACTIVE = types.Project.State(1)
_DELETED = types.Project.State(2)  # DELETE_REQUESTED
_KEPT = timedelta(days=30)


class Projects(Service):
    """By number, as the cloud names them: ``projects/NUMBER``; ids are taken once and for all.

    The emulator's own project is there from the start. With every API enabled (the default) a project comes into being
    when it is first asked for by its id; otherwise it has to be created.

    Args:
        created: is told of each project that somebody creates.
    """

    proto = "google.cloud.resourcemanager.v3.Projects"

    def __init__(self, context: Context, created: Callable[[types.Project], None] = lambda _: None) -> None:
        super().__init__(context)
        self._rows = context.store.collection(types.Project)
        self._created = created

    def get_project(self, request: types.GetProjectRequest) -> types.Project:
        """By ``projects/ID`` or ``projects/NUMBER``."""
        return self.get(request.name.removeprefix("projects/"))

    def list_projects(self, request: types.ListProjectsRequest) -> types.ListProjectsResponse:
        """Those below one organisation or folder: here there is none of either."""
        if not re.fullmatch(r"(organizations|folders)/\d+", request.parent):
            raise exceptions.InvalidArgument(f"parent {request.parent!r} is no organizations/NUMBER or folders/NUMBER.")
        return types.ListProjectsResponse()

    def search_projects(self, request: types.SearchProjectsRequest) -> types.SearchProjectsResponse:
        """Those that the caller may see, by a query such as ``state:ACTIVE labels.env:prod``."""
        may = [project for project in self.all() if self._is_shown(project)]
        chosen = [project for project in may if matches(request.query, project)]
        page, token = paging.page(chosen, request)
        return types.SearchProjectsResponse(projects=page, next_page_token=token)

    def create_project(self, request: types.CreateProjectRequest) -> operations_pb2.Operation:
        """Raises: InvalidArgument for an id that is not allowed; AlreadyExists for one that was ever taken."""
        wanted = request.project
        if wanted.parent:
            raise none_such(wanted.parent)
        project_id = wanted.project_id or _new_id(wanted.display_name)
        _check_id(project_id)
        _check(wanted, name=wanted.display_name or project_id)
        made = self._insert(project_id, wanted)
        self._created(made)
        metadata = types.CreateProjectMetadata(create_time=made.create_time, gettable=True, ready=True)
        return self._done("cp", metadata, made)

    def update_project(self, request: types.UpdateProjectRequest) -> operations_pb2.Operation:
        """Display name and labels. Raises: InvalidArgument for others; Aborted for a stale etag."""
        number = self.get(request.project.name.removeprefix("projects/")).name
        wanted = request.project
        _check(wanted, name=wanted.display_name)

        def change(stored: types.Project) -> None:
            _check_active(stored)
            if wanted.etag and wanted.etag != stored.etag:
                raise exceptions.Aborted(f"{stored.name} has another etag: it was changed since; read it again.")
            frozen = ("name", "project_id", "state", "parent", "create_time", "update_time", "delete_time", "etag")
            masks.apply(request.update_mask, stored, wanted, immutable=frozen)
            self._stamp(stored)

        return self._done("up", types.UpdateProjectMetadata(), self._rows.update(number, change))

    def delete_project(self, request: types.DeleteProjectRequest) -> operations_pb2.Operation:
        """To be deleted in 30 days; one that is already stays so. Raises: FailedPrecondition for the emulator's own."""
        project = self.get(request.name.removeprefix("projects/"))
        if project.project_id == self.settings.project:
            raise exceptions.FailedPrecondition(f"{project.project_id} is the emulator's own project.")

        def change(stored: types.Project) -> None:
            if stored.state == _DELETED:
                return
            stored.state, stored.delete_time = _DELETED, self.clock.now() + _KEPT
            self._stamp(stored)

        return self._done("dp", types.DeleteProjectMetadata(), self._rows.update(project.name, change))

    def undelete_project(self, request: types.UndeleteProjectRequest) -> operations_pb2.Operation:
        """Raises: FailedPrecondition for one that is not deleted."""
        project = self.get(request.name.removeprefix("projects/"))

        def change(stored: types.Project) -> None:
            if stored.state != _DELETED:
                raise exceptions.FailedPrecondition(f"Project {stored.project_id} is not deleted.")
            stored.state = _ACTIVE
            del stored.delete_time
            self._stamp(stored)

        return self._done("ud", types.UndeleteProjectMetadata(), self._rows.update(project.name, change))

    def all(self) -> list[types.Project]:
        """The emulator's own, and all that were made, in that order."""
        own = self.get(self.settings.project)
        return [own, *(project for project in self._rows.list() if project.name != own.name)]

    def get(self, given: str) -> types.Project:
        """By id or number.

        Raises: InvalidArgument for what can be neither; NotFound for a number that is of none; PermissionDenied for an
        id that nobody has, where projects have to be created.
        """
        if not given.isdigit():
            _check_id(given)
        elif int(given) == self.settings.project_number:
            given = self.settings.project
        found: types.Project | None = self._rows.find(f"projects/{project_number(given)}")
        if found is not None:
            return found
        if given.isdigit():
            raise exceptions.NotFound(f"Project {given} is not found: ask for it by its id first.")
        if not self.settings.enable_all and given != self.settings.project:
            raise exceptions.PermissionDenied(
                f"The caller does not have permission: project {given!r} does not exist, or is another's."
            )
        return self._insert(given, types.Project())

    def id_of(self, given: str) -> str:
        """The id of the project that has the id or number. Raises as `get` does."""
        return str(self.get(given).project_id)

    def id_if_any(self, number: str) -> str:
        """The id of the project that has the number; empty where none has it."""
        found: types.Project | None = self._rows.find(f"projects/{number}")
        return str(found.project_id) if found is not None else ""

    def is_known(self, project_id: str) -> bool:
        """Whether it is here already; asking brings none into being."""
        if project_id == self.settings.project:
            return True
        return self._rows.find(f"projects/{project_number(project_id)}") is not None

    def is_active(self, given: str) -> bool:
        """Whether a project of that id or number is here, and not to be deleted."""
        if given in (self.settings.project, str(self.settings.project_number)):
            return True
        found: types.Project | None = self._rows.find(f"projects/{project_number(given)}")
        return found is not None and found.state == _ACTIVE

    def _is_shown(self, project: types.Project) -> bool:
        return self.access.allows("resourcemanager.projects.get", f"projects/{project.project_id}")

    def _insert(self, project_id: str, wanted: types.Project) -> types.Project:
        made = types.Project(
            name=f"projects/{project_number(project_id)}",
            project_id=project_id,
            display_name=wanted.display_name or project_id,
            labels=wanted.labels,
            state=_ACTIVE,
            create_time=self.clock.now(),
        )
        self._stamp(made)
        try:
            self._rows.insert(made.name, made, parent="")
        except exceptions.AlreadyExists:
            raise exceptions.AlreadyExists("Requested entity already exists: the project id is taken.") from None
        return made

    def _stamp(self, project: types.Project) -> None:
        project.update_time, project.etag = self.clock.now(), f'W/"{secrets.token_hex(8)}"'

    def _done(self, kind: str, metadata: Any, project: types.Project) -> operations_pb2.Operation:
        name = f"operations/{kind}.{secrets.randbelow(9 * 10**18) + 10**18}"
        return self.operations.finished(name=name, metadata=metadata, response=project)


def _check_id(project_id: str) -> None:
    reserved = next((word for word in _RESERVED if word in project_id), "")
    if reserved:
        raise exceptions.InvalidArgument(f"Project id {project_id!r} is not allowed: no id may hold {reserved!r}.")
    if not _ID.fullmatch(project_id):
        rule = "6 to 30 lower-case letters, digits and hyphens, a letter first, no hyphen last"
        raise exceptions.InvalidArgument(f"Project id {project_id!r} is not allowed: {rule}.")


def _check(project: types.Project, *, name: str) -> None:
    if name and not _NAME.fullmatch(name):
        rule = "4 to 30 letters, digits, spaces, hyphens, quotes and exclamation marks"
        raise validate.invalid("project.display_name", f"{name!r} is not allowed: {rule}.")
    validate.labels(project.labels, "project.labels")


def _check_active(project: types.Project) -> None:
    if project.state != _ACTIVE:
        raise exceptions.FailedPrecondition(
            f"Project {project.project_id} is not active but {types.Project.State(project.state).name}."
        )


def _new_id(display_name: str) -> str:
    """Made up where none is given: of the display name and something random."""
    stem = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).strip("-" + string.digits)[:20] or "project"
    return f"{stem}-{secrets.randbelow(9 * 10**5) + 10**5}"


def caller_member() -> str:
    """Who makes the current call, as policies name it; empty in background work."""
    email = current_call().caller.email
    return f"serviceAccount:{email}" if email else ""

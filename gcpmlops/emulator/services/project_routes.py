"""Resource Manager v1, which gcloud and older clients ask: the same projects in another form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.protobuf import json_format

from gcpmlops.emulator.kernel.gate import Needed, Unasked
from gcpmlops.emulator.kernel.registry import JsonRoute

if TYPE_CHECKING:
    from google.cloud.resourcemanager_v3 import types

    from gcpmlops.emulator.services.projects import Projects

_FIELDS = {"projectId": "projectId", "name": "displayName", "labels": "labels", "parent": "parent"}  # of v1: of v3
_OUTPUT = ("projectNumber", "lifecycleState", "createTime")
_QUERY = {"filter": "query", "pageSize": "pageSize", "pageToken": "pageToken"}
_OPERATION = "type.googleapis.com/google.cloudresourcemanager.v1.Project"


def routes(projects: Callable[[], Projects]) -> tuple[JsonRoute, ...]:
    """The routes; ``projects`` makes the service when one of them is called."""
    v1 = ProjectsV1(projects)
    return (
        JsonRoute("POST", "/v1/projects", v1.create, Needed("resourcemanager.projects.create", "")),
        JsonRoute("GET", "/v1/projects", v1.list, Unasked.FREE),
        JsonRoute("GET", "/v1/projects/{project}", v1.get, Unasked.WITHIN),
        JsonRoute("PUT", "/v1/projects/{project}", v1.update, Unasked.WITHIN),
        JsonRoute("DELETE", "/v1/projects/{project}", v1.delete, Unasked.WITHIN),
        JsonRoute("POST", "/v1/projects/{project}:undelete", v1.undelete, Unasked.WITHIN),
        JsonRoute("POST", "/v1/projects/{project}:getAncestry", v1.ancestry, Unasked.WITHIN),
        JsonRoute("POST", "/v1/organizations:search", lambda *_: {}, Unasked.FREE),
        JsonRoute("GET", "/v2/folders", lambda *_: {}, Unasked.FREE),
    )


class ProjectsV1:
    """Each method answers one call: path and query variables, body → JSON."""

    def __init__(self, projects: Callable[[], Projects]) -> None:
        self._projects = projects

    def create(self, _: Mapping[str, str], body: Any) -> dict[str, Any]:
        from google.cloud.resourcemanager_v3 import types

        request = types.CreateProjectRequest(project=_given(body))
        operation = self._projects().create_project(request)
        made = types.Project.deserialize(operation.response.value)
        return {"name": operation.name, "done": True, "response": {"@type": _OPERATION, **shown(made)}}

    def list(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        """What is to be deleted is among them."""
        from google.cloud.resourcemanager_v3 import types

        asked = {mine: variables[name] for name, mine in _QUERY.items() if name in variables}
        request = _parsed(asked, types.SearchProjectsRequest)
        found = self._projects().search_projects(request)
        answer: dict[str, Any] = {"projects": [shown(project) for project in found.projects]}
        return answer | ({"nextPageToken": found.next_page_token} if found.next_page_token else {})

    def get(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        return shown(self._allowed("get", variables))

    def update(self, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        """Name and labels, as a whole."""
        from google.cloud.resourcemanager_v3 import types
        from google.protobuf import field_mask_pb2

        project = _given(body)
        self._allowed("update", variables)
        project.name = f"projects/{variables['project']}"
        paths = ["labels", *(["display_name"] if project.display_name else [])]
        request = types.UpdateProjectRequest(project=project, update_mask=field_mask_pb2.FieldMask(paths=paths))
        self._projects().update_project(request)
        return self.get(variables, None)

    def delete(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        """Of an active one, where v3 takes any."""
        from google.cloud.resourcemanager_v3 import types

        if self._allowed("delete", variables).state.name != "ACTIVE":
            raise exceptions.FailedPrecondition("Cannot delete an inactive project.")
        self._projects().delete_project(types.DeleteProjectRequest(name=f"projects/{variables['project']}"))
        return {}

    def undelete(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        from google.cloud.resourcemanager_v3 import types

        self._allowed("undelete", variables)
        self._projects().undelete_project(types.UndeleteProjectRequest(name=f"projects/{variables['project']}"))
        return {}

    def ancestry(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        """The project alone: it stands in no folder and in no organisation."""
        project = self._allowed("get", variables)
        return {"ancestor": [{"resourceId": {"type": "project", "id": project.project_id}}]}

    def _allowed(self, verb: str, variables: Mapping[str, str]) -> types.Project:
        """The project, for who may do this to it: the gate does not know these calls. Raises PermissionDenied."""
        project = self._projects().get(variables["project"])
        self._projects().access.require(f"resourcemanager.projects.{verb}", f"projects/{project.project_id}")
        return project


def shown(project: types.Project) -> dict[str, Any]:
    """A project as v1 shows it."""
    made = project.create_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    answer: dict[str, Any] = {
        "projectNumber": project.name.removeprefix("projects/"),
        "projectId": project.project_id,
        "lifecycleState": project.state.name,
        "name": project.display_name,
        "createTime": made,
    }
    return answer | ({"labels": dict(project.labels)} if project.labels else {})


def _given(body: Any) -> types.Project:
    """What v1 says of a project, as v3 does. Raises: InvalidArgument for another field, or another type of value."""
    from google.cloud.resourcemanager_v3 import types

    given = {_FIELDS.get(name, name): value for name, value in (body or {}).items() if name not in _OUTPUT}
    unknown = given.keys() - set(_FIELDS.values())
    if unknown:
        raise exceptions.InvalidArgument(f"Invalid JSON payload received. Unknown name {min(unknown)!r}.")
    if "parent" in given:
        parent = given["parent"]
        if not isinstance(parent, dict):
            raise exceptions.InvalidArgument("Invalid JSON payload received: parent is an object of type and id.")
        given["parent"] = f"{parent.get('type')}s/{parent.get('id')}" if parent else ""
    project: types.Project = _parsed(given, types.Project)
    return project


def _parsed(given: dict[str, Any], kind: Any) -> Any:
    """Raises: InvalidArgument for a value of another type."""
    message = kind.pb()()
    try:
        json_format.ParseDict(given, message)
    except json_format.ParseError as error:
        raise exceptions.InvalidArgument(f"Invalid JSON payload received: {error}") from None
    return kind.wrap(message)

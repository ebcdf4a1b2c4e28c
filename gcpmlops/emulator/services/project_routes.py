"""Resource Manager v1, which gcloud and older clients ask: the same projects in another form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel.gate import Needed, Unasked
from gcpmlops.emulator.kernel.registry import JsonRoute

if TYPE_CHECKING:
    from google.cloud.resourcemanager_v3 import types

    from gcpmlops.emulator.services.projects import Projects

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

        given = _object(body)
        wanted = types.Project(
            project_id=given.get("projectId", ""), display_name=given.get("name", ""), labels=given.get("labels", {})
        )
        if given.get("parent"):
            wanted.parent = f"{given['parent'].get('type')}s/{given['parent'].get('id')}"
        operation = self._projects().create_project(types.CreateProjectRequest(project=wanted))
        made = types.Project.deserialize(operation.response.value)
        return {"name": operation.name, "done": True, "response": {"@type": _OPERATION, **shown(made)}}

    def list(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        """What is to be deleted is among them."""
        from google.cloud.resourcemanager_v3 import types

        request = types.SearchProjectsRequest(
            query=variables.get("filter", ""),
            page_size=int(variables.get("pageSize", "0")),
            page_token=variables.get("pageToken", ""),
        )
        found = self._projects().search_projects(request)
        answer: dict[str, Any] = {"projects": [shown(project) for project in found.projects]}
        return answer | ({"nextPageToken": found.next_page_token} if found.next_page_token else {})

    def get(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        return shown(self._allowed("get", variables))

    def update(self, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        """Name and labels, as a whole."""
        from google.cloud.resourcemanager_v3 import types
        from google.protobuf import field_mask_pb2

        given = _object(body)
        self._allowed("update", variables)
        project = types.Project(
            name=f"projects/{variables['project']}", display_name=given.get("name", ""), labels=given.get("labels", {})
        )
        paths = ["labels", *(["display_name"] if project.display_name else [])]
        request = types.UpdateProjectRequest(project=project, update_mask=field_mask_pb2.FieldMask(paths=paths))
        self._projects().update_project(request)
        return self.get(variables, None)

    def delete(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        from google.cloud.resourcemanager_v3 import types

        self._allowed("delete", variables)
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


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise exceptions.InvalidArgument("Invalid JSON payload received: the root must be an object.")
    return body

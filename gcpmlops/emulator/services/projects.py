"""google.cloud.resourcemanager.v3.Projects and its REST v1: every project id exists; a number finds the id it is of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud.resourcemanager_v3 import types

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.settings import project_number

_ID = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS projects (id TEXT PRIMARY KEY, number INTEGER UNIQUE NOT NULL, created TEXT NOT NULL);
"""


class Projects(Service):
    """Projects come into being when they are first asked for by id."""

    proto = "google.cloud.resourcemanager.v3.Projects"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.store.ensure_schema(_SCHEMA)

    def get_project(self, request: types.GetProjectRequest) -> types.Project:
        """By ``projects/ID`` or ``projects/NUMBER``."""
        given = request.name.removeprefix("projects/")
        project_id = self._by_number(int(given)) if given.isdigit() else self._ensure(given)
        return types.Project(
            name=f"projects/{project_number(project_id)}",
            project_id=project_id,
            display_name=project_id,
            state=types.Project.State.ACTIVE,
        )

    def get_v1(self, variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        """``GET /v1/projects/ID``: gcloud and older clients ask in this form."""
        project = self.get_project(types.GetProjectRequest(name=f"projects/{variables['project']}"))
        return {
            "projectId": project.project_id,
            "projectNumber": project.name.removeprefix("projects/"),
            "name": project.display_name,
            "lifecycleState": project.state.name,
        }

    def _ensure(self, project_id: str) -> str:
        if not _ID.fullmatch(project_id):
            rule = "6 to 30 lower-case letters, digits and hyphens, a letter first"
            raise exceptions.InvalidArgument(f"Project id {project_id!r} is not allowed: {rule}.")
        row = (project_id, project_number(project_id), self.clock.now().isoformat())
        self.store.write(lambda conn: conn.execute("INSERT OR IGNORE INTO projects VALUES (?, ?, ?)", row))
        return project_id

    def _by_number(self, number: int) -> str:
        if number == self.settings.project_number:
            return self._ensure(self.settings.project)
        sql = "SELECT id FROM projects WHERE number = ?"
        row = self.store.read(lambda conn: conn.execute(sql, (number,)).fetchone())
        if row is None:
            raise exceptions.NotFound(f"Project {number} is not found: ask for it by its id first.")
        return str(row[0])

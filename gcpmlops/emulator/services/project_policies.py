"""IAM policies of projects: kept and shown; here every caller owns the project whatever they say."""

from __future__ import annotations

from google.cloud.resourcemanager_v3 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.projects import Projects


class ProjectPolicies(Policies):
    """The IAM methods of google.cloud.resourcemanager.v3.Projects."""

    proto = "google.cloud.resourcemanager.v3.Projects"

    def __init__(self, context: Context, projects: Projects) -> None:
        def check(name: str) -> object:
            return projects.get_project(types.GetProjectRequest(name=name))

        super().__init__(context, check, permissions="")

"""Projects, their APIs, billing, and who may do what: Resource Manager, Service Usage, Cloud Billing, IAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services import iam_routes
from gcpmlops.emulator.services.catalog.functions import Functions
from gcpmlops.emulator.services.catalog.parts import made_once

if TYPE_CHECKING:
    from gcpmlops.emulator.services.iam import Policies
    from gcpmlops.emulator.services.projects import Projects


class Administration(Functions):
    """With projects and identities."""

    def _projects(self) -> Iterable[Service]:
        return (self._project_service, self._project_policies)

    def _project_routes(self) -> tuple[JsonRoute, ...]:
        return iam_routes.routes(lambda: self._project_policies, "/v1/{resource=projects/*}")

    @made_once
    def _project_policies(self) -> Policies:
        from gcpmlops.emulator.services.project_policies import ProjectPolicies

        return ProjectPolicies(self._context, self._project_service)

    def _get_project_v1(self, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._project_service.get_v1(variables, body)
        return answer

    @made_once
    def _project_service(self) -> Projects:
        from gcpmlops.emulator.services.projects import Projects

        return Projects(self._context)

    def _service_usage(self) -> Iterable[Service]:
        return ()

    def _billing(self) -> Iterable[Service]:
        return ()

    def _iam(self) -> Iterable[Service]:
        return ()

    def _iam_credentials(self) -> Iterable[Service]:
        return ()

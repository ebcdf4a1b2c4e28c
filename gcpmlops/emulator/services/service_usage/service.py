"""google.api.serviceusage.v1.ServiceUsage: APIs are enabled, disabled and listed, each in one project."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud.service_usage_v1 import types
from google.longrunning import operations_pb2
from google.rpc import error_details_pb2

from gcpmlops.emulator.kernel import paging
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services import service_agents
from gcpmlops.emulator.services.project_policies import ProjectPolicies
from gcpmlops.emulator.services.service_usage.enabled import EnabledApis
from gcpmlops.emulator.services.service_usage.known import ALWAYS, KNOWN, that_need, with_needs
from gcpmlops.emulator.settings import project_number

_AT_ONCE = 20  # APIs that a batch enables
_READ_AT_ONCE = 30
_STATE = re.compile(r"state[:=](ENABLED|DISABLED)")
_LINKING = "https://console.cloud.google.com/billing/linkedaccount?project={project}"
_CHECK = types.DisableServiceRequest.CheckIfServiceHasUsage.CHECK


class ServiceUsage(Service):
    """What is enabled takes effect at once.

    Args:
        projects: a project's id by id or number; raises where there is none.
        policies: where service agents get their roles.
        billed: tells whether a project has a billing account.
    """

    proto = "google.api.serviceusage.v1.ServiceUsage"

    def __init__(
        self, context: Context, enabled: EnabledApis, policies: ProjectPolicies, *,
        projects: Callable[[str], str], billed: Callable[[str], bool],
    ) -> None:  # fmt: skip
        super().__init__(context)
        self._enabled = enabled
        self._policies = policies
        self._projects = projects
        self._billed = billed

    def get_service(self, request: types.GetServiceRequest) -> types.Service:
        project, api = self._parsed(request.name)
        return self._service(project, api)

    def list_services(self, request: types.ListServicesRequest) -> types.ListServicesResponse:
        """Raises: InvalidArgument for another filter than state:ENABLED or state:DISABLED."""
        project = self._parent(request.parent)
        chosen = _filtered(request.filter, [self._service(project, api) for api in sorted(KNOWN)])
        page, token = paging.page(chosen, request, default=50, maximum=200)
        return types.ListServicesResponse(services=page, next_page_token=token)

    def batch_get_services(self, request: types.BatchGetServicesRequest) -> types.BatchGetServicesResponse:
        if not 0 < len(request.names) <= _READ_AT_ONCE:
            raise exceptions.InvalidArgument(f"names: {len(request.names)} given; 1 to {_READ_AT_ONCE} are allowed.")
        parsed = [self._parsed(name) for name in request.names]
        if request.parent and {project for project, _ in parsed} != {self._parent(request.parent)}:
            raise exceptions.InvalidArgument(f"names: all have to be below the parent, {request.parent}.")
        found = [self._service(project, api) for project, api in parsed]
        return types.BatchGetServicesResponse(services=found)

    def enable_service(self, request: types.EnableServiceRequest) -> operations_pb2.Operation:
        """Raises: FailedPrecondition where it needs billing and the project has none."""
        project, api = self._parsed(request.name)
        self._enable(project, [api])
        response = types.EnableServiceResponse(service=self._service(project, api))
        return self._done(project, [api], response)

    def batch_enable_services(self, request: types.BatchEnableServicesRequest) -> operations_pb2.Operation:
        """All or none. Raises: InvalidArgument for more than 20; as `enable_service` does."""
        project = self._parent(request.parent)
        if not 0 < len(request.service_ids) <= _AT_ONCE:
            count = len(request.service_ids)
            raise exceptions.InvalidArgument(f"service_ids: {count} given; 1 to {_AT_ONCE} are allowed in one call.")
        apis = [_known(api) for api in request.service_ids]
        self._enable(project, apis)
        response = types.BatchEnableServicesResponse(services=[self._service(project, api) for api in apis])
        return self._done(project, apis, response)

    def disable_service(self, request: types.DisableServiceRequest) -> operations_pb2.Operation:
        """Raises: FailedPrecondition for one that is not enabled, that others need, or that is used (where asked)."""
        project, api = self._parsed(request.name)
        enabled = self._enabled.of(project)
        if api not in enabled:
            raise exceptions.FailedPrecondition(f"The service {api} is not enabled in project {project}.")
        if api.removesuffix(".googleapis.com") in ALWAYS:
            raise exceptions.FailedPrecondition(f"The service {api} cannot be disabled: enabling others needs it.")
        dependents = sorted(name for name in that_need(api) if name in enabled)
        if dependents and not request.disable_dependent_services:
            raise _depended_on(project, api, dependents)
        names = [api, *dependents]
        used = [name for name in names if self._enabled.in_use(project, name)]
        if request.check_if_service_has_usage == _CHECK and used:
            raise _used(project, used)
        self._enabled.disable(project, names)
        return self._disabled(project, api)

    def identity(self, parent: str) -> tuple[str, str]:
        """Makes an API's service agent; returns its email and unique id (generateServiceIdentity).

        Raises: InvalidArgument for an API that has none.
        """
        project, api = self._parsed(parent)
        self.access.require("serviceusage.services.enable", f"projects/{project}")
        found = service_agents.emails(api, project)
        if not found:
            raise exceptions.InvalidArgument(f"{api} has no service agent.")
        self._policies.grant(project, service_agents.bindings(project, [api]))
        return found[0], str(10**20 + project_number(found[0]))

    def _enable(self, project: str, apis: Sequence[str]) -> None:
        wanted = list(dict.fromkeys(name for api in apis for name in with_needs(api)))
        new = [name for name in wanted if name not in self._enabled.of(project)]
        unpaid = [name for name in new if KNOWN[name].billed]
        if unpaid and not self._billed(project):
            raise _no_billing(project, unpaid)
        self._policies.grant(project, service_agents.bindings(project, new))
        self._enabled.enable(project, new)

    def _service(self, project: str, api: str) -> types.Service:
        number = project_number(project)
        enabled = api in self._enabled.of(project)
        config = types.ServiceConfig(name=api, title=KNOWN[api].title)
        if KNOWN[api].billed:
            config.usage.requirements.append("serviceusage.googleapis.com/billing-enabled")
        return types.Service(
            name=f"projects/{number}/services/{api}",
            parent=f"projects/{number}",
            config=config,
            state=types.State.ENABLED if enabled else types.State.DISABLED,
        )

    def _parent(self, name: str) -> str:
        return self._projects(parse("projects/{project}", name)["project"])

    def _parsed(self, name: str) -> tuple[str, str]:
        given = parse("projects/{project}/services/{service}", name)
        project = self._projects(given["project"])
        return project, _known(given["service"])

    def _disabled(self, project: str, api: str) -> operations_pb2.Operation:
        return self._done(project, [api], types.DisableServiceResponse(service=self._service(project, api)))

    def _done(self, project: str, apis: Iterable[str], response: Any) -> operations_pb2.Operation:
        names = [f"projects/{project_number(project)}/services/{api}" for api in apis]
        name = f"operations/acat.p2-{project_number(project)}-{secrets.token_hex(16)}"
        metadata = types.OperationMetadata(resource_names=names)
        return self.operations.finished(name=name, metadata=metadata, response=response)


def _known(api: str) -> str:
    if api not in KNOWN:
        raise exceptions.PermissionDenied(
            f"Not found or permission denied for service(s): {api}.",
            details=[_info("SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED", services=api)],
        )
    return api


def _filtered(text: str, services: list[types.Service]) -> list[types.Service]:
    if not text.strip():
        return services
    found = _STATE.fullmatch(text.strip())
    if found is None:
        raise exceptions.InvalidArgument(f"filter {text!r}: state:ENABLED and state:DISABLED are allowed.")
    return [service for service in services if service.state.name == found[1]]


def _no_billing(project: str, apis: Sequence[str]) -> exceptions.FailedPrecondition:
    number, names = project_number(project), ",".join(apis)
    failure = error_details_pb2.PreconditionFailure()
    for api in apis:
        failure.violations.add(
            type="googleapis.com/billing-enabled",
            subject=f"projects/{number}/services/{api}",
            description="billing-enabled",
        )
    return exceptions.FailedPrecondition(
        f"Billing account for project '{number}' is not found. Billing must be enabled for activation of service(s) "
        f"'{names}' to proceed. Link an account at {_LINKING.format(project=project)}, or by "
        f"`gcloud billing projects link {project} --billing-account=ACCOUNT`.",
        details=[failure, _info("UREQ_PROJECT_BILLING_NOT_FOUND", project=str(number), services=names)],
    )


def _depended_on(project: str, api: str, dependents: Sequence[str]) -> exceptions.FailedPrecondition:
    names = ",".join(dependents)
    return exceptions.FailedPrecondition(
        f"The service {api} is depended on by the following active service(s): {names}; Please specify "
        "disable_dependent_services=true if you want to proceed with disabling all services.",
        details=[_info("COMMON_SU_SERVICE_DEPENDED_ON", project=project, services=names)],
    )


def _used(project: str, apis: Sequence[str]) -> exceptions.FailedPrecondition:
    names = ",".join(apis)
    return exceptions.FailedPrecondition(
        f"The service(s) {names} had usage in the last 30 days, or were enabled in the past 3 days; Please specify "
        "check_if_service_has_usage=SKIP if you want to proceed with disabling them.",
        details=[_info("COMMON_SU_SERVICE_HAS_USAGE", project=project, services=names)],
    )


def _info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain="serviceusage.googleapis.com", metadata=metadata)

"""google.cloud.run.v2: the services behind functions, their revisions and IAM policies."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.run_v2 import types as run
from google.iam.v1 import iam_policy_pb2

from gcpmlops.emulator.kernel import masks, names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.functions import naming
from gcpmlops.emulator.services.functions.deploying import Deployments
from gcpmlops.emulator.services.functions.service import below

_MUTABLE = ("labels", "annotations", "description", "client", "client_version")


class Services(Service):
    """Services are made and deleted by deploying functions; here they are read, labelled, and given invokers."""

    proto = "google.cloud.run.v2.Services"

    def __init__(self, context: Context, deployments: Deployments) -> None:
        super().__init__(context)
        self._deployments = deployments

    @property
    def _rows(self) -> Any:
        return self._deployments.run.services

    def create_service(self, request: run.CreateServiceRequest) -> Any:
        """Only a function's service can run here."""
        images = ", ".join(container.image for container in request.service.template.containers) or "no image"
        raise exceptions.MethodNotImplemented(
            f"google.cloud.run.v2.Services.CreateService from a container image ({images}) is not built in this "
            "emulator: deploy a Cloud Function, whose service is made with it."
        )

    def get_service(self, request: run.GetServiceRequest) -> run.Service:
        return self._rows.get(request.name)  # type: ignore[no-any-return]

    def list_services(self, request: run.ListServicesRequest) -> run.ListServicesResponse:
        services, token = paging.page(below(self._rows, request.parent, "services"), request)
        return run.ListServicesResponse(services=services, next_page_token=token)

    def update_service(self, request: run.UpdateServiceRequest) -> Any:
        """Labels, annotations and description; the rest is the function's to change."""
        validate.require(request, "service.name")
        before = self._rows.get(request.service.name)
        paths = list(masks.snake(request.update_mask).paths)
        others = [path for path in paths if path.partition(".")[0] not in _MUTABLE]
        if others:
            raise exceptions.FailedPrecondition(
                f"{before.name} is managed by Cloud Functions: change {', '.join(others)} by updating the function."
            )
        after = run.Service(before)
        masks.apply(request.update_mask, after, request.service, immutable=_fixed() if not paths else ())
        after.update_time = self.clock.now()
        if not request.validate_only:
            self._rows.put(after.name, after)
        return self._finished(after)

    def delete_service(self, request: run.DeleteServiceRequest) -> Any:
        """The function goes with it."""
        service = self._rows.get(request.name)
        deployments = self._deployments
        owner = next((row for row in deployments.rows.list() if naming.service_of(row.name) == service.name), None)
        if owner is not None and not request.validate_only:
            deployments.delete(owner.name)
        return self._finished(service)

    def get_iam_policy(self, request: Any) -> Any:
        self._rows.get(request.resource)
        return self._deployments.run.policy(request.resource)

    def set_iam_policy(self, request: Any) -> Any:
        """Raises Aborted for a policy that was read before another change."""
        self._rows.get(request.resource)
        current = self._deployments.run.policy(request.resource)
        if request.policy.etag and request.policy.etag != current.etag:
            raise exceptions.Aborted(
                f"The IAM policy of {request.resource} has changed since it was read: read it again."
            )
        return self._deployments.set_policy(request.resource, request.policy)

    def test_iam_permissions(self, request: Any) -> Any:
        """The caller owns everything."""
        self._rows.get(request.resource)
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions)

    def _finished(self, service: run.Service) -> Any:
        parent = service.name.rpartition("/services/")[0]
        return self.operations.finished(parent=parent, metadata=service, response=service)


class Revisions(Service):
    """Revisions come and go with deployments."""

    proto = "google.cloud.run.v2.Revisions"

    def __init__(self, context: Context, deployments: Deployments) -> None:
        super().__init__(context)
        self._deployments = deployments

    def get_revision(self, request: run.GetRevisionRequest) -> run.Revision:
        return self._deployments.run.revisions.get(request.name)  # type: ignore[no-any-return]

    def list_revisions(self, request: run.ListRevisionsRequest) -> run.ListRevisionsResponse:
        """Newest first; ``services/-`` is those of all services."""
        rows, parent = self._deployments.run.revisions, request.parent
        if names.segment(parent, "services") == "-":
            found = [row for row in rows.list() if row.name.startswith(parent.rpartition("/services/")[0] + "/")]
        else:
            found = rows.list(parent=parent)
        revisions, token = paging.page(found[::-1], request)
        return run.ListRevisionsResponse(revisions=revisions, next_page_token=token)


def _fixed() -> list[str]:
    return [field for field in run.Service.meta.fields if field not in _MUTABLE]

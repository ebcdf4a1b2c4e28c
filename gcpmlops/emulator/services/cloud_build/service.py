"""google.devtools.cloudbuild.v1.CloudBuild: builds."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel import names as resource_names
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.cloud_build import names
from gcpmlops.emulator.services.cloud_build.builds import Builds, default_account
from gcpmlops.emulator.services.cloud_build.rows import Status

_State: Any = types.BuildApproval.State
_Decision = types.ApprovalResult.Decision


class BuildService(Service):
    """Builds; `triggers.py` has the other half of the service."""

    proto = "google.devtools.cloudbuild.v1.CloudBuild"

    def __init__(self, context: Context, builds: Builds) -> None:
        super().__init__(context)
        self._builds = builds

    def create_build(self, request: types.CreateBuildRequest) -> operations_pb2.Operation:
        return self._builds.create(names.parent(request), request.build)

    def get_build(self, request: types.GetBuildRequest) -> types.Build:
        return self._builds.rows.get(names.build(request))

    def list_builds(self, request: types.ListBuildsRequest) -> types.ListBuildsResponse:
        """Newest first."""
        found, token = self._builds.rows.page(names.parent(request), request)
        return types.ListBuildsResponse(builds=found, next_page_token=token)

    def cancel_build(self, request: types.CancelBuildRequest) -> types.Build:
        """Asynchronous: the build ends soon after."""
        name = self._builds.rows.name(names.build(request))
        build = self._builds.rows.get(name)
        if build.finish_time:
            raise exceptions.FailedPrecondition(
                f"cannot cancel build in status {build.status.name}: only what is queued or runs can be cancelled"
            )
        self._builds.cancel(name)
        return self._builds.rows.get(name)

    def retry_build(self, request: types.RetryBuildRequest) -> operations_pb2.Operation:
        """The same once more, from the same source; a new build."""
        name = self._builds.rows.name(names.build(request))
        before = self._builds.rows.get(name)
        if not before.finish_time:
            raise exceptions.FailedPrecondition(f"build {before.id} has not ended: it can't be retried")
        return self._builds.again(name)

    def approve_build(self, request: types.ApproveBuildRequest) -> operations_pb2.Operation:
        """Lets a build that waits for it run, or ends it."""
        name = self._builds.rows.name(names.build(request))
        result = types.ApprovalResult(request.approval_result)
        if result.decision not in (_Decision.APPROVED, _Decision.REJECTED):
            raise exceptions.InvalidArgument("approvalResult.decision: APPROVED or REJECTED is required")
        _check_waiting(self._builds.rows.get(name))
        result.approver_account = current_call().caller.email
        result.approval_time = self.clock.now()
        approved = result.decision == _Decision.APPROVED
        self._builds.rows.update(name, lambda build: _decide(build, result, approved))
        if approved:
            self._builds.submit(name)
        else:
            self._builds.end(name, Status.CANCELLED, f"The build was rejected. {result.comment}".strip())
        return self._builds.operation(name)

    def get_default_service_account(
        self, request: types.GetDefaultServiceAccountRequest
    ) -> types.DefaultServiceAccount:
        """Who builds where a build names nobody."""
        project = resource_names.project_of(request.name)
        email = f"projects/{project}/serviceAccounts/{default_account(project)}"
        return types.DefaultServiceAccount(name=request.name, service_account_email=email)


def _check_waiting(build: types.Build) -> None:
    if build.approval.state != _State.PENDING or build.status != Status.PENDING:
        raise exceptions.FailedPrecondition(f"build {build.id} does not wait for an approval")


def _decide(build: types.Build, result: types.ApprovalResult, approved: bool) -> None:
    _check_waiting(build)
    build.approval.state = _State.APPROVED if approved else _State.REJECTED
    build.approval.result = result
    if approved:
        build.status = Status.QUEUED

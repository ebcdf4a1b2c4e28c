"""google.iam.admin.v1.IAM: service accounts and their policies."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import masks, paging
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.iam_admin.accounts import Accounts, check_texts

PROTO = "google.iam.admin.v1.IAM"
_IMMUTABLE = ("name", "project_id", "unique_id", "email", "oauth2_client_id", "disabled", "etag")


class ServiceAccounts(Service):
    """Accounts; `Keys`, `Roles` and `AccountPolicies` have the other methods of the same proto service."""

    proto = PROTO

    def __init__(self, accounts: Accounts, policies: AccountPolicies) -> None:
        super().__init__(accounts.context)
        self._accounts = accounts
        self._policies = policies

    def create_service_account(self, request: types.CreateServiceAccountRequest) -> types.ServiceAccount:
        project = parse("projects/{project}", request.name)["project"]
        return self._accounts.create(project, request.account_id, request.service_account)

    def get_service_account(self, request: types.GetServiceAccountRequest) -> types.ServiceAccount:
        return self._accounts.get(request.name)

    def list_service_accounts(self, request: types.ListServiceAccountsRequest) -> types.ListServiceAccountsResponse:
        project = parse("projects/{project}", request.name)["project"]
        page, token = paging.page(self._accounts.of(project), request, default=20, maximum=100)
        return types.ListServiceAccountsResponse(accounts=page, next_page_token=token)

    def update_service_account(self, request: types.ServiceAccount) -> types.ServiceAccount:
        """Display name and description; deprecated for PatchServiceAccount, as in the cloud it takes no mask."""
        mask = empty_mask("display_name", "description")
        return self._patch(request, mask)

    def patch_service_account(self, request: types.PatchServiceAccountRequest) -> types.ServiceAccount:
        """Raises: InvalidArgument without a mask, for a field that can't be changed; Aborted for a stale etag."""
        if not request.update_mask.paths:
            raise exceptions.InvalidArgument("update_mask: required, but missing.")
        return self._patch(request.service_account, request.update_mask)

    def delete_service_account(self, request: types.DeleteServiceAccountRequest) -> empty_pb2.Empty:
        account = self._accounts.get(request.name)
        self._accounts.delete(account.name)
        self._policies.forget(account.name)
        return empty_pb2.Empty()

    def undelete_service_account(
        self, request: types.UndeleteServiceAccountRequest
    ) -> types.UndeleteServiceAccountResponse:
        return types.UndeleteServiceAccountResponse(restored_account=self._accounts.undelete(request.name))

    def enable_service_account(self, request: types.EnableServiceAccountRequest) -> empty_pb2.Empty:
        self._accounts.change(request.name, lambda account: setattr(account, "disabled", False))
        return empty_pb2.Empty()

    def disable_service_account(self, request: types.DisableServiceAccountRequest) -> empty_pb2.Empty:
        account = self._accounts.get(request.name)
        if account.email == self._accounts.authenticator.email:
            raise exceptions.FailedPrecondition(f"{account.email} is the emulator's own account: it stays enabled.")
        self._accounts.change(account.name, lambda stored: setattr(stored, "disabled", True))
        return empty_pb2.Empty()

    def _patch(self, wanted: types.ServiceAccount, mask: Any) -> types.ServiceAccount:
        check_texts(wanted)
        paths = [path for path in masks.snake(mask).paths if path != "etag"]

        def change(stored: types.ServiceAccount) -> None:
            if wanted.etag and wanted.etag != stored.etag:
                raise exceptions.Aborted(f"{stored.name} has another etag: it was changed since; read it again.")
            masks.apply(empty_mask(*paths), stored, wanted, immutable=_IMMUTABLE)

        return self._accounts.change(wanted.name, change)


class AccountPolicies(Policies):
    """Who may act as an account, and change it."""

    proto = PROTO

    def __init__(self, accounts: Accounts) -> None:
        super().__init__(accounts.context, accounts.get, permissions="iam.")
        self._accounts = accounts

    def get_iam_policy(self, request: iam_policy_pb2.GetIamPolicyRequest) -> policy_pb2.Policy:
        request.resource = self._accounts.get(request.resource).name
        return super().get_iam_policy(request)

    def set_iam_policy(self, request: iam_policy_pb2.SetIamPolicyRequest) -> policy_pb2.Policy:
        request.resource = self._accounts.get(request.resource).name
        return super().set_iam_policy(request)


def empty_mask(*paths: str) -> Any:
    """A mask of these fields."""
    from google.protobuf import field_mask_pb2

    return field_mask_pb2.FieldMask(paths=paths)

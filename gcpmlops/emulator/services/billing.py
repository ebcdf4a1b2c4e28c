"""google.cloud.billing.v1.CloudBilling: one billing account, and which projects it pays for."""

from __future__ import annotations

from collections.abc import Callable

from google.api_core import exceptions
from google.cloud.billing_v1 import types

from gcpmlops.emulator.kernel import filters, paging
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.iam import Policies

ACCOUNT = "billingAccounts/000000-0A1B2C-3D4E5F"


class Billing(Service):
    """There is one open account; it pays for the emulator's own project from the start, for others once they ask.

    Args:
        projects: a project's id by id or number; raises where there is none.
    """

    proto = "google.cloud.billing.v1.CloudBilling"

    def __init__(self, context: Context, projects: Callable[[str], str]) -> None:
        super().__init__(context)
        self._projects = projects
        self._accounts = context.store.collection(types.BillingAccount)
        self._rows = context.store.collection(types.ProjectBillingInfo)

    def get_billing_account(self, request: types.GetBillingAccountRequest) -> types.BillingAccount:
        return self.account(request.name)

    def list_billing_accounts(self, request: types.ListBillingAccountsRequest) -> types.ListBillingAccountsResponse:
        chosen = [account for account in [self.account(ACCOUNT)] if filters.matches(request.filter, account)]
        page, token = paging.page(chosen, request)
        return types.ListBillingAccountsResponse(billing_accounts=page, next_page_token=token)

    def update_billing_account(self, request: types.UpdateBillingAccountRequest) -> types.BillingAccount:
        """Its display name alone."""
        if list(request.update_mask.paths) not in ([], ["display_name"], ["displayName"]):
            raise invalid("update_mask", "only display_name can be changed.")
        account = self.account(request.name)
        account.display_name = request.account.display_name
        self._accounts.put(account.name, account, parent="")
        return account

    def get_project_billing_info(self, request: types.GetProjectBillingInfoRequest) -> types.ProjectBillingInfo:
        return self._info(self._project(request.name))

    def update_project_billing_info(self, request: types.UpdateProjectBillingInfoRequest) -> types.ProjectBillingInfo:
        """An empty account name takes billing off. Raises: FailedPrecondition for an account that is not there."""
        project, account = self._project(request.name), request.project_billing_info.billing_account_name
        if account and account != ACCOUNT:
            raise exceptions.FailedPrecondition(f"{account} is not found or not open; {ACCOUNT} is what there is.")
        info = _made(project, account)
        self._rows.put(info.name, info, parent="")
        return info

    def list_project_billing_info(
        self, request: types.ListProjectBillingInfoRequest
    ) -> types.ListProjectBillingInfoResponse:
        """Of the projects that an account pays for."""
        self.account(request.name)
        own = self._info(self.settings.project)
        found = [own, *(info for info in self._rows.list() if info.name != own.name)]
        page, token = paging.page([info for info in found if info.billing_account_name == request.name], request)
        return types.ListProjectBillingInfoResponse(project_billing_info=page, next_page_token=token)

    def pays_for(self, project: str) -> bool:
        """Whether a project, by its id, has billing."""
        return bool(self._info(project).billing_enabled)

    def _project(self, name: str) -> str:
        return self._projects(parse("projects/{project}", name)["project"])

    def _info(self, project: str) -> types.ProjectBillingInfo:
        found: types.ProjectBillingInfo | None = self._rows.find(f"projects/{project}/billingInfo")
        return found or _made(project, ACCOUNT if project == self.settings.project else "")

    def account(self, name: str) -> types.BillingAccount:
        """Raises: NotFound for another one."""
        if name != ACCOUNT:
            raise exceptions.NotFound(f"{name} is not found; {ACCOUNT} is what there is.")
        found: types.BillingAccount | None = self._accounts.find(name)
        return found or types.BillingAccount(
            name=ACCOUNT, open_=True, display_name="Local billing account", currency_code="USD"
        )


class BillingPolicies(Policies):
    """The IAM methods of the same API, for who may see the account and have it pay."""

    proto = "google.cloud.billing.v1.CloudBilling"

    def __init__(self, billing: Billing) -> None:
        super().__init__(billing.context, billing.account, permissions="billing.")


def _made(project: str, account: str) -> types.ProjectBillingInfo:
    return types.ProjectBillingInfo(
        name=f"projects/{project}/billingInfo",
        project_id=project,
        billing_account_name=account,
        billing_enabled=bool(account),
    )

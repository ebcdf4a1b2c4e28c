"""Projects, their APIs, billing, and who may do what: Resource Manager, Service Usage, Cloud Billing, IAM."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel.http import Receive, Scope, Send
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services import iam_routes, project_routes
from gcpmlops.emulator.services.catalog.functions import Functions
from gcpmlops.emulator.services.catalog.parts import made_once
from gcpmlops.emulator.services.iam_admin import pools as pool_routes
from gcpmlops.emulator.services.service_usage import routes as service_usage_routes

if TYPE_CHECKING:
    from google.cloud.resourcemanager_v3 import types

    from gcpmlops.emulator.services.billing import Billing
    from gcpmlops.emulator.services.iam import Policies
    from gcpmlops.emulator.services.iam_admin.accounts import Accounts
    from gcpmlops.emulator.services.iam_admin.pools import Pools
    from gcpmlops.emulator.services.iam_admin.roles import Roles
    from gcpmlops.emulator.services.iam_credentials import IamCredentials
    from gcpmlops.emulator.services.project_policies import ProjectPolicies
    from gcpmlops.emulator.services.projects import Projects
    from gcpmlops.emulator.services.service_usage.enabled import EnabledApis
    from gcpmlops.emulator.services.service_usage.service import ServiceUsage


class Administration(Functions):
    """With projects and identities."""

    def _start_administration(self) -> None:
        """Who asks is looked up from now on: what was made before the last stop counts."""
        self._authenticator.directory = _Directory(lambda: self._accounts)
        self._context.access.members = lambda member: self._accounts.check_member(member)
        self._context.access.accounts = lambda name: self._accounts.check_usable(name)
        self._context.access.roles = lambda role, resource: self._roles.check_bound(role, resource)
        self.storage.buckets.check_member = self._context.access.check_member
        self.storage.buckets.check_role = self._context.access.check_role
        self._context.access.principals = lambda principal: self._pools.members(principal)
        if not self._settings.enable_all:
            self.gate.checks.insert(0, lambda asked: self._enabled_apis.check(asked))
        if self._settings.enforce_iam:
            self._project_policies.ensure(self._settings.project)

    def _projects(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.project_parents import Folders, Organizations

        return (
            self._project_service, self._project_policies, Folders(self._context), Organizations(self._context)
        )  # fmt: skip

    def _project_routes(self) -> tuple[JsonRoute, ...]:
        policies = iam_routes.routes(lambda: self._project_policies, "/v1/{resource=projects/*}")
        return (*project_routes.routes(lambda: self._project_service), *policies)

    @made_once
    def _project_policies(self) -> ProjectPolicies:
        from gcpmlops.emulator.services.project_policies import ProjectPolicies

        return ProjectPolicies(self._context, self._project_service, owner=self._authenticator.email)

    @made_once
    def _project_service(self) -> Projects:
        from gcpmlops.emulator.services.projects import Projects

        def created(project: types.Project) -> None:
            self._project_policies.created(project)

        return Projects(self._context, created)

    def _service_usage(self) -> Iterable[Service]:
        return (self._services_in_use,)

    def _service_usage_routes(self) -> tuple[JsonRoute, ...]:
        return service_usage_routes.routes(lambda: self._services_in_use)

    @made_once
    def _services_in_use(self) -> ServiceUsage:
        from gcpmlops.emulator.services.service_usage.service import ServiceUsage

        return ServiceUsage(
            self._context,
            self._enabled_apis,
            self._project_policies,
            projects=self._project_service.id_of,
            billed=lambda project: self._billing_service.pays_for(project),
        )

    @made_once
    def _enabled_apis(self) -> EnabledApis:
        from gcpmlops.emulator.services.service_usage.enabled import EnabledApis

        projects = self._project_service
        return EnabledApis(
            self._context,
            active=projects.is_active,
            id_of=projects.id_of,
            billed=lambda project: self._billing_service.pays_for(project),
        )

    def _billing(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.billing import BillingPolicies

        return (self._billing_service, BillingPolicies(self._billing_service))

    @made_once
    def _billing_service(self) -> Billing:
        from gcpmlops.emulator.services.billing import Billing

        return Billing(self._context, self._project_service.id_of)

    @made_once
    def _pools(self) -> Pools:
        from gcpmlops.emulator.services.iam_admin.pools import Pools

        return Pools(self._context, self._project_service.id_of)

    def _iam_routes(self) -> tuple[JsonRoute, ...]:
        policies = iam_routes.routes(lambda: self._pool_policies, pool_routes.POOL.replace("{name=", "{resource="))
        return (*pool_routes.routes(lambda: self._pools), *policies)

    @made_once
    def _pool_policies(self) -> Policies:
        from gcpmlops.emulator.services.iam import Policies

        return Policies(self._context, lambda name: self._pools.check(name), permissions="iam.")

    async def _token_exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Made when a token is first exchanged."""
        from gcpmlops.emulator.services.iam_admin.exchange import Exchange

        await Exchange(lambda: self._pools, self._authenticator)(scope, receive, send)

    def _iam(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.iam_admin.keys import Keys
        from gcpmlops.emulator.services.iam_admin.service import AccountPolicies, ServiceAccounts
        from gcpmlops.emulator.services.iam_admin.signatures import Signatures

        policies = AccountPolicies(self._accounts)
        keys = Keys(self._accounts, lambda: f"http://127.0.0.1:{self._port}/oauth2.googleapis.com/token")
        accounts, signatures = ServiceAccounts(self._accounts, policies), Signatures(self._credentials)
        return (accounts, keys, policies, self._roles, signatures)

    @made_once
    def _roles(self) -> Roles:
        from gcpmlops.emulator.services.iam_admin.roles import Roles

        return Roles(self._context, self._project_service.id_of)

    @made_once
    def _accounts(self) -> Accounts:
        from gcpmlops.emulator.services.iam_admin.accounts import Accounts

        projects = self._project_service
        return Accounts(
            self._context,
            self._authenticator,
            projects=projects.id_of,
            known=projects.is_known,
            rename=self.storage.buckets.rename_member,
        )

    def _iam_credentials(self) -> Iterable[Service]:
        return (self._credentials,)

    @made_once
    def _credentials(self) -> IamCredentials:
        from gcpmlops.emulator.services.iam_credentials import IamCredentials

        return IamCredentials(self._accounts, self._authenticator)


class _Directory:
    """The accounts, made when a token of another than the emulator's own is first seen."""

    def __init__(self, accounts: Callable[[], Accounts]) -> None:
        self._accounts = accounts

    def check(self, email: str) -> None:
        self._accounts().check(email)

    def public_key(self, email: str, key_id: str) -> str:
        return self._accounts().public_key(email, key_id)

    def public_keys(self, email: str) -> dict[str, str]:
        return self._accounts().public_keys(email)

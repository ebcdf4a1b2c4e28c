"""Whether an identity may do something to a resource, for services that have to know more than their own call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

ACT_AS = "iam.serviceAccounts.actAs"
Used = tuple[str, str, str]  # identity, permission, resource


class Guard(Protocol):
    """Who knows the roles; `used`: what was allowed, where somebody wants to know."""

    used: set[Used] | None

    def require(self, permission: str, resource: str, *, email: str) -> None: ...

    def allows(self, permission: str, resource: str, *, email: str) -> bool: ...


class Access:
    """Open until somebody guards it.

    ``guard`` is set with ``--enforce-iam``; ``members`` raises InvalidArgument for a member that no policy takes;
    ``roles`` the same for a role that a resource's policy does not take;
    ``accounts`` raises for a service account, by its full name, that nothing can run as;
    ``principals`` gives the members that a federated identity (principal://...) is: itself and its sets.
    """

    def __init__(self) -> None:
        self.guard: Guard | None = None
        self.generation = 0
        self.members: Callable[[str], None] = lambda _: None
        self.accounts: Callable[[str], None] = lambda _: None
        self.roles: Callable[[str, str], None] = lambda _, __: None
        self.principals: Callable[[str], Collection[str]] = lambda principal: (principal,)

    def require(self, permission: str, resource: str, *, email: str = "") -> None:
        """Nothing, where the identity has the permission on the resource.

        Args:
            permission: such as iam.serviceAccounts.actAs.
            resource: its full name, projects/P/serviceAccounts/EMAIL.
            email: of the identity; empty: who makes the current call.

        Raises: PermissionDenied naming the permission and the resource; InvalidArgument, FailedPrecondition where it is
            about acting as an account that is deleted or disabled.
        """
        if self.guard is not None:
            self.guard.require(permission, resource, email=email)
        if permission == ACT_AS:
            self.accounts(resource)

    def allows(self, permission: str, resource: str, *, email: str = "") -> bool:
        """The same as an answer."""
        return self.guard is None or self.guard.allows(permission, resource, email=email)

    def changed(self) -> None:
        """A policy, a role or an account is another now: what was decided before is forgotten."""
        self.generation += 1

    def check_member(self, member: str) -> None:
        """Raises: InvalidArgument for a service account that is not there."""
        self.members(member)

    def check_role(self, role: str, resource: str) -> None:
        """Raises: InvalidArgument for a role that is not there, or that is of another project than the resource."""
        self.roles(role, resource)


def act_as(access: Access, email: str, parent: str) -> None:
    """Nothing, where the caller may have something run as the service account; without one nothing is asked.

    Args:
        access: who knows.
        email: of the account.
        parent: a resource of the project that an address without one, a default account's, is of.

    Raises: PermissionDenied naming iam.serviceAccounts.actAs.
    """
    if email:
        access.require(ACT_AS, account_name(email, parent))


def account_name(email: str, parent: str) -> str:
    """The full name of a service account; without a project in its address it is one of the parent's."""
    domain = email.partition("@")[2]
    project = domain.partition(".")[0] if domain.endswith(".iam.gserviceaccount.com") else parent.split("/")[1]
    return f"projects/{project}/serviceAccounts/{email}"


def custom_code_agent(project_number: int) -> str:
    """The account that jobs and models run as where they are given none."""
    return f"service-{project_number}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"

"""Whether an identity may do something to a resource, for services that have to know more than their own call."""

from __future__ import annotations

from typing import Protocol


class Guard(Protocol):
    """Who knows the roles."""

    def require(self, permission: str, resource: str, *, email: str) -> None: ...

    def allows(self, permission: str, resource: str, *, email: str) -> bool: ...


class Access:
    """Open until somebody guards it.

    ``guard`` is set with ``--enforce-iam``; ``check_member`` raises InvalidArgument for a member that no policy takes.
    """

    def __init__(self) -> None:
        self.guard: Guard | None = None
        self.generation = 0

    def require(self, permission: str, resource: str, *, email: str = "") -> None:
        """Nothing, where the identity has the permission on the resource.

        Args:
            permission: such as iam.serviceAccounts.actAs.
            resource: its full name, projects/P/serviceAccounts/EMAIL.
            email: of the identity; empty: who makes the current call.

        Raises: PermissionDenied naming the permission and the resource.
        """
        if self.guard is not None:
            self.guard.require(permission, resource, email=email)

    def allows(self, permission: str, resource: str, *, email: str = "") -> bool:
        """The same as an answer."""
        return self.guard is None or self.guard.allows(permission, resource, email=email)

    def changed(self) -> None:
        """A policy, a role or an account is another now: what was decided before is forgotten."""
        self.generation += 1

    def check_member(self, member: str) -> None:
        """Raises: InvalidArgument for a service account that is not there."""

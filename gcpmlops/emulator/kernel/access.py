"""Whether an identity may do something to a resource, for services that have to know more than their own call."""

from __future__ import annotations

from typing import Protocol


class Access(Protocol):
    """Roles, asked by services: to act as a service account, say, when a job is to run as it."""

    def require(self, permission: str, resource: str, *, email: str = "") -> None:
        """Nothing, where the identity has the permission on the resource.

        Args:
            permission: such as iam.serviceAccounts.actAs.
            resource: its full name, projects/P/serviceAccounts/EMAIL.
            email: of the identity; empty: who makes the current call.

        Raises: PermissionDenied naming the permission and the resource.
        """


class OpenAccess:
    """Everybody may do everything: without --enforce-iam."""

    def require(self, permission: str, resource: str, *, email: str = "") -> None:
        """Never raises."""

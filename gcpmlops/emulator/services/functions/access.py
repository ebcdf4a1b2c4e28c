"""Who may invoke a function: an identity token for its URL, and a role on its Cloud Run service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.services.functions.served import ANYONE, Served

INVOKER = "roles/run.invoker"
INVOKING_ROLES = {INVOKER, "roles/run.servicesInvoker", "roles/run.admin", "roles/owner", "roles/editor"}
_GCLOUD = "32555940559.apps.googleusercontent.com"  # gcloud's own client id: its identity tokens have it for audience
_SIGNED = "SIGNATURE_REMOVED_BY_GOOGLE"


@dataclass(frozen=True)
class Refusal:
    """Why a request does not reach the function."""

    status: int
    reason: str
    challenge: str = ""


def invokers(policy: Any) -> frozenset[str]:
    """The members of a policy that may invoke."""
    return frozenset(member for bound in policy.bindings if bound.role in INVOKING_ROLES for member in bound.members)


def check(
    authenticator: Authenticator,
    served: Served,
    headers: Mapping[bytes, bytes],
    permits: Callable[[str, str], bool] = lambda *_: False,
) -> Refusal | None:
    """None where the request may pass; `permits` tells of roles elsewhere, by email and service: on the project."""
    if ANYONE in served.invokers:
        return None
    header = headers.get(b"x-serverless-authorization") or headers.get(b"authorization")
    if not header:
        return Refusal(
            403,
            "The request was not authenticated. Either allow unauthenticated invocations or set the proper "
            "Authorization header: an identity token whose audience is the function's URL.",
        )
    scheme, _, token = header.decode("latin-1").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise exceptions.Unauthenticated(f"The scheme {scheme!r} is not Bearer.")
        identity = authenticator.identity(token.strip())
    except exceptions.Unauthenticated as error:
        return _invalid(f"The identity token could not be verified: {error.message}")
    if identity.audience != _GCLOUD and not served.is_audience(identity.audience):
        return _invalid(f"The identity token is for {identity.audience!r}; expected: {' or '.join(served.urls[:2])}.")
    if identity.email == authenticator.email or not served.invokers.isdisjoint(_members(identity.email)):
        return None
    if permits(identity.email, served.service):
        return None
    return Refusal(
        403,
        f"The caller {identity.email} has no permission run.routes.invoke on {served.service}: give it {INVOKER} "
        "(gcloud functions add-invoker-policy-binding).",
    )


def unsigned(header: bytes) -> bytes:
    """An Authorization header as the function sees it: the token can't be used again."""
    head, dot, _ = header.rpartition(b".")
    return head + b"." + _SIGNED.encode() if dot and header.count(b".") >= 2 else header


def _invalid(reason: str) -> Refusal:
    return Refusal(
        401, reason, 'Bearer error="invalid_token" error_description="The access token could not be verified"'
    )


def _members(email: str) -> Iterable[str]:
    return (f"serviceAccount:{email}", f"user:{email}", "allAuthenticatedUsers")

"""Identity tokens of the caller: what Cloud Run and functions ask for where Google's APIs take access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcpmlops.exceptions import Unauthenticated

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_NEXT_STEP = (
    "Use a service account's key file or its impersonation "
    "(`gcloud auth application-default login --impersonate-service-account=EMAIL`), or run where a service account is "
    "attached; or let everybody call the function: public=True."
)


def token(credentials: Credentials, audience: str) -> str:
    """A token for one audience, good for an hour. Raises Unauthenticated where the credentials can't have one."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        made = _made(credentials, audience, Request())
    except GoogleAuthError as exc:
        raise Unauthenticated(
            f"no identity token for {audience}: {exc}", resource="credentials", next_step=_NEXT_STEP
        ) from exc
    if not made:
        raise Unauthenticated(
            f"{type(credentials).__name__} of {type(credentials).__module__} give no identity token for {audience}",
            resource="credentials",
            next_step=_NEXT_STEP,
        )
    return made


def _made(credentials: Any, audience: str, request: Any) -> str:
    from google.auth import compute_engine, impersonated_credentials
    from google.oauth2 import credentials as user
    from google.oauth2 import service_account

    found: Any
    if isinstance(credentials, service_account.Credentials):
        found = service_account.IDTokenCredentials(
            credentials.signer, credentials.service_account_email, credentials._token_uri, audience
        )
    elif isinstance(credentials, impersonated_credentials.Credentials):
        found = impersonated_credentials.IDTokenCredentials(credentials, target_audience=audience, include_email=True)
    elif isinstance(credentials, compute_engine.Credentials):
        found = compute_engine.IDTokenCredentials(request, audience, use_metadata_identity_endpoint=True)
    elif isinstance(credentials, user.Credentials):
        credentials.refresh(request)  # gcloud's own client id is its audience, which Cloud Run takes
        return str(credentials.id_token or "")
    else:
        return ""
    found.refresh(request)
    return str(found.token or "")

"""Who the credentials stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gcpmlops.exceptions import Unauthenticated

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_USERINFO = "https://openidconnect.googleapis.com/v1/userinfo"
_UNTOLD = "default"  # a machine's own service account, until its token has been fetched
_TIMEOUT = 10.0


def email(credentials: Credentials) -> str:
    """The address of the service account or the user. Raises Unauthenticated where nobody says it."""
    found = _own(credentials)
    if found == _UNTOLD:
        from google.auth.transport.requests import Request

        credentials.refresh(Request())
        found = _own(credentials)
    return found or _asked(credentials)


def _own(credentials: Any) -> str:
    for name in ("service_account_email", "signer_email", "account"):
        found = getattr(credentials, name, None)
        if isinstance(found, str) and found:
            return found
    return ""


def _asked(credentials: Credentials) -> str:
    """A user's address; the token must have been made with the scope `userinfo.email`, as gcloud's are."""
    import requests
    from google.auth.transport.requests import AuthorizedSession

    try:
        with AuthorizedSession(credentials) as session:
            reply = session.get(_USERINFO, timeout=_TIMEOUT)
            found = reply.json().get("email", "") if reply.ok else ""
    except (requests.RequestException, ValueError) as exc:
        raise _unknown(str(exc)) from exc
    if not found:
        raise _unknown(f"{_USERINFO} answers {reply.status_code}")
    return str(found)


def _unknown(reason: str) -> Unauthenticated:
    return Unauthenticated(
        f"the credentials do not say whose they are: {reason}",
        resource="credentials",
        next_step="Say it with who=, or log in with `gcloud auth application-default login`.",
    )

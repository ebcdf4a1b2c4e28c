"""LOCATION-docker.pkg.dev/v2/token: what Docker asks for before it pushes or pulls."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import JSONResponse, Response

from gcpmlops.emulator.kernel.auth import LIFETIME, Authenticator, Caller

NOBODY = "anonymous"  # the token of who has no credentials: public repositories take it, and nothing else does


def issue(authenticator: Authenticator, caller: Caller | None) -> Response:
    """A token of the caller's own, or nobody's: rights are looked at when it is used."""
    token = NOBODY if caller is None else authenticator.access_token(caller.email)
    issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # real time, as all that is about tokens
    return JSONResponse({"token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": issued})


def presented(header: str | None) -> str | None:
    """An Authorization header, None for nobody's."""
    return None if header == f"Bearer {NOBODY}" else header

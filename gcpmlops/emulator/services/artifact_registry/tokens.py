"""LOCATION-docker.pkg.dev/v2/token: what Docker asks for before it pushes or pulls."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import JSONResponse, Response

from gcpmlops.emulator.kernel.auth import LIFETIME, Authenticator, Caller


def issue(authenticator: Authenticator, caller: Caller) -> Response:
    """A token of the caller's own: rights are looked at when it is used."""
    token = authenticator.access_token(caller.email)
    issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # real time, as all that is about tokens
    return JSONResponse({"token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": issued})

"""Errors of the OCI distribution specification."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from starlette.responses import JSONResponse, Response

_BY_STATUS = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 405: "UNSUPPORTED", 429: "TOOMANYREQUESTS"}


class OciError(Exception):
    """A refusal by one of the specification's codes."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def unknown_blob(digest: str) -> OciError:
    """404 for a blob."""
    return OciError(404, "BLOB_UNKNOWN", f"Blob {digest} is not found.")


def unknown_manifest(reference: str) -> OciError:
    """404 for a manifest."""
    return OciError(404, "MANIFEST_UNKNOWN", f"Manifest {reference} is not found.")


def reply(error: OciError) -> Response:
    """As clients of registries read it."""
    content: dict[str, Any] = {"errors": [{"code": error.code, "message": str(error)}]}
    return JSONResponse(content, status_code=error.status, headers=error.headers)


def converted(error: exceptions.GoogleAPICallError) -> OciError:
    """An error of the emulator's own in the specification's form."""
    status = int(error.code or 500)
    return OciError(status, _BY_STATUS.get(status, "UNSUPPORTED" if status < 500 else "UNKNOWN"), str(error.message))

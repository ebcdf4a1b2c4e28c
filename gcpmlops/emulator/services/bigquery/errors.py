"""BigQuery's errors: a reason, a message, and the HTTP code that belongs to the reason."""

from __future__ import annotations

import json
from typing import Any

from google.api_core import exceptions

_CODES = {
    "notFound": 404,
    "duplicate": 409,
    "accessDenied": 403,
    "notImplemented": 501,
    "internalError": 500,
    "backendError": 503,
    "quotaExceeded": 403,
    "stopped": 499,
    "conditionNotMet": 412,
    "uploadTooLarge": 413,
}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class BigQueryError(Exception):
    """A refused request, or a failed job (then `errors` is the collection in its status)."""

    def __init__(
        self, reason: str, message: str, location: str | None = None, errors: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.location = location
        self.errors = errors or [self.proto()]

    def proto(self) -> dict[str, Any]:
        """ErrorProto."""
        proto: dict[str, Any] = {"reason": self.reason, "message": self.message}
        return {**proto, "location": self.location} if self.location else proto

    def to_json(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and Google's JSON error body."""
        code = _CODES.get(self.reason, 400)
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            error.update(
                location=self.location, locationType="parameter" if self.location in ("q", "query") else "other"
            )
        return code, {
            "error": {
                "code": code,
                "message": self.message,
                "errors": [error],
                "status": _STATUSES.get(code, "INVALID_ARGUMENT"),
            }
        }


def from_status(status: dict[str, Any]) -> BigQueryError:
    """The error of a failed job's status."""
    result = status["errorResult"]
    return BigQueryError(result["reason"], result["message"], result.get("location"), status.get("errors"))


def from_engine(body: bytes) -> BigQueryError:
    """The error that the engine answered."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return BigQueryError("internalError", "The BigQuery engine failed without an answer")
    details = error.get("errors") or [{}]
    reason = error.get("reason") or details[0].get("reason") or "internalError"
    location = error.get("location") or details[0].get("location")
    return BigQueryError(reason, error.get("message", ""), location, details if "reason" in error else None)


def from_google(error: exceptions.GoogleAPICallError) -> BigQueryError:
    """An error of another service (the object store) as BigQuery would report it."""
    code = int(error.code or 500)
    reason = next(
        (name for name, number in _CODES.items() if number == code), "invalid" if code < 500 else "backendError"
    )
    return BigQueryError(reason, str(error.message))

"""One mapping from exceptions to what clients see: Google's JSON error body, or a gRPC status with details.

Services raise ``google.api_core.exceptions``; those classes carry the HTTP and the gRPC code both.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from typing import Any

import grpc
from google.api_core import exceptions
from google.protobuf import any_pb2, json_format
from google.rpc import code_pb2, status_pb2

log = logging.getLogger(__name__)

_REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    405: "httpMethodNotAllowed",
    409: "conflict",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    429: "rateLimitExceeded",
    499: "cancelled",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
    504: "deadlineExceeded",
}


def normalise(error: BaseException) -> exceptions.GoogleAPICallError:
    """The error as a Google API error; an unknown one is a defect: INTERNAL, with its traceback in the log."""
    if isinstance(error, exceptions.GoogleAPICallError):
        return error
    if _is_full(error):  # 400 and not 500: repeating the call at once would not help
        log.error("the disk is full: %s", error)
        return exceptions.FailedPrecondition("The disk that holds the emulator's data is full: free some space.")
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return exceptions.InternalServerError(f"{type(error).__name__}: {error}")


def _is_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return "disk is full" in str(error) or "disk I/O error" in str(error)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def grpc_code(error: exceptions.GoogleAPICallError) -> grpc.StatusCode:
    """The gRPC code, derived from the HTTP one for the few classes that have only that."""
    if error.grpc_status_code is not None:
        code: grpc.StatusCode = error.grpc_status_code
        return code
    by_http = {413: grpc.StatusCode.INVALID_ARGUMENT, 412: grpc.StatusCode.FAILED_PRECONDITION}
    return by_http.get(int(error.code or 500), grpc.StatusCode.UNKNOWN)


def to_status(error: BaseException) -> status_pb2.Status:
    """``google.rpc.Status``: what operations and job errors hold."""
    api_error = normalise(error)
    status = status_pb2.Status(code=grpc_code(api_error).value[0], message=str(api_error.message))
    for detail in api_error.details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def to_json(error: BaseException) -> tuple[int, dict[str, Any]]:
    """HTTP status and body, as Google's JSON APIs answer."""
    api_error = normalise(error)
    status = to_status(api_error)
    http = int(api_error.code or 500)
    reason = next((e["reason"] for e in api_error.errors if isinstance(e, dict) and "reason" in e), None)
    body: dict[str, Any] = {
        "code": http,
        "message": status.message,
        "status": code_pb2.Code.Name(status.code),
        "errors": [_entry(reason or _REASONS.get(http, "backendError"), status.message)],
    }
    if status.details:
        body["details"] = [json_format.MessageToDict(detail) for detail in status.details]
    return http, {"error": body}


def _entry(reason: str, message: str) -> dict[str, str]:
    return {"domain": "global", "reason": reason, "message": message}

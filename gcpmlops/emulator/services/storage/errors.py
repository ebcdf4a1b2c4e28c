"""The JSON API's errors with the messages and reasons that clients check."""

from __future__ import annotations

from google.api_core import exceptions
from google.api_core.exceptions import GoogleAPICallError


class PayloadTooLarge(exceptions.ClientError):
    """413: a request body over the limit."""

    code = 413


class SessionGone(exceptions.ClientError):
    """410: a resumable session that expired."""

    code = 410


def error(kind: type[GoogleAPICallError], reason: str, message: str) -> GoogleAPICallError:
    """An error of one class with the reason that the JSON body carries."""
    made: GoogleAPICallError = kind(message, errors=[{"domain": "global", "reason": reason, "message": message}])
    return made


def no_bucket() -> GoogleAPICallError:
    """404 for a bucket."""
    return error(exceptions.NotFound, "notFound", "The specified bucket does not exist.")


def no_object(bucket: str, name: str, generation: int | None = None) -> GoogleAPICallError:
    """404 for an object, or one generation of it."""
    suffix = f"#{generation}" if generation is not None else ""
    return error(exceptions.NotFound, "notFound", f"No such object: {bucket}/{name}{suffix}")


def no_session(upload_id: str) -> GoogleAPICallError:
    """404 for a resumable upload."""
    return error(exceptions.NotFound, "notFound", f"No such resumable upload: {upload_id}")


def bucket_exists() -> GoogleAPICallError:
    """409 for a name that is taken."""
    message = "Your previous request to create the named bucket succeeded and you already own it."
    return error(exceptions.Conflict, "conflict", message)


def bucket_not_empty() -> GoogleAPICallError:
    """409 for a bucket that still has objects."""
    return error(exceptions.Conflict, "conflict", "The bucket you tried to delete is not empty.")


def invalid(message: str) -> GoogleAPICallError:
    """400 for a value that the API refuses."""
    return error(exceptions.BadRequest, "invalid", message)


def required(parameter: str) -> GoogleAPICallError:
    """400 for a parameter that is missing."""
    return error(exceptions.BadRequest, "required", f"Required parameter: {parameter}")


def condition_not_met() -> GoogleAPICallError:
    """412 for a precondition."""
    message = "At least one of the pre-conditions you specified did not hold."
    return error(exceptions.PreconditionFailed, "conditionNotMet", message)


def not_modified() -> GoogleAPICallError:
    """304 for a read whose NotMatch matched."""
    return error(exceptions.NotModified, "notModified", "Not Modified")


def too_large(limit: int) -> GoogleAPICallError:
    """413 for a body over the limit, in bytes."""
    return error(PayloadTooLarge, "uploadTooLarge", f"The request body is over this emulator's limit of {limit} bytes.")


def not_built(method: str) -> GoogleAPICallError:
    """501 that names the method."""
    return error(exceptions.MethodNotImplemented, "notImplemented", f"{method} is not implemented by this emulator.")


def forbidden(reason: str, message: str) -> GoogleAPICallError:
    """403 with its reason."""
    return error(exceptions.Forbidden, reason, message)

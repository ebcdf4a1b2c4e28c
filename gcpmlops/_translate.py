"""From google.api_core, google.auth and requests exceptions to `gcpmlops.exceptions`."""

import re
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any

from gcpmlops import exceptions as ours

_PERMISSION = re.compile(
    r"[Pp]ermission ['\"]?([a-z]+\.[A-Za-z.]+)['\"]? denied|does not have ([a-z]+\.[A-Za-z.]+) access"
)
_PRINCIPAL = re.compile(r"([\w.+-]+@[\w.-]+\.\w+) does not have")
_PROJECT = re.compile(r"projects/([a-z0-9:.-]+)")
_ROLES = {
    "aiplatform.": "roles/aiplatform.user",
    "storage.buckets.": "roles/storage.admin",
    "storage.objects.": "roles/storage.objectAdmin",
    "bigquery.jobs.": "roles/bigquery.jobUser",
    "bigquery.": "roles/bigquery.dataEditor",
    "logging.": "roles/logging.viewer",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
}
_START_HINT = "Is the endpoint right and running? `gcpmlops config show` says where it comes from."
_LOGIN_HINT = (
    "Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file; "
    "for the local cloud: `gcpmlops emulator exec -- COMMAND`."
)


class Translated(ContextDecorator):
    """Re-raises what Google raised as the library's own exception, with the original as its cause."""

    def __init__(self, resource: str, next_step: str) -> None:
        self.resource, self.next_step = resource, next_step

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, Exception) and not isinstance(exc, ours.GcpMlopsError):
            translation = translate(exc, self.resource, self.next_step)
            if translation is not None:
                raise translation from exc


def translate(exc: Exception, resource: str = "", next_step: str = "") -> ours.GcpMlopsError | None:
    """The library's exception for one of Google's; None for an exception that is not Google's or the network's."""
    home = type(exc).__module__.partition(".")[0]
    if isinstance(exc, TimeoutError):  # a wait for an operation or a job that took longer than it was given
        return ours.DeadlineExceeded(_about(str(exc) or "timed out", resource), resource=resource, next_step=next_step)
    if home == "requests":
        return ours.Unavailable(_about(str(exc), resource), resource=resource, next_step=next_step or _START_HINT)
    if home != "google":
        return None
    from google.api_core import exceptions as theirs
    from google.auth import exceptions as auth

    if isinstance(exc, auth.GoogleAuthError):
        return _from_auth(exc, resource)
    if isinstance(exc, theirs.RetryError):
        return _from_retry(exc, resource, next_step)
    if isinstance(exc, theirs.GoogleAPICallError):
        return _from_call(exc, resource, next_step)
    return None


def _about(message: str, resource: str) -> str:
    named = not resource or re.search(rf"(?<![\w-]){re.escape(resource)}(?![\w-])", message)
    return message if named else f"{resource}: {message}"


def _from_auth(exc: Exception, resource: str) -> ours.GcpMlopsError:
    if type(exc).__name__ == "TransportError":
        return ours.Unavailable(_about(str(exc), resource), resource=resource, next_step=_START_HINT)
    return ours.Unauthenticated(str(exc), resource=resource, next_step=_LOGIN_HINT)


def _from_retry(exc: Any, resource: str, next_step: str) -> ours.GcpMlopsError:
    """A retry that gave up: what it last saw says more than that it gave up."""
    if isinstance(exc.cause, Exception):
        return translate(exc.cause, resource, next_step) or ours.Unavailable(str(exc), resource=resource)
    return ours.DeadlineExceeded(_about(str(exc), resource), resource=resource, next_step=next_step)


def _from_call(exc: Any, resource: str, next_step: str) -> ours.GcpMlopsError:
    from google.api_core import exceptions as theirs

    if isinstance(exc, theirs.Forbidden):
        return _permission_denied(exc, resource, next_step)
    if isinstance(exc, theirs.TooManyRequests):
        quota = str(_metadata(exc).get("quota_metric", ""))
        hint = next_step or "Ask for more under IAM & Admin > Quotas, or send fewer at a time."
        return ours.QuotaExceeded(_message(exc, resource), resource=resource, quota=quota, next_step=hint)
    for kind, target, hint in (
        (theirs.NotFound, ours.NotFound, ""),
        (theirs.PreconditionFailed, ours.FailedPrecondition, ""),
        (theirs.FailedPrecondition, ours.FailedPrecondition, ""),
        (theirs.Aborted, ours.FailedPrecondition, ""),
        (theirs.Conflict, _conflict(exc), ""),
        (theirs.Unauthorized, ours.Unauthenticated, _LOGIN_HINT),
        (theirs.MethodNotImplemented, ours.Unimplemented, ""),
        (theirs.GatewayTimeout, ours.DeadlineExceeded, ""),
        (theirs.BadGateway, ours.Unavailable, ""),
        (theirs.ServiceUnavailable, ours.Unavailable, _START_HINT),
        (theirs.BadRequest, ours.InvalidArgument, ""),
    ):
        if isinstance(exc, kind):
            return target(_message(exc, resource), resource=resource, next_step=next_step or hint)
    return ours.GcpMlopsError(_message(exc, resource), resource=resource, next_step=next_step)


def _conflict(exc: Any) -> type[ours.GcpMlopsError]:
    """HTTP 409 is both "exists already" and, from Storage and BigQuery, "not empty" or "in use"."""
    text = str(exc.message).lower()
    return ours.FailedPrecondition if "not empty" in text or "in use" in text else ours.AlreadyExists


def _message(exc: Any, resource: str) -> str:
    """The service's sentence, without the request line that the JSON clients put in front of it."""
    message = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) https?://\S+: ", "", str(exc.message))
    fields = [v for detail in exc.details or () for v in getattr(detail, "field_violations", ())]
    if fields and fields[0].field and fields[0].field not in message:
        message = f"{message} ({fields[0].field}: {fields[0].description})"
    return _about(message, resource)


def _metadata(exc: Any) -> dict[str, str]:
    """The metadata of google.rpc.ErrorInfo, empty where there is none."""
    info: Any = getattr(exc, "_error_info", None)
    return dict(info.metadata) if info else {}


def _permission_denied(exc: Any, resource: str, next_step: str) -> ours.PermissionDenied:
    message, metadata = str(exc.message), _metadata(exc)
    if getattr(exc, "reason", None) == "SERVICE_DISABLED":
        fix = f"gcloud services enable {metadata.get('service', 'SERVICE.googleapis.com')}"
        return ours.PermissionDenied(_message(exc, resource), resource=resource, fix=fix)
    found = _PERMISSION.search(message)
    permission = metadata.get("permission") or (next(g for g in found.groups() if g) if found else "")
    principal = match.group(1) if (match := _PRINCIPAL.search(message)) else ""
    role = next((role for prefix, role in _ROLES.items() if permission.startswith(prefix)), "") if permission else ""
    project = match.group(1) if (match := _PROJECT.search(f"{message} {resource}")) else "PROJECT"
    return ours.PermissionDenied(
        _message(exc, resource),
        resource=resource,
        permission=permission,
        role=role,
        principal=principal,
        fix=next_step or (_grant(project, principal, role) if role else ""),
    )


def _grant(project: str, principal: str, role: str) -> str:
    kind = "serviceAccount" if principal.endswith(".gserviceaccount.com") else "user"
    member = f"{kind}:{principal}" if principal else "user:YOU"
    return f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role}"

"""From google.api_core, google.auth and requests exceptions to `gcpmlops.exceptions`."""

import json
import re
from contextlib import ContextDecorator
from itertools import chain
from types import TracebackType
from typing import Any

from gcpmlops import exceptions as ours

_PERMISSION = re.compile(
    r"[Pp]ermission ['\"]?([a-z]+\.[A-Za-z.]+)['\"]? denied|does not have ([a-z]+\.[A-Za-z.]+) (?:access|permission)"
)
_DISABLED = re.compile(r"has not been used in project .*?/apis/api/([a-z]+\.googleapis\.com)")  # or it is disabled
_PRINCIPAL = re.compile(r"([\w.+-]+@[\w.-]+\.\w+) does not have")
_PROJECT = re.compile(r"projects/([a-z0-9:.-]+)|(?:Project|Dataset|Table) ([a-z0-9-]+):")
_ROLES = {
    "aiplatform.": "roles/aiplatform.user",
    "storage.buckets.": "roles/storage.admin",
    "storage.objects.": "roles/storage.objectAdmin",
    "bigquery.jobs.": "roles/bigquery.jobUser",
    "bigquery.": "roles/bigquery.dataEditor",
    "logging.": "roles/logging.viewer",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "iam.serviceAccounts.get": "roles/iam.serviceAccountTokenCreator",
    "iam.serviceAccounts.": "roles/iam.serviceAccountAdmin",
    "resourcemanager.projects.getIamPolicy": "roles/iam.securityReviewer",
    "resourcemanager.projects.get": "roles/browser",
    "resourcemanager.projects.": "roles/resourcemanager.projectIamAdmin",
    "serviceusage.": "roles/serviceusage.serviceUsageAdmin",
    "monitoring.": "roles/monitoring.editor",
    "pubsub.": "roles/pubsub.editor",
    "cloudscheduler.": "roles/cloudscheduler.admin",
    "cloudfunctions.": "roles/cloudfunctions.developer",
    "run.services.setIamPolicy": "roles/run.admin",
    "run.": "roles/run.developer",
    "cloudbuild.": "roles/cloudbuild.builds.editor",
    "artifactregistry.": "roles/artifactregistry.writer",
    "secretmanager.versions.access": "roles/secretmanager.secretAccessor",
    "secretmanager.": "roles/secretmanager.admin",
    "notebooks.": "roles/notebooks.admin",
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
    text = str(exc).replace("\\'", "'")
    if found := _PERMISSION.search(text):  # whom to impersonate is not for this caller to decide
        return _impersonation_denied(text, next(filter(None, found.groups())), resource)
    said = exc.args[0] if len(exc.args) > 1 and ":" in str(exc.args[0]) else exc  # else the reply says why
    return ours.Unauthenticated(str(said), resource=resource, next_step=_LOGIN_HINT)


def _impersonation_denied(text: str, permission: str, resource: str) -> ours.PermissionDenied:
    account = re.search(r"serviceAccounts/([^\s'\"]+)", text)
    email = account[1] if account else "ACCOUNT"
    fix = (
        f"gcloud iam service-accounts add-iam-policy-binding {email} --member=user:YOU "
        "--role=roles/iam.serviceAccountTokenCreator"
    )
    message = f"{email} may not be impersonated: {permission} is denied"
    return ours.PermissionDenied(
        message, resource=resource, permission=permission, role="roles/iam.serviceAccountTokenCreator", fix=fix
    )


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
    message = _sentence(exc)
    fields = [v for detail in exc.details or () for v in getattr(detail, "field_violations", ())]
    if fields and fields[0].field and fields[0].field not in message:
        message = f"{message} ({fields[0].field}: {fields[0].description})"
    return _about(message, resource)


def _sentence(exc: Any) -> str:
    """What the service said; an upload's error is the whole JSON reply."""
    message = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) https?://\S+: ", "", str(exc.message))
    if message.startswith("{"):
        try:
            return str(json.JSONDecoder().raw_decode(message)[0]["error"]["message"])
        except (ValueError, KeyError, TypeError):
            pass  # it only looked like one
    return message


def _metadata(exc: Any) -> dict[str, str]:
    """The metadata of google.rpc.ErrorInfo, empty where there is none."""
    info: Any = getattr(exc, "_error_info", None)
    if isinstance(info, dict):  # a JSON client's
        return dict(info.get("metadata", {}))
    return dict(info.metadata) if info else {}


def _permission_denied(exc: Any, resource: str, next_step: str) -> ours.PermissionDenied:
    message, metadata = _sentence(exc), _metadata(exc)
    disabled = _DISABLED.search(message)
    if _reason(exc) == "SERVICE_DISABLED" or disabled:
        api = metadata.get("service") or (disabled[1] if disabled else "SERVICE.googleapis.com")
        fix = f"gcloud services enable {api}"
        return ours.PermissionDenied(_message(exc, resource), resource=resource, fix=fix)
    found = _PERMISSION.search(message)
    permission = metadata.get("permission") or (next(g for g in found.groups() if g) if found else "")
    principal = match.group(1) if (match := _PRINCIPAL.search(message)) else ""
    role = _role(permission)
    place = metadata.get("resource") or resource
    match = _PROJECT.search(f"{place} {message} {resource}")
    project = next(filter(None, match.groups())) if match else "PROJECT"
    return ours.PermissionDenied(
        _message(exc, resource),
        resource=resource,
        permission=permission,
        role=role,
        principal=principal,
        fix=_grant(place, project, principal, role) if role else next_step,
    )


def _reason(exc: Any) -> str:
    """Of google.rpc.ErrorInfo."""
    info = getattr(exc, "_error_info", None)
    return str(info.get("reason", "")) if isinstance(info, dict) else str(getattr(exc, "reason", None) or "")


def _role(permission: str) -> str:
    """The least role that the set-up gives for it, otherwise the usual one of its API."""
    from gcpmlops._project.grants import RULES

    if not permission:
        return ""
    exact = (f"roles/{rule.role}" for rule in RULES if rule.permission == permission)
    usual = (role for prefix, role in _ROLES.items() if permission.startswith(prefix))
    return next(chain(exact, usual), "")


def _grant(resource: str, project: str, principal: str, role: str) -> str:
    """The command that grants it, on the smallest resource that the refusal names."""
    from gcpmlops._project import commands

    kind = "serviceAccount" if principal.endswith(".gserviceaccount.com") else "user"
    member = f"{kind}:{principal}" if principal else "user:YOU"
    parts = resource.removeprefix("gs:/").split("/")  # gs://B/O: "", B, O
    if parts[0] == "buckets" or resource.startswith("gs://"):
        place = f"gs://{parts[1]}"
    elif len(parts) > 3 and parts[2] == "datasets":
        place = f"{parts[1]}.{parts[3]}"
    elif len(parts) > 3 and parts[2] == "serviceAccounts":
        place = "/".join(parts[:4])
    elif "repositories" in parts:
        place = "/".join(parts[: parts.index("repositories") + 2])
    else:
        place = f"projects/{project}"
    return commands.grant(place, role, member).line

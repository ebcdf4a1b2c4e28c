"""One attempt of a job: the call, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import urljoin, urlsplit

from google.api_core import exceptions
from google.cloud.scheduler_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.services.outbound import Answer, Outbound, UnreachableError
from gcpmlops.emulator.services.scheduler import schedules
from gcpmlops.emulator.services.scheduler.checks import AGENT

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED = 0, 3, 4, 5, 7
RESOURCE_EXHAUSTED, ABORTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 8, 10, 12, 13, 14, 16
_CODES = {
    400: INVALID_ARGUMENT, 401: UNAUTHENTICATED, 403: PERMISSION_DENIED, 404: NOT_FOUND, 409: ABORTED,
    429: RESOURCE_EXHAUSTED, 500: INTERNAL, 501: UNIMPLEMENTED, 503: UNAVAILABLE, 504: DEADLINE_EXCEEDED,
}  # fmt: skip
_UNKNOWN = 2
_REASONS = {401: "ERROR_AUTHENTICATION", 403: "ERROR_AUTHENTICATION", 404: "ERROR_NOT_FOUND"}
_MOVED, _MOST_HOPS = (301, 302, 303, 307, 308), 5
_OURS = ("host", "content-length", "user-agent", "x-cloudscheduler", "x-cloudscheduler-jobname")


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        code: google.rpc.Code; 0 is success.
        debug: one sentence, as Cloud Logging has it.
        http: the status of the answer, 0 where there was none.
    """

    code: int
    debug: str
    http: int = 0


class Targets:
    """Sends attempts; threads share it.

    Args:
        outbound: calls to HTTP targets.
        publish: Pub/Sub's Publish, request to response.
    """

    def __init__(self, outbound: Outbound, publish: Callable[[Any], Any]) -> None:
        self._outbound = outbound
        self._publish = publish

    def attempt(self, job: types.Job, scheduled: datetime) -> Outcome:
        """Calls the job's target. Raises nothing: what went wrong is the outcome."""
        try:
            if "http_target" in job:
                return self._http(job, scheduled)
            if "pubsub_target" in job:
                return self._pubsub(job)
            return _app_engine(job)
        except Exception as error:  # noqa: BLE001 - of a target, whatever it is
            status = to_status(error)
            return Outcome(status.code, status.message)

    def _http(self, job: types.Job, scheduled: datetime) -> Outcome:
        target, seconds = job.http_target, job.attempt_deadline.total_seconds()
        headers = _headers(job, scheduled)
        if "oidc_token" in target:
            headers |= self._outbound.oidc(target.oidc_token.service_account_email, target.oidc_token.audience)
        elif "oauth_token" in target:
            headers |= self._outbound.oauth(target.oauth_token.service_account_email)
        method = target.http_method.name
        try:
            answer = self._following(method, target.uri, headers, target.body, seconds)
        except UnreachableError as error:
            if "no answer within" in str(error):
                return Outcome(DEADLINE_EXCEEDED, f"URL_TIMEOUT-TIMEOUT_WEB. {error}")
            return Outcome(UNAVAILABLE, f"URL_UNREACHABLE-UNREACHABLE_CONNECT. {error}")
        return _judged(answer.status)

    def _following(self, method: str, url: str, headers: dict[str, str], body: bytes, seconds: float) -> Answer:
        """What the last of its redirects answers counts; the token goes to no other host."""
        for _ in range(_MOST_HOPS):
            answer = self._outbound.send(method, url, headers=headers, body=body, timeout=seconds)
            where = {key.lower(): value for key, value in answer.headers.items()}.get("location")
            if answer.status not in _MOVED or not where:
                break
            before, url = url, urljoin(url, where)
            if urlsplit(before).netloc != urlsplit(url).netloc:
                headers = {key: value for key, value in headers.items() if key != "Authorization"}
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, body = "GET", b""
        return answer

    def _pubsub(self, job: types.Job) -> Outcome:
        from google.pubsub_v1 import types as pubsub

        target = job.pubsub_target
        message = pubsub.PubsubMessage(data=target.data, attributes=dict(target.attributes))
        try:
            self._publish(pubsub.PublishRequest(topic=target.topic_name, messages=[message]))
        except exceptions.GoogleAPICallError as error:
            status = to_status(error)
            return Outcome(status.code, status.message)
        return Outcome(OK, "")


def _headers(job: types.Job, scheduled: datetime) -> dict[str, str]:
    zone = schedules.zone_of(job.time_zone)
    own = {key: value for key, value in job.http_target.headers.items() if not _is_ours(key)}
    return own | {
        "User-Agent": AGENT,
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": job.name.rpartition("/")[2],
        "X-CloudScheduler-ScheduleTime": _rfc3339(scheduled, zone),
    }


def _is_ours(key: str) -> bool:
    lower = key.lower()
    return lower in _OURS or lower.startswith(("x-google-", "x-appengine-", "x-cloudscheduler-"))


def _rfc3339(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")


def _judged(status: int) -> Outcome:
    number = f"Original HTTP response code number = {status}"
    if 200 <= status < 300:
        return Outcome(OK, f"URL_CRAWLED. {number}", status)
    kind = "URL_UNREACHABLE-UNREACHABLE_5xx" if status >= 500 else f"URL_ERROR-{_REASONS.get(status, 'ERROR_OTHER')}"
    return Outcome(_CODES.get(status, _UNKNOWN), f"{kind}. {number}", status)


def _app_engine(job: types.Job) -> Outcome:
    project = names.project_of(job.name)
    return Outcome(NOT_FOUND, f"The project {project} has no App Engine application: App Engine is not emulated.")

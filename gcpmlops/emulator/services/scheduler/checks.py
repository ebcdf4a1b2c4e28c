"""What a job may say, and what it is filled up with, as Cloud Scheduler documents it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from google.api_core import exceptions
from google.cloud.scheduler_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.scheduler import schedules

Method = types.HttpMethod
_POST, _PUT, _PATCH = Method(Method.POST), Method(Method.PUT), Method(Method.PATCH)
ENABLED = types.Job.State(types.Job.State.ENABLED)
PAUSED = types.Job.State(types.Job.State.PAUSED)
JOB = "projects/{project}/locations/{location}/jobs/{job}"
AGENT = "Google-Cloud-Scheduler"
_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_LONGEST_URL, _LONGEST_DESCRIPTION, _MOST_RETRIES, _LARGEST_JOB = 2083, 500, 5, 1 << 20
_SECONDS = timedelta(seconds=1)
_DEADLINE = (15 * _SECONDS, 30 * 60 * _SECONDS)
_APP_DEADLINE = (15 * _SECONDS, timedelta(hours=24, seconds=15))
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def completed(job: types.Job) -> types.Job:
    """The job with its defaults. Raises: InvalidArgument naming the first field that can't be."""
    if not _ID.fullmatch(names.parse(JOB, job.name)["job"]):
        raise invalid("job.name", "a job's id has letters, digits, - and _, 500 at most.")
    if len(job.description) > _LONGEST_DESCRIPTION:
        raise invalid("job.description", f"longer than {_LONGEST_DESCRIPTION} characters.")
    job.time_zone = job.time_zone or "Etc/UTC"
    schedules.parse(job.schedule, job.time_zone)
    _retries(job)
    if "http_target" in job:
        _http(job)
    elif "pubsub_target" in job:
        _pubsub(job)
    elif "app_engine_http_target" in job:
        _app_engine(job)
    else:
        raise invalid("job.target", "required, but missing: http_target, pubsub_target or app_engine_http_target.")
    if types.Job.pb(job).ByteSize() > _LARGEST_JOB:
        raise invalid("job", "larger than 1 MB.")
    return job


def _retries(job: types.Job) -> None:
    config = job.retry_config
    if not 0 <= config.retry_count <= _MOST_RETRIES:
        raise invalid("job.retry_config.retry_count", f"{config.retry_count} is not between 0 and {_MOST_RETRIES}.")
    given = types.RetryConfig.pb(config)
    if config.max_doublings < 0:
        raise invalid("job.retry_config.max_doublings", f"{config.max_doublings} is negative.")
    config.max_doublings = config.max_doublings or 5
    for field, default in (("max_retry_duration", 0), ("min_backoff_duration", 5), ("max_backoff_duration", 3600)):
        value = getattr(given, field).ToTimedelta()
        if value < timedelta(0):
            raise invalid(f"job.retry_config.{field}", "it is negative.")
        setattr(config, field, value or default * _SECONDS)
    if config.min_backoff_duration > config.max_backoff_duration:
        raise invalid("job.retry_config.min_backoff_duration", "longer than max_backoff_duration.")
    job.retry_config = config


def _http(job: types.Job) -> None:
    target = job.http_target
    parts = urlsplit(target.uri)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(target.uri) > _LONGEST_URL:
        rule = f"an http:// or https:// URL of {_LONGEST_URL} characters at most"
        raise invalid("job.http_target.uri", f"{target.uri!r} is not {rule}.")
    target.http_method = _method(target)
    _body("job.http_target.body", target, (_POST, _PUT, _PATCH))
    target.headers["User-Agent"] = AGENT
    for kind in ("oidc_token", "oauth_token"):
        if kind in target and not _EMAIL.fullmatch(getattr(target, kind).service_account_email):
            raise invalid(f"job.http_target.{kind}.service_account_email", "expected the email of a service account.")
    if "oidc_token" in target:
        target.oidc_token.audience = target.oidc_token.audience or target.uri
    if "oauth_token" in target:
        target.oauth_token.scope = target.oauth_token.scope or "https://www.googleapis.com/auth/cloud-platform"
    _deadline(job, 180 * _SECONDS, *_DEADLINE)


def _pubsub(job: types.Job) -> None:
    target = job.pubsub_target
    topic = names.parse("projects/{project}/topics/{topic}", target.topic_name)
    if topic["project"] != names.project_of(job.name):
        raise invalid("job.pubsub_target.topic_name", f"{target.topic_name} is not in the job's project.")
    if not target.data and not target.attributes:
        raise invalid("job.pubsub_target", "a message has data or at least one attribute.")


def _app_engine(job: types.Job) -> None:
    target = job.app_engine_http_target
    target.relative_uri = target.relative_uri or "/"
    if not target.relative_uri.startswith("/") or " " in target.relative_uri or len(target.relative_uri) > _LONGEST_URL:
        raise invalid(
            "job.app_engine_http_target.relative_uri", f"{target.relative_uri!r} does not begin with a slash."
        )
    target.http_method = _method(target)
    if target.http_method in (Method.PATCH, Method.OPTIONS):
        raise invalid("job.app_engine_http_target.http_method", f"{target.http_method.name} is not permitted.")
    _body("job.app_engine_http_target.body", target, (_POST, _PUT))
    routing = target.app_engine_routing
    parts = [routing.instance, routing.version, routing.service, f"{names.project_of(job.name)}.appspot.com"]
    target.app_engine_routing.host = ".".join(filter(None, parts))
    _deadline(job, timedelta(0), *_APP_DEADLINE)


def _method(target: Any) -> Method:
    given = Method(target.http_method)
    return _POST if given == Method.HTTP_METHOD_UNSPECIFIED else given


def _body(field: str, target: Any, methods: tuple[Method, ...]) -> None:
    if not target.body:
        return
    if target.http_method not in methods:
        allowed = ", ".join(method.name for method in methods)
        raise invalid(field, f"{target.http_method.name} has no body; {allowed} may have one.")
    if not any(key.lower() == "content-type" for key in target.headers):
        target.headers["Content-Type"] = "application/octet-stream"


def _deadline(job: types.Job, default: timedelta, least: timedelta, most: timedelta) -> None:
    value = job.attempt_deadline or default
    if value and not least <= value <= most:
        raise invalid("job.attempt_deadline", f"{value.total_seconds():g} s is not between {least} and {most}.")
    job.attempt_deadline = value


def require_state(job: types.Job, *states: types.Job.State) -> None:
    """Raises: FailedPrecondition for a job in another state."""
    if job.state not in states:
        expected = " or ".join(state.name for state in states)
        raise exceptions.FailedPrecondition(f"Job {job.name} is {job.state.name}; it would have to be {expected}.")

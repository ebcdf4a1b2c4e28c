"""The message of a job, and what is certainly wrong about it before anybody is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gcpmlops._durations import Duration, seconds_of
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    from gcpmlops._google import scheduler_job

_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_ATOM = re.compile(r"(?:\*|([a-z]{3}|\d+)(?:-([a-z]{3}|\d+))?)(?:/(\d+))?")
_NAMES = {"month": "jan feb mar apr may jun jul aug sep oct nov dec", "day of the week": "sun mon tue wed thu fri sat"}
_ENGLISH = re.compile(r"every\b|[\w,]+ .*\d:\d\d$", re.IGNORECASE)
_METHODS = ("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
_WITH_BODY = ("POST", "PUT", "PATCH")
_MOST_RETRIES = 5
_DEADLINE = (15.0, 1800.0)  # seconds


@dataclass(frozen=True)
class Retries:
    """How a failed attempt is followed by others.

    Attributes:
        count: further attempts, 5 at most.
        max_duration: how long after the first attempt there may be others; none: no limit.
        min_backoff: the first pause.
        max_backoff: the longest pause.
        max_doublings: how often the pause is doubled, before it grows by equal steps.
    """

    count: int = 0
    max_duration: Duration | None = None
    min_backoff: Duration = "5s"
    max_backoff: Duration = "1h"
    max_doublings: int = 5

    def message(self) -> scheduler_job.RetryConfig:
        """Raises InvalidArgument."""
        from gcpmlops._google import scheduler_job

        if not 0 <= self.count <= _MOST_RETRIES:
            raise _wrong("retries", self.count, f"0 to {_MOST_RETRIES}")
        least, most = (_span(getattr(self, name), name) for name in ("min_backoff", "max_backoff"))
        if least > most:
            raise _wrong("min_backoff", self.min_backoff, f"at most max_backoff, {self.max_backoff}")
        return scheduler_job.RetryConfig(
            retry_count=self.count,
            max_retry_duration=timedelta(0) if self.max_duration is None else _span(self.max_duration, "max_duration"),
            min_backoff_duration=least,
            max_backoff_duration=most,
            max_doublings=self.max_doublings,
        )


@dataclass(frozen=True)
class Target:
    """What a job calls: a URL or a topic.

    Attributes:
        http: an http:// or https:// URL.
        topic: a topic's id in the job's project, or its full name.
        http_method: of the HTTP call.
        body: what is sent; a mapping as JSON.
        headers: of the HTTP call.
        attributes: of the message.
        service_account: who calls; the call carries a token of it.
        audience: for whom the token is; default: the URL.
    """

    http: str | None = None
    topic: str | None = None
    http_method: str = "POST"
    body: bytes | str | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    audience: str | None = None

    def message(self, project: str) -> dict[str, Any]:
        """The job's field. Raises InvalidArgument."""
        if (self.http is None) == (self.topic is None):
            raise _wrong("http, topic", (self.http, self.topic), "one of the two")
        return {"pubsub_target": self._pubsub(project)} if self.http is None else {"http_target": self._http(self.http)}

    def _http(self, url: str) -> Any:
        from gcpmlops._google import scheduler_target

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _wrong("http", url, "an http:// or https:// URL")
        if self.http_method not in _METHODS:
            raise _wrong("http_method", self.http_method, ", ".join(_METHODS))
        if self.attributes:
            raise _wrong("attributes", dict(self.attributes), "only with a topic")
        body, headers = self._body(), dict(self.headers)
        if body and self.http_method not in _WITH_BODY:
            raise _wrong("body", self.http_method, f"only with {', '.join(_WITH_BODY)}")
        if isinstance(self.body, Mapping) and not any(key.lower() == "content-type" for key in headers):
            headers["Content-Type"] = "application/json"
        method = getattr(scheduler_target.HttpMethod, self.http_method)
        target = scheduler_target.HttpTarget(uri=url, http_method=method, body=body, headers=headers)
        if self.service_account is not None:
            self._sign(target, parts.hostname, url)
        return target

    def _sign(self, target: Any, host: str, url: str) -> None:
        """Google's own APIs take access tokens, all others identity tokens."""
        if host.endswith(".googleapis.com"):
            target.oauth_token = {"service_account_email": self.service_account}
        else:
            target.oidc_token = {"service_account_email": self.service_account, "audience": self.audience or url}

    def _pubsub(self, project: str) -> Any:
        from gcpmlops._google import scheduler_target

        for name, default in (("headers", {}), ("service_account", None), ("audience", None)):
            if getattr(self, name) != default:
                raise _wrong(name, getattr(self, name), "only with http")
        body = self._body()
        if not body and not self.attributes:
            raise _wrong("body", self.body, "a message has a body or attributes")
        topic = str(self.topic)
        name = topic if topic.startswith("projects/") else f"projects/{project}/topics/{topic}"
        return scheduler_target.PubsubTarget(topic_name=name, data=body, attributes=dict(self.attributes))

    def _body(self) -> bytes:
        if isinstance(self.body, Mapping):
            return json.dumps(dict(self.body)).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body or b""


def check_id(job: str) -> str:
    """A job's id. Raises InvalidArgument."""
    if not _ID.fullmatch(job):
        raise _wrong("name", job, "letters, digits, - and _, 500 at most")
    return job


def check_schedule(schedule: str) -> str:
    """What can't be unix-cron is refused; App Engine's English is left to the service. Raises InvalidArgument."""
    if _ENGLISH.match(schedule.strip()):
        return schedule
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise _wrong("schedule", schedule, "five fields: minute, hour, day of the month, month, day of the week")
    for (name, low, high), text in zip(_FIELDS, fields, strict=True):
        if not all(_fits(part, name, low, high) for part in text.lower().split(",")):
            raise _wrong("schedule", schedule, f"a {name} from {low} to {high}, not {text}")
    return schedule


def check_time_zone(zone: str) -> str:
    """A name of the tz database, where this machine has one. Raises InvalidArgument."""
    import zoneinfo

    if zone.lower() == "utc":
        return "Etc/UTC"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        if known := zoneinfo.available_timezones():
            import difflib

            near = difflib.get_close_matches(zone, known, n=3) or ["Europe/Berlin", "America/New_York", "Etc/UTC"]
            raise _wrong("time_zone", zone, f"a name of the tz database, such as {', '.join(near)}") from None
    return zone


def deadline(value: Duration) -> timedelta:
    """How long an attempt may take. Raises InvalidArgument."""
    seconds = seconds_of(value, field="attempt_deadline")
    if not _DEADLINE[0] <= seconds <= _DEADLINE[1]:
        raise _wrong("attempt_deadline", value, "15 seconds to 30 minutes")
    return timedelta(seconds=seconds)


def _fits(part: str, name: str, low: int, high: int) -> bool:
    match = _ATOM.fullmatch(part)
    if match is None or match[3] == "0":
        return False
    known = _NAMES.get(name, "").split()
    bounds = [known.index(text) + low if text in known else text for text in match.groups()[:2] if text is not None]
    numbers = [int(bound) for bound in bounds if str(bound).isdigit()]
    return len(numbers) == len(bounds) and all(low <= number <= high for number in numbers)


def _span(value: Duration, name: str) -> timedelta:
    return timedelta(seconds=seconds_of(value, field=name))


def _wrong(name: str, value: object, allowed: str) -> InvalidArgument:
    return InvalidArgument(f"{name}: {value!r} can't be", field=name, value=value, allowed=allowed)

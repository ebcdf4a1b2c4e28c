"""One probe: what came back, and whether it is what the check wants."""

from __future__ import annotations

import base64
import socket
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from gcpmlops.emulator.kernel import hosts
from gcpmlops.emulator.services.functions import naming
from gcpmlops.emulator.services.monitoring.uptime import matchers
from gcpmlops.emulator.services.monitoring.uptime.checks import CLOUD_RUN
from gcpmlops.emulator.services.outbound import Answer, Outbound, UnreachableError

if TYPE_CHECKING:
    import httpx

_AGENT = "GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)"
_FORM = "application/x-www-form-urlencoded"
_HOPS = 5
_CLASS = {100: 1, 200: 2, 300: 3, 400: 4, 500: 5}  # StatusClass → hundreds; any is 1000


@dataclass(frozen=True)
class Outcome:
    """What a probe found.

    Attributes:
        passed: it is as the check wants.
        milliseconds: until the answer was whole, or the failure known.
        status: of HTTP; None: there was no answer, or it is no HTTP check.
        mismatch: the content is not as wanted; None: nobody looked.
        reason: why it did not pass.
        certificate_days: until the server's certificate expires, in real time; None: it showed none.
    """

    passed: bool
    milliseconds: float
    status: int | None = None
    mismatch: bool | None = None
    reason: str = ""
    certificate_days: float | None = None


class Prober:
    """Makes probes; threads share it.

    Args:
        outbound: reaches hosts, those of the emulator too.
        agent: the service account that calls where a check says so.
    """

    def __init__(self, outbound: Outbound, agent: str) -> None:
        self._outbound = outbound
        self._agent = agent
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}  # by whether they look at certificates

    def probe(self, config: Any) -> Outcome:
        """As an `UptimeCheckConfig` (protobuf) says, within its timeout."""
        timeout = config.timeout.ToTimedelta().total_seconds()
        host, began = _host(config.monitored_resource), time.perf_counter()
        try:
            if config.HasField("tcp_check"):
                with socket.create_connection((host, config.tcp_check.port), timeout):
                    return Outcome(True, _since(began))
            answer, days = self._answer(config.http_check, host, began + timeout)
        except (UnreachableError, OSError, ValueError) as error:  # headers, say, that can't be sent
            return Outcome(False, _since(began), reason=str(error) or type(error).__name__)
        return replace(_judged(config, answer, _since(began)), certificate_days=days)

    def close(self) -> None:
        """Ends its connections."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()

    def _answer(self, check: Any, host: str, until: float) -> tuple[Answer, float | None]:
        """The last of those that redirections lead to, and how many days its certificate is good for."""
        scheme = "https" if check.use_ssl else "http"
        url = f"{scheme}://{host}:{check.port}{check.path}"
        method, body, headers = ("POST" if check.request_method == 2 else "GET"), check.body, _headers(check)
        if check.HasField("service_agent_authentication"):
            audience = f"{scheme}://{host}{check.path.partition('?')[0].rstrip('/')}"
            headers |= self._outbound.oidc(self._agent, audience)
        for _ in range(_HOPS):
            left = until - time.perf_counter()
            if left <= 0:
                raise UnreachableError("no answer in time")
            answer, days = self._send(method, url, headers, body, left, strict=check.validate_ssl)
            if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                return answer, days
            url = urljoin(url, answer.headers["location"])
            if answer.status < 307:
                method, body = "GET", b""
        raise UnreachableError(f"more than {_HOPS} redirections")

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes, timeout: float, *, strict: bool
    ) -> tuple[Answer, float | None]:
        parts = urlsplit(url)
        if parts.scheme == "http" or hosts.is_served(parts.hostname or ""):
            return self._outbound.send(method, url, headers=headers, body=body, timeout=timeout), None
        import httpx

        try:
            with self._client(strict).stream(method, url, headers=headers, content=body, timeout=timeout) as answer:
                days = _days(answer.extensions["network_stream"].get_extra_info("ssl_object"))
                return Answer(answer.status_code, dict(answer.headers), answer.read()), days
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(str(error) or type(error).__name__) from None

    def _client(self, strict: bool) -> httpx.Client:
        """Certificates are not looked at unless a check says so."""
        import httpx

        with self._lock:
            if strict not in self._clients:
                self._clients[strict] = httpx.Client(verify=strict)
            return self._clients[strict]


def _days(connection: Any) -> float | None:
    """Until the certificate of a TLS connection expires."""
    from cryptography import x509

    data = connection.getpeercert(True) if connection is not None else None
    if data is None:
        return None
    left = x509.load_der_x509_certificate(data).not_valid_after_utc - datetime.now(UTC)
    return left.total_seconds() / 86400


def _host(resource: Any) -> str:
    """Of the resource that a check is about."""
    if resource.type != CLOUD_RUN:
        return str(resource.labels["host"])
    own = resource.labels
    service = f"projects/{own['project_id']}/locations/{own['location']}/services/{own['service_name']}"
    return urlsplit(naming.service_url(service)).hostname or ""


def _headers(check: Any) -> dict[str, str]:
    headers = {"User-Agent": _AGENT, **check.headers}
    if check.content_type:
        headers["Content-Type"] = _FORM if check.content_type == 1 else check.custom_content_type
    if check.auth_info.username:
        pair = f"{check.auth_info.username}:{check.auth_info.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


def _judged(config: Any, answer: Answer, milliseconds: float) -> Outcome:
    accepted = config.http_check.accepted_response_status_codes
    is_good = any(_accepts(each, answer.status) for each in accepted) if accepted else 200 <= answer.status < 300
    mismatch = None
    if config.content_matchers:  # the first one counts, as documented
        mismatch = not matchers.matches(config.content_matchers[0], answer.body)
    reason = "" if is_good else f"status {answer.status}"
    if is_good and mismatch:
        reason = "the content is not as wanted"
    return Outcome(is_good and not mismatch, milliseconds, answer.status, mismatch, reason)


def _accepts(each: Any, status: int) -> bool:
    if each.WhichOneof("status_code") == "status_value":
        return bool(each.status_value == status)
    return each.status_class == 1000 or _CLASS.get(each.status_class) == status // 100


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000

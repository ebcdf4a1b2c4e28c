"""Calls of a function, and what its answers mean."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gcpmlops import _id_tokens
from gcpmlops.clients import Clients
from gcpmlops.exceptions import (
    DeadlineExceeded,
    FunctionFailed,
    GcpMlopsError,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
    translated,
)

if TYPE_CHECKING:
    import requests

_KEPT_SECONDS = 300.0  # a token is made anew so long before it expires
_TEXT = 2000  # characters of an answer that an error shows


class Calls:
    """Calls with the caller's identity token, which is kept while it is good."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._tokens: dict[str, tuple[str, float]] = {}

    def call(
        self, name: str, url: str, data: Any, *, path: str, method: str, headers: Mapping[str, str], timeout: float
    ) -> Any:
        """The answer: JSON as Python values, else text."""
        sent = {"authorization": f"Bearer {self._token(url)}", **headers}
        body = data
        if data is not None and not isinstance(data, (bytes, str)):
            body = json.dumps(data).encode()
            sent.setdefault("content-type", "application/json")
        target = f"{url}/{path.lstrip('/')}" if path else url
        with translated(f"function {name}", next_step=_see(name)):
            reply = self._clients.request(method, target, headers=sent, data=body, timeout=timeout)
        if not reply.ok:
            raise _error(name, url, reply)
        return reply.json() if "json" in reply.headers.get("content-type", "") else reply.text

    def _token(self, audience: str) -> str:
        token, until = self._tokens.get(audience, ("", 0.0))
        if time.time() > until - _KEPT_SECONDS:
            token = _id_tokens.token(self._clients.credentials, audience)
            self._tokens[audience] = (token, _expiry(token))
        return token


def _error(name: str, url: str, reply: requests.Response) -> GcpMlopsError:
    status, text = reply.status_code, reply.text.strip()[:_TEXT]
    said = f"function {name} answered {status}: {text}"
    if reply.status_code == 401:
        return Unauthenticated(said, resource=name, next_step=f"The identity token must be for {url}.")
    if status == 403:
        fix = f"gcloud functions add-invoker-policy-binding {name} --member=MEMBER"
        permission, role = "run.routes.invoke", "roles/run.invoker"
        return PermissionDenied(said, resource=name, permission=permission, role=role, fix=fix)
    if status == 404 and "html" in reply.headers.get("content-type", ""):
        return NotFound(said, resource=name, next_step="See what there is with `gcpmlops functions list`.")
    if status == 429:
        return QuotaExceeded(said, resource=name, quota="max_instances", next_step="Deploy it with more max_instances.")
    if status == 503:
        return Unavailable(said, resource=name, next_step=_see(name))
    if status == 504:
        return DeadlineExceeded(said, resource=name, next_step=f"Deploy it with a longer timeout. {_see(name)}")
    return FunctionFailed(said, status=status, body=reply.content, resource=name, next_step=_see(name))


def _see(name: str) -> str:
    return f"See its log: `gcpmlops functions logs {name}`."


def _expiry(token: str) -> float:
    """As the token says; none: it is not kept."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
    except (ValueError, KeyError, TypeError):
        return 0.0

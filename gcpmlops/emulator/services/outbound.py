"""HTTP calls that the emulator makes on a user's behalf: scheduled ones, pushed messages, webhooks, uptime checks.

Hosts that the emulator serves itself (functions above all) are reached through its own port, others as this machine
reaches them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gcpmlops.emulator.kernel import hosts
from gcpmlops.emulator.kernel.auth import Authenticator

if TYPE_CHECKING:
    import httpx

_CONNECTIONS = 64  # kept open to each kind of target


class UnreachableError(Exception):
    """No answer came: refused, gone, or too late; the text says which."""


@dataclass(frozen=True)
class Answer:
    """What came back: any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Sends requests; threads share it.

    Args:
        authenticator: signs the tokens that calls carry.
        port: the emulator's own, once it is known.
    """

    def __init__(self, authenticator: Authenticator, port: Callable[[], int]) -> None:
        self._authenticator = authenticator
        self._port = port
        self._making = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float
    ) -> Answer:
        """One request, without following redirects; ``timeout`` is real seconds of silence.

        Raises: UnreachableError.
        """
        import httpx

        local = hosts.is_served(urlsplit(url).hostname or "")
        try:
            answer = self._client(local).request(
                method, url, headers=dict(headers or {}), content=body, timeout=timeout
            )
        except httpx.TimeoutException:
            raise UnreachableError(f"no answer within {timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(str(error) or type(error).__name__) from None
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    def oidc(self, email: str, audience: str) -> dict[str, str]:
        """The header of a call as a service account, to a function, say."""
        return {"Authorization": f"Bearer {self._authenticator.id_token(email, audience)}"}

    def oauth(self, email: str) -> dict[str, str]:
        """The header of a call as a service account to a Google API."""
        return {"Authorization": f"Bearer {self._authenticator.access_token(email)}"}

    def close(self) -> None:
        """Ends its connections."""
        with self._making:
            while self._clients:
                self._clients.popitem()[1].close()

    def _client(self, local: bool) -> httpx.Client:
        with self._making:
            if local not in self._clients:
                self._clients[local] = self._made(local)
            return self._clients[local]

    def _made(self, local: bool) -> httpx.Client:
        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=_CONNECTIONS)
        if not local:  # as this machine is told to reach them
            return httpx.Client(limits=limits)
        from gcpmlops.emulator.services.own_port import OwnPort

        return httpx.Client(limits=limits, trust_env=False, transport=OwnPort(self._port, limits))

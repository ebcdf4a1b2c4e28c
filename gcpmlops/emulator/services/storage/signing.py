"""V4 signed URLs: who signed a request's query, verified with the public half of this emulator's key."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from google.api_core import exceptions
from google.auth import crypt
from starlette.types import Scope

from gcpmlops.emulator.services.storage import errors

_ALGORITHM = "GOOG4-RSA-SHA256"
_LONGEST = 7 * 24 * 3600  # seconds
_SKEW = 15 * 60  # seconds that a signer's clock may be ahead


class SignedUrls:
    """Verifies signed URLs. Their validity is real time, as that of tokens.

    Args:
        public_key: PEM of the service account's certificate or public key.
        email: the service account that holds the private half.
        others: the public keys of any other account.
    """

    def __init__(
        self, public_key: str, email: str, *, others: Callable[[str], Iterable[str]] = lambda _: (),
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._public_key = public_key
        self._email = email
        self._others = others
        self._now = now

    def signer(self, scope: Scope) -> str | None:
        """The signing account's email, or None for a request that is not signed by its query.

        Raises: BadRequest when it expired, Forbidden when the signature is not this emulator's.
        """
        text: str = scope["query_string"].decode("latin-1")
        query = dict(parse_qsl(text, keep_blank_values=True))
        if "X-Goog-Signature" not in query:
            return None
        email, _, date_scope = query.get("X-Goog-Credential", "").partition("/")
        self._check_time(query)
        signed = "\n".join([_ALGORITHM, query["X-Goog-Date"], date_scope, _canonical_digest(scope, query)])
        signature = _from_hex(query["X-Goog-Signature"])
        keys = [self._public_key] if email == self._email else self._others(email)
        verified = any(crypt.RSAVerifier.from_string(key).verify(signed.encode(), signature) for key in keys)
        if query.get("X-Goog-Algorithm") != _ALGORITHM or not verified:
            message = f"Access denied. The signature of the URL is not of {email or 'a service account'} here."
            raise errors.forbidden("SignatureDoesNotMatch", message)
        return email

    def _check_time(self, query: Mapping[str, str]) -> None:
        try:
            signed = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
            lifetime = int(query["X-Goog-Expires"])
        except (KeyError, ValueError):
            raise errors.invalid("X-Goog-Date or X-Goog-Expires is missing or malformed.") from None
        if not 0 < lifetime <= _LONGEST or signed > self._now() + _SKEW:
            raise errors.invalid("X-Goog-Expires is at most 7 days, X-Goog-Date not in the future.")
        if self._now() > signed + lifetime:
            raise errors.error(exceptions.BadRequest, "ExpiredToken", "The provided token has expired.")


def _canonical_digest(scope: Scope, query: Mapping[str, str]) -> str:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    signed = query.get("X-Goog-SignedHeaders", "host")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed.split(";")]
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in query.items() if name != "X-Goog-Signature")
    path: str = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    payload = headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    canonical = [
        scope["method"],
        path,
        "&".join(f"{name}={value}" for name, value in pairs),
        *lines,
        "",
        signed,
        payload,
    ]
    return hashlib.sha256("\n".join(canonical).encode()).hexdigest()


def _escaped(text: str) -> str:
    return quote(text, safe="~")


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""

"""Who calls a package host: pip, twine and Docker know HTTP's Basic, with a token or a key file as the password."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any

from google.api_core import exceptions
from google.auth import crypt, jwt

from gcpmlops.emulator.kernel.auth import Authenticator, Caller

_TOKEN_USERS = ("oauth2accesstoken", "_token", "_dcgcloud_token")
_KEY_USERS = ("_json_key", "_json_key_base64")
_PROOF_S = 60  # for which the proof of a key is good


class Credentials:
    """Verifies what comes in an Authorization header."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def caller(self, header: str | None) -> Caller:
        """Raises: Unauthenticated."""
        scheme, _, value = (header or "").partition(" ")
        if scheme.lower() != "basic":
            return self._authenticator.caller(header)
        user, password = _basic(value)
        if user in _TOKEN_USERS:
            return self._authenticator.caller(f"Bearer {password}")
        if user in _KEY_USERS:
            return self._authenticator.caller(f"Bearer {_proof(_key(user, password))}")
        raise exceptions.Unauthenticated(
            f"User {user!r} is unknown: use oauth2accesstoken with an access token as the password, "
            "or _json_key_base64 with an encoded key file."
        )


def _basic(value: str) -> tuple[str, str]:
    try:
        user, found, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, found, password = "", "", ""
    if not found:
        raise exceptions.Unauthenticated("The Authorization header is malformed: expected Basic USER:PASSWORD.")
    return user, password


def _key(user: str, password: str) -> dict[str, Any]:
    try:
        text = base64.b64decode(password) if user.endswith("base64") else password.encode()
        key = json.loads(text)
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, dict):
        raise exceptions.Unauthenticated(f"The password of {user} is not a service account's key file.")
    return key


def _proof(key: dict[str, Any]) -> str:
    """A token that only who has the private key can make: the key's own account signs it."""
    now = int(time.time())
    claims = {"iss": key.get("client_email"), "sub": key.get("client_email"), "iat": now, "exp": now + _PROOF_S}
    audience = {"aud": "https://artifactregistry.googleapis.com/"}
    try:
        signer = crypt.RSASigner.from_service_account_info(key)
        signed: bytes = jwt.encode(signer, claims | audience)
    except (ValueError, KeyError) as error:
        raise exceptions.Unauthenticated(f"The key file can't be used: {error}") from None
    return signed.decode()

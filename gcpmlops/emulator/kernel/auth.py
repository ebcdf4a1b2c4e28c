"""Identity: keys of service accounts, the token endpoint, and who a bearer token belongs to.

Google APIs take access tokens; what stands behind Cloud Run takes identity tokens made for its URL.

Accepted are access tokens that this emulator gave out, and the self-signed RS256 JWTs that GAPIC clients make from a
key file without ever asking for a token. Validity is real time, whatever the injected clock says. Tokens of an account
that is deleted or disabled are refused, and so is what was signed with a key that is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from google.api_core import exceptions
from google.auth import crypt, jwt

from gcpmlops.emulator.kernel import keys
from gcpmlops.emulator.kernel.call import ANONYMOUS, Caller, current_call
from gcpmlops.emulator.kernel.keys import SystemKeys, write_private

__all__ = ["ANONYMOUS", "Authenticator", "Caller", "current_caller", "write_private"]

_PREFIX = "ya29.local."
LIFETIME = 3600  # seconds
_REUSED = 4096  # verified tokens that are remembered
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")


@dataclass(frozen=True)
class Identity:
    """What an identity token says: who, for whom; until when is real time."""

    email: str
    audience: str
    expires: float


def current_caller() -> Caller:
    """Who made the call that this thread answers."""
    return current_call().caller


class Directory(Protocol):
    """Who knows the service accounts that were made, and the keys that users have of them."""

    def check(self, email: str) -> None:
        """Raises Unauthenticated for an account that is deleted or disabled."""

    def public_key(self, email: str, key_id: str) -> str:
        """In PEM; raises LookupError for a key that is not there, not valid, or disabled."""

    def public_keys(self, email: str) -> dict[str, str]:
        """All that are valid, by key id."""


class Authenticator:
    """Gives out tokens and verifies them.

    Args:
        key: the key file of the emulator's own service account, as a dict.
        secret: signs access tokens; private to this emulator.
        system_keys: of all other accounts.

    ``directory`` is set once there are accounts to know of.
    """

    def __init__(
        self, key: dict[str, Any], public_key: str, secret: bytes, system_keys: SystemKeys | None = None
    ) -> None:
        self._key = key
        self.public_key = public_key
        self._secret = secret
        self.system_keys = system_keys
        self.directory: Directory | None = None
        self._verified: dict[str, tuple[Caller, float]] = {}
        self._identities: dict[tuple[str, str, bool], tuple[str, int]] = {}  # tokens as they were asked for, their time
        self._identified: dict[str, Identity] = {}

    @property
    def email(self) -> str:
        return str(self._key["client_email"])

    def caller(self, header: str | None) -> Caller:
        """The identity behind an ``Authorization`` header.

        Raises: Unauthenticated (401) for a token that is missing, foreign, broken or too old.
        """
        if not header or not header.lower().startswith("bearer "):
            raise exceptions.Unauthenticated(
                "Request is missing required authentication credential: expected an OAuth 2 access token. "
                "Run the command through `gcpmlops emulator exec`, or set what `gcpmlops emulator env` prints."
            )
        token = header[7:].strip()
        caller, expires = self._verified.get(token) or self._verify(token)
        if time.time() > expires:
            raise exceptions.Unauthenticated("The access token has expired: ask for a new one.")
        return caller

    def identity(self, token: str) -> Identity:
        """Who holds an identity token (a JWT of this emulator, as ``id_token`` makes it), and for which audience.

        Raises: Unauthenticated for one that is foreign, broken or too old.
        """
        found = self._identified.get(token)
        if found is None:
            claims = self._claims(token)
            if claims.get("iss") not in _ISSUERS:
                raise _refused(f"issuer {claims.get('iss')!r} gives out no identity tokens")
            found = Identity(
                str(claims.get("email") or claims.get("sub", "")), str(claims["aud"]), float(claims["exp"])
            )
            self._check(found.email)
            if len(self._identified) >= _REUSED:
                self._identified.clear()
            self._identified[token] = found
        if time.time() > found.expires:
            raise _refused("the identity token has expired")
        return found

    def certificates(self) -> dict[str, str]:
        """The public key by its id, as Google publishes its own: what verifies identity tokens."""
        return {str(self._key["private_key_id"]): self.public_key}

    def key_of(self, email: str) -> dict[str, Any]:
        """The key file of an account's system-managed key; the emulator's own account has but one."""
        if email == self.email or self.system_keys is None:
            return self._key
        return self.system_keys.of(email)

    def public_keys(self, email: str) -> dict[str, str]:
        """What verifies signatures of an account, in PEM by key id; nothing of one that is deleted or disabled."""
        if email == self.email:
            return self.certificates()
        try:
            self._check(email)
        except exceptions.Unauthenticated:
            return {}
        system = self.system_keys.find(email) if self.system_keys is not None else None
        own = {str(system["private_key_id"]): keys.public_of(system)} if system is not None else {}
        return own | (self.directory.public_keys(email) if self.directory is not None else {})

    def forget(self, email: str) -> None:
        """What was verified of an account is looked at again: it, or a key of it, is another now."""
        for token, (caller, _) in list(self._verified.items()):
            if caller.email == email:
                self._verified.pop(token, None)
        for token, identity in list(self._identified.items()):
            if identity.email == email:
                self._identified.pop(token, None)

    def sign(self, data: bytes, *, email: str = "") -> bytes:
        """The RSA-SHA256 signature of the account's key; without an email the emulator's own."""
        signature: bytes = _signer(self.key_of(email or self.email)).sign(data)
        return signature

    def sign_jwt(self, claims: dict[str, Any], *, email: str) -> str:
        """A JWT signed with the account's key; its header names the key."""
        signed: bytes = jwt.encode(_signer(self.key_of(email)), claims)
        return signed.decode()

    def access_token(self, email: str, *, lifetime: float = LIFETIME) -> str:
        """A token of this emulator for ``email``, valid for ``lifetime`` seconds."""
        claims = json.dumps({"email": email, "exp": time.time() + lifetime, "nonce": secrets.token_hex(4)})
        payload = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
        return f"{_PREFIX}{payload}.{self._signature(payload)}"

    def id_token(self, email: str, audience: str, *, with_email: bool = True) -> str:
        """A signed, JWT-shaped identity token; one that is good for half an hour yet is given again."""
        now, wanted = int(time.time()), (email, audience, with_email)
        token, made = self._identities.get(wanted, ("", 0))
        if now - made < LIFETIME // 2:
            return token
        claims: dict[str, Any] = {"iss": "https://accounts.google.com", "aud": audience, "azp": email, "sub": email}
        if with_email:
            claims |= {"email": email, "email_verified": True}
        signed: bytes = jwt.encode(_signer(self._key), claims | {"iat": now, "exp": now + LIFETIME})
        if len(self._identities) >= _REUSED:
            self._identities.clear()
        self._identities[wanted] = (signed.decode(), now)
        return signed.decode()

    def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """The token endpoint: a signed assertion for an access token (RFC 7523).

        Raises: Unauthenticated; InvalidArgument for another grant type.
        """
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise exceptions.InvalidArgument(f"unsupported_grant_type: {form.get('grant_type', '')!r}")
        claims = self._decode(form.get("assertion", ""))
        email = str(claims["iss"])
        audience = str(claims.get("target_audience", self._key["token_uri"]))
        reply = {"access_token": self.access_token(email), "expires_in": LIFETIME, "token_type": "Bearer"}
        return reply | {"id_token": self.id_token(email, audience), "scope": claims.get("scope", "")}

    def _verify(self, token: str) -> tuple[Caller, float]:
        claims = self._own(token) if token.startswith(_PREFIX) else self._decode(token)
        email = str(claims.get("email") or claims["iss"])
        self._check(email)
        project = email.partition("@")[2].partition(".")[0]
        if len(self._verified) >= _REUSED:
            self._verified.clear()
        verified = self._verified[token] = (Caller(email, project), float(claims["exp"]))
        return verified

    def _check(self, email: str) -> None:
        if self.directory is not None and email != self.email:
            self.directory.check(email)

    def _own(self, token: str) -> dict[str, Any]:
        payload, _, signature = token.removeprefix(_PREFIX).partition(".")
        if not hmac.compare_digest(signature, self._signature(payload)):
            raise _refused("its signature is not this emulator's")
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims

    def _claims(self, token: str, public_key: str = "") -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, certs=public_key or self.public_key))
        except (ValueError, KeyError) as error:  # google-auth's errors are ValueErrors
            raise _refused(str(error)) from None

    def _decode(self, token: str) -> dict[str, Any]:
        """The claims of a JWT that an account's key signed."""
        try:
            header, unverified = jwt.decode_header(token), jwt.decode(token, verify=False)
        except (ValueError, KeyError) as error:
            raise _refused(str(error)) from None
        email = str(unverified.get("iss"))
        self._check(email)
        try:
            public = self._public_key(email, str(header.get("kid", "")))
        except LookupError:
            raise _refused(f"issuer {email!r} has no such key here, or it is disabled") from None
        return self._claims(token, public)

    def _public_key(self, email: str, key_id: str) -> str:
        """Raises LookupError."""
        if email == self.email and key_id == self._key["private_key_id"]:
            return self.public_key
        system = self.system_keys.find(email) if self.system_keys is not None else None
        if system is not None and system["private_key_id"] == key_id and self.system_keys is not None:
            return self.system_keys.public(email)
        if self.directory is None:
            raise LookupError(key_id)
        return self.directory.public_key(email, key_id)

    def _signature(self, payload: str) -> str:
        return hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()


def _signer(key: dict[str, Any]) -> Any:
    return crypt.RSASigner.from_service_account_info(key)


def _refused(cause: str) -> exceptions.Unauthenticated:
    return exceptions.Unauthenticated(
        f"Request had invalid authentication credentials ({cause}). "
        "Use the key file that `gcpmlops emulator env` names."
    )


def load_key(path: Path, *, project: str) -> tuple[dict[str, Any], str]:
    """The service account's key file (made at the first start, 0600) and its public key in PEM."""
    if not path.exists():
        email = f"gcpmlops@{project}.iam.gserviceaccount.com"
        write_private(path, json.dumps(keys.make(email, project=project), indent=2))
    key: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return key, keys.public_of(key)


def load_secret(path: Path) -> bytes:
    """The key that signs access tokens (made at the first start, 0600)."""
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text("utf-8").encode()

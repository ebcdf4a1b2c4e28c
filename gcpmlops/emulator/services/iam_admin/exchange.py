"""``sts.googleapis.com``: a token of an identity provider for one of Google's (RFC 8693), without any key."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from google.api_core import exceptions
from google.auth import jwt

from gcpmlops.emulator.kernel.auth import LIFETIME, Authenticator
from gcpmlops.emulator.kernel.http import Receive, Scope, Send, read_body, reply
from gcpmlops.emulator.services.iam_admin.expressions import evaluate
from gcpmlops.emulator.services.iam_admin.pools import Pools, keys_of
from gcpmlops.emulator.settings import project_number

_JSON = {"content-type": "application/json; charset=UTF-8"}
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a kind of token, and no token
_JWTS = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")
_AUDIENCE = re.compile(
    r"//iam\.googleapis\.com/(projects/[^/]+/locations/global/workloadIdentityPools/[^/]+/providers/[^/]+)"
)


class Exchange:
    """The application; ``pools`` makes them when a token is first exchanged."""

    def __init__(self, pools: Callable[[], Pools], authenticator: Authenticator) -> None:
        self._pools = pools
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/v1/token":
            raise exceptions.MethodNotImplemented(f"sts {scope['path']} is not built in this emulator.")
        body = await read_body(receive)
        try:
            answer, status = await asyncio.to_thread(self.exchange, _form(body)), 200
        except exceptions.MethodNotImplemented:
            raise
        except exceptions.GoogleAPICallError as error:
            answer, status = {"error": "invalid_grant", "error_description": error.message}, 400
        await reply(status, orjson.dumps(answer), _JSON, send)

    def exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Raises: InvalidArgument saying what of the request or of its token is wrong."""
        if form.get("grant_type") != _GRANT or form.get("subject_token_type") not in _JWTS:
            raise exceptions.InvalidArgument("Expected are a grant_type of token-exchange and a JWT or an ID token.")
        found = _AUDIENCE.fullmatch(form.get("audience", ""))
        if found is None:
            raise exceptions.InvalidArgument(f'Invalid value for "audience": {form.get("audience", "")!r}.')
        provider = self._provider(found[1])
        claims = _claims(form.get("subject_token", ""), provider, form["audience"])
        principal = self._principal(found[1], provider, claims)
        token = self._authenticator.access_token(principal)
        return {
            "access_token": token,
            "issued_token_type": _ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": LIFETIME,
        }

    def _provider(self, name: str) -> dict[str, Any]:
        pool, provider = self._pools().find(name.rpartition("/providers/")[0]), self._pools().find(name)
        for each in (pool, provider):
            if each["state"] != "ACTIVE" or each.get("disabled"):
                raise exceptions.InvalidArgument(f"{each['name']} is deleted or disabled.")
        return provider

    def _principal(self, name: str, provider: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Who it is; the sets that it is in are remembered."""
        mapping = provider["attributeMapping"]
        mapped = {key: evaluate(text, {"assertion": claims}) for key, text in mapping.items()}
        named = {kind: _of_kind(mapped, kind) for kind in ("google", "attribute")}
        condition = provider.get("attributeCondition")
        if condition and evaluate(condition, {"assertion": claims, **named}) is not True:
            raise exceptions.InvalidArgument("The given credential is rejected by the attribute condition.")
        parts = name.split("/")
        number = parts[1] if parts[1].isdigit() else str(project_number(parts[1]))
        pool = f"iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{parts[5]}"
        sets = [f"principalSet://{pool}/*"]
        sets += [f"principalSet://{pool}/attribute.{key}/{value}" for key, value in named["attribute"].items()]
        principal = f"principal://{pool}/subject/{mapped['google.subject']}"
        self._pools().remember(principal, sets)
        return principal


def _of_kind(mapped: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in mapped.items() if key.startswith(f"{kind}.")}


def _claims(token: str, provider: Mapping[str, Any], audience: str) -> dict[str, Any]:
    oidc = provider.get("oidc")
    if oidc is None or not oidc.get("jwksJson"):
        raise exceptions.MethodNotImplemented(
            f"{provider['name']}: tokens are exchanged here of OIDC providers whose keys are given (jwksJson)."
        )
    allowed = oidc.get("allowedAudiences") or [audience, f"https:{audience}"]
    try:
        certificates = {str(key.get("kid", "")): _pem(key) for key in keys_of(oidc["jwksJson"])}
        claims = dict(jwt.decode(token, certs=certificates, audience=list(allowed)))
    except (ValueError, KeyError) as error:  # google-auth's errors are ValueErrors
        raise exceptions.InvalidArgument(f"The given credential is not valid: {error}.") from None
    if claims.get("iss") != oidc["issuerUri"]:
        raise exceptions.InvalidArgument(f"The issuer {claims.get('iss')!r} is not {oidc['issuerUri']!r}.")
    return claims


def _pem(key: Mapping[str, Any]) -> str:
    """Of an RSA key. Raises: ValueError for another."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if key.get("kty") != "RSA":
        raise ValueError(f"keys of type {key.get('kty')!r} are not understood here")
    made = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
    public = made.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _form(body: bytes) -> dict[str, str]:
    """A form with snake_case names, or JSON with camelCase ones."""
    text = body.decode("utf-8", "replace")
    if not text.lstrip().startswith("{"):
        return dict(parse_qsl(text))
    try:
        given = json.loads(text)
    except ValueError as error:
        raise exceptions.InvalidArgument(f"Invalid JSON payload received: {error}.") from None
    return {re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", key): str(value) for key, value in given.items()}

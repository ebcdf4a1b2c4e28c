"""The small hosts of identity, as ASGI applications: OAuth tokens, the metadata server."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel.auth import LIFETIME, Authenticator
from gcpmlops.emulator.kernel.http import Receive, Scope, Send, read_body, reply
from gcpmlops.emulator.settings import Settings

_JSON = {"content-type": "application/json; charset=UTF-8"}
_CERTIFICATES = re.compile(r"/(?:robot|service_accounts)/v1/metadata/x509/([^/]+)")
_METADATA = {"metadata-flavor": "Google", "server": "Metadata Server for VM"}


class OAuth:
    """``oauth2.googleapis.com`` and its older names."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        form = dict(parse_qsl(body.decode("utf-8", "replace")) + parse_qsl(scope["query_string"].decode("latin-1")))
        action = scope["path"].rstrip("/").rsplit("/", 1)[-1]
        if action == "token":
            await self._token(form, send)
        elif action in ("tokeninfo", "userinfo"):
            await reply(200, orjson.dumps(self._info(form, scope)), _JSON, send)
        elif action == "certs":
            await reply(200, orjson.dumps(self._authenticator.certificates()), _JSON, send)
        elif (found := _CERTIFICATES.fullmatch(scope["path"])) is not None:
            keys = await asyncio.to_thread(self._authenticator.public_keys, found[1])
            await reply(200, orjson.dumps(keys), _JSON, send)
        elif action == "revoke":
            await reply(200, b"{}", _JSON, send)
        else:
            raise exceptions.MethodNotImplemented(f"oauth2 {scope['path']} is not built in this emulator.")

    def _info(self, form: dict[str, str], scope: Scope) -> dict[str, Any]:
        if "id_token" in form:
            found = self._authenticator.identity(form["id_token"])
            return {"email": found.email, "email_verified": "true", "sub": found.email, "aud": found.audience}
        caller = self._authenticator.caller(f"Bearer {form.get('access_token') or _bearer(scope)}")
        return {"email": caller.email, "email_verified": True, "sub": caller.email, "expires_in": str(LIFETIME)}

    async def _token(self, form: dict[str, str], send: Send) -> None:
        try:
            answer, status = self._authenticator.exchange(form), 200
        except exceptions.GoogleAPICallError as error:
            answer, status = {"error": "invalid_grant", "error_description": error.message}, 400
        await reply(status, orjson.dumps(answer), _JSON, send)


class Metadata:
    """``metadata.google.internal``: what google-auth and gcloud ask a machine in the cloud."""

    def __init__(self, authenticator: Authenticator, settings: Settings) -> None:
        self._authenticator = authenticator
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix("/computeMetadata/v1").strip("/")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        body, content_type = self._value(path, query)
        await reply(200, body, {**_METADATA, "content-type": content_type}, send)

    def _value(self, path: str, query: dict[str, str]) -> tuple[bytes, str]:
        account = path.removeprefix("instance/service-accounts/").partition("/")[2]
        if path.startswith("instance/service-accounts/") and account:
            return self._account(account, query)
        email = self._authenticator.email
        plain = {
            "": "instance/\nproject/\n",
            "project/project-id": self._settings.project,
            "project/numeric-project-id": str(self._settings.project_number),
            "instance/zone": f"projects/{self._settings.project_number}/zones/{self._settings.location}-a",
            "instance/service-accounts": f"default/\n{email}/\n",
            "universe/universe-domain": "googleapis.com",
        }
        if path not in plain:
            raise exceptions.NotFound(f"The metadata server has no {path!r}.")
        return plain[path].encode(), "application/text"

    def _account(self, what: str, query: dict[str, str]) -> tuple[bytes, str]:
        email = self._authenticator.email
        if what == "token":
            token = self._authenticator.access_token(email)
            answer = {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}
            return orjson.dumps(answer), "application/json"
        if what == "identity":
            return self._authenticator.id_token(email, query.get("audience", "")).encode(), "application/text"
        if what == "email":
            return email.encode(), "application/text"
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        if what == "scopes":
            return scopes[0].encode(), "application/text"
        info = {"aliases": ["default"], "email": email, "scopes": scopes}
        return orjson.dumps(info), "application/json"


def _bearer(scope: Scope) -> str:
    value = next((value for key, value in scope["headers"] if key == b"authorization"), b"")
    return str(value.decode("latin-1").partition(" ")[2])

"""The HTTP/1.1 side: finds the service by host, authenticates, bounds the body, and answers.

One ASGI application; uvicorn's protocol class speaks HTTP. Hand-written services are ASGI applications themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel import errors, hosts
from gcpmlops.emulator.kernel.auth import ANONYMOUS, Authenticator, Caller
from gcpmlops.emulator.kernel.call import Call, answering
from gcpmlops.emulator.kernel.rest import RestApi

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

# Services that are asked before there is a token, or that look at tokens of another kind themselves.
_OPEN = {"oauth2", "sts", "metadata", "console", hosts.INVOCATION, hosts.PACKAGES}
_MAX_MESSAGE = 1024**3  # bytes that a GAPIC service's REST call may have, as over gRPC: they are held in memory
_END = object()


class Http:
    """The root application.

    Args:
        apps: hand-written services (ASGI) by short name: storage, bigquery, oauth2, metadata, console.
        rests: GAPIC services by short name: aiplatform, logging, cloudresourcemanager, ...
        pool: where blocking service methods run.
        max_body: bytes; a longer request body is answered 413.
        signer: who signed a URL that carries its own credential, None where it carries none.
    """

    def __init__(
        self,
        *,
        apps: Mapping[str, Asgi],
        rests: Mapping[str, RestApi],
        authenticator: Authenticator,
        pool: Executor,
        max_body: int,
        signer: Callable[[Scope], str | None] = lambda _: None,
    ) -> None:
        self._signer = signer
        self._apps = apps
        self._rests = rests
        self._authenticator = authenticator
        self._pool = pool
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._dispatch(scope, receive, send)
        except exceptions.GoogleAPICallError as error:
            await reply_error(error, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        service = _locate(scope, headers)
        caller = self._caller(service, scope, headers)
        limit = min(self._max_body, _MAX_MESSAGE) if service in self._rests else self._max_body
        limited = _bounded(headers, receive, limit)
        app = self._apps.get(service)
        if app is not None:
            scope.setdefault("state", {})["caller"] = caller
            await app(scope, limited, send)
        elif service in self._rests:
            call = Call(caller, headers=headers, host=_host(scope, headers))
            await self._rest(self._rests[service], call, scope, limited, send)
        else:
            raise exceptions.MethodNotImplemented(
                f"{headers.get('host', 'this host')}{scope['path']} is not served by this emulator; "
                "docs/coverage.md lists the services that are."
            )

    def _caller(self, service: str, scope: Scope, headers: Mapping[str, str]) -> Caller:
        authorization = headers.get("authorization")
        is_session = b"upload_id=" in scope["query_string"]  # a resumable session's URI is its own credential
        if service in _OPEN or (authorization is None and is_session):
            return ANONYMOUS
        if authorization is None and service == "cloudbuild" and scope["path"].endswith(":webhook"):
            return ANONYMOUS  # whoever knows the trigger's secret, which the service looks at
        if authorization is None and service == "storage" and (email := self._signer(scope)) is not None:
            return Caller(email, "")
        return self._authenticator.caller(authorization)

    async def _rest(self, rest: RestApi, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        raw_path = scope["raw_path"].decode("latin-1").split("?")[0][len(scope.get("root_path", "")) :]
        call.version = raw_path.lstrip("/").partition("/")[0]

        def run() -> tuple[str, bytes | Iterator[bytes]]:
            with answering(call):
                return rest(scope["method"], raw_path, scope["query_string"].decode("latin-1"), body)

        loop = asyncio.get_running_loop()
        try:
            content_type, content = await loop.run_in_executor(self._pool, run)
        except Exception as error:  # noqa: BLE001 - errors.py maps every one
            await reply_error(error, send)
            return
        extra = {"content-type": content_type, **call.reply_headers}
        if isinstance(content, bytes):
            await reply(200, content, extra, send)
        else:
            gone = asyncio.ensure_future(receive())  # resolves when the client hangs up
            call.is_active = lambda: not gone.done()
            try:
                await self._stream(content, extra, call, send)
            finally:
                gone.cancel()

    async def _stream(self, parts: Iterator[bytes], headers: dict[str, str], call: Call, send: Send) -> None:
        loop, context = asyncio.get_running_loop(), copy_context()

        def following() -> object:
            with answering(call):
                return next(parts, _END)

        await send({"type": "http.response.start", "status": 200, "headers": _encode(headers)})
        while (part := await loop.run_in_executor(self._pool, context.copy().run, following)) is not _END:
            if not call.is_active():
                return
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _locate(scope: Scope, headers: Mapping[str, str]) -> str:
    """The short service name; on the plain port a first path segment that names a host is taken off."""
    host, path = headers.get("host", "").rsplit(":", 1)[0].lower(), scope["path"]
    if hosts.is_served(host) or host == "metadata":
        return hosts.service_of(host, path)
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if hosts.is_served(first):
        scope["path"] = path[len(first) + 1 :] or "/"
        scope["root_path"] = scope.get("root_path", "") + f"/{first}"
        return hosts.service_of(first, scope["path"])
    if headers.get("metadata-flavor", "").lower() == "google":
        return "metadata"
    return hosts.service_by_path(path) or "console"


def _host(scope: Scope, headers: Mapping[str, str]) -> str:
    """The host that the caller means: on the plain port the first path segment may say so."""
    return str(scope.get("root_path", "")).strip("/") or headers.get("host", "").rsplit(":", 1)[0].lower()


def _bounded(headers: Mapping[str, str], receive: Receive, limit: int) -> Receive:
    """Counts the body: a longer one than ``limit`` bytes is 413, declared or not."""
    declared, total = headers.get("content-length", "0"), 0
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)

    async def counted() -> MutableMapping[str, Any]:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> exceptions.GoogleAPICallError:
    error: exceptions.GoogleAPICallError = exceptions.from_http_status(
        413, f"Request body is larger than {limit} bytes."
    )
    return error


async def read_body(receive: Receive) -> bytes:
    """The whole request body."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise exceptions.Cancelled("The client is gone.")
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def reply(status: int, body: bytes, headers: Mapping[str, str], send: Send) -> None:
    """Sends a whole response."""
    complete = {**headers, "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": status, "headers": _encode(complete)})
    await send({"type": "http.response.body", "body": body})


async def reply_error(error: BaseException, send: Send) -> None:
    """Sends an error in Google's JSON form."""
    status, body = errors.to_json(error)
    headers = {"content-type": "application/json; charset=UTF-8"}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    await reply(status, orjson.dumps(body), headers, send)


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]

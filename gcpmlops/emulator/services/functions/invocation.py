"""The URLs of functions, as an ASGI application within the event loop: authorise, pass on, log."""

from __future__ import annotations

import asyncio
import html
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.http import Receive, Scope, Send, read_body
from gcpmlops.emulator.runtimes.function_instance import Instance
from gcpmlops.emulator.runtimes.function_instances import Instances, NoInstanceError
from gcpmlops.emulator.runtimes.relay import Connection, Headers, chunk, request_head
from gcpmlops.emulator.services.functions import access, events
from gcpmlops.emulator.services.functions.logs import Append, RevisionLog
from gcpmlops.emulator.services.functions.served import Directory, Served

log = logging.getLogger(__name__)

_TRIES = 3
_MAX_EVENT = 64 << 20  # bytes
_TOLD = {
    404: ("Page not found", "The requested URL was not found on this server."),
    401: ("Unauthorized", "Your client does not have permission to the requested URL."),
    403: ("Forbidden", "Your client does not have permission to get this URL from this server."),
    429: ("Rate exceeded", "The request was aborted because there was no available instance."),
    500: ("Server Error", "The server encountered an error and could not complete your request."),
    503: ("Service Unavailable", "The request failed because the connection to the instance had an error."),
    504: ("Gateway Timeout", "upstream request timeout"),
}


class RefusedError(Exception):
    """The request gets an answer of the emulator's own: status, reason, further headers."""

    def __init__(self, status: int, reason: str, headers: Headers | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or []


@dataclass
class Exchange:
    """One request on its way."""

    scope: Scope
    receive: Receive
    send: Send
    served: Served
    target: bytes
    host: bytes
    begun: float = field(default_factory=time.perf_counter)
    execution: str = field(default_factory=lambda: secrets.token_urlsafe(9).replace("-", "x").replace("_", "y"))
    trace: str = ""
    body: bytes | None = None  # known before: an event's
    extra: Headers = field(default_factory=list)
    status: int = 0
    size: int = 0

    def headers(self) -> Headers:
        """The request's, as the function gets them."""
        given = dict(self.scope["headers"])
        traceparent = given.get(b"traceparent", b"")
        self.trace = traceparent.split(b"-")[1].decode("latin-1") if traceparent.count(b"-") == 3 else ""
        self.trace = self.trace or given.get(b"x-cloud-trace-context", b"").partition(b"/")[0].decode("latin-1")
        self.trace = self.trace or secrets.token_hex(16)
        client = (self.scope.get("client") or ("127.0.0.1",))[0] or "127.0.0.1"
        own: Headers = [
            (b"host", self.host),
            (b"x-forwarded-for", client.encode()),
            (b"x-forwarded-proto", b"https"),
            (b"forwarded", f'for="{client}";proto=https'.encode()),
            (b"function-execution-id", self.execution.encode()),
            *self.extra,
        ]
        if not traceparent:
            own.append((b"traceparent", f"00-{self.trace}-{secrets.token_hex(8)}-01".encode()))
            own.append((b"x-cloud-trace-context", f"{self.trace}/1;o=1".encode()))
        replaced = {name for name, _ in own} | ({b"content-length"} if self.body is not None else set())
        kept = [(name, value) for name, value in self.scope["headers"] if name not in replaced]
        if b"authorization" in given:
            kept = [(name, access.unsigned(value) if name == b"authorization" else value) for name, value in kept]
        return own + kept

    def drops(self, status: int) -> bool:
        """Whether it is an event that is not to be delivered again although it was not handled."""
        return self.body is not None and self.served.drops_failed_events and status >= 400 and status != 429

    async def reply(self, status: int, headers: Headers) -> None:
        """The reply's beginning."""
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def reply_body(self, part: bytes, *, more: bool) -> None:
        """A part of its body."""
        self.size += len(part)
        await self.send({"type": "http.response.body", "body": part, "more_body": more})


class Invocation:
    """``*.cloudfunctions.net`` and ``*.run.app``."""

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        agenda: Agenda,
        append: Append,
        permits: Callable[[str, str], bool] = lambda *_: False,
    ) -> None:
        self._directory = directory
        self._permits = permits
        self._authenticator = authenticator
        self._agenda = agenda
        self._append = append

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _host(scope)
        if not self._directory.complete.is_set():
            await asyncio.get_running_loop().run_in_executor(None, self._directory.complete.wait)
        found = self._directory.at(host, scope["path"])
        if found is None:
            await _tell(send, RefusedError(404, f"No function is served at https://{host}{scope['path']}."))
            return
        served, cut = found
        exchange = Exchange(scope, receive, send, served, _target(scope, cut), host.encode())
        name = f"invocation of {served.name}"
        self._agenda.begin(name)
        try:
            await self._answer(exchange)
        finally:
            self._agenda.end(name)

    async def _answer(self, exchange: Exchange) -> None:
        reason = ""
        try:
            self._authorise(exchange)
            if events.is_event(exchange.scope["query_string"]):
                await _as_event(exchange)
            await self._through(exchange)
        except RefusedError as error:
            reason = str(error)
            if not exchange.status:
                exchange.status = error.status
                await (_drop(exchange.send) if exchange.drops(error.status) else _tell(exchange.send, error))
        finally:
            self._log(exchange, reason)

    def _authorise(self, exchange: Exchange) -> None:
        refusal = access.check(self._authenticator, exchange.served, dict(exchange.scope["headers"]), self._permits)
        if refusal is not None:
            headers = [(b"www-authenticate", refusal.challenge.encode())] if refusal.challenge else []
            raise RefusedError(refusal.status, refusal.reason, headers)

    async def _through(self, exchange: Exchange) -> None:
        for _ in range(_TRIES):
            instance = await self._leased(exchange.served.instances)
            try:
                connection = await instance.connections.take()
            except OSError as error:  # it is just ending: the request goes to another one
                log.info("an instance of %s does not listen any more: %s", exchange.served.name, error)
                exchange.served.instances.release(instance, broken=True)
                continue
            await self._by(exchange, instance, connection)
            return
        raise RefusedError(503, "The request failed because the instances of the function end as soon as they start.")

    async def _leased(self, instances: Instances) -> Instance:
        try:
            return await instances.lease()
        except NoInstanceError:
            raise RefusedError(
                429,
                f"The request was aborted because there was no available instance: all {instances.limit} are busy.",
            ) from None
        except exceptions.GoogleAPICallError as error:
            reason = f"The request failed because no instance could be started: {error.message}"
            raise RefusedError(503, reason) from None

    async def _by(self, exchange: Exchange, instance: Instance, connection: Connection) -> None:
        """By one instance, within the function's time limit; one that hangs or broke off gets no more requests."""
        instances, broken = exchange.served.instances, True
        try:
            async with asyncio.timeout(instances.spec.timeout):
                await _pass_on(exchange, connection)
            broken = False
        except TimeoutError:
            raise RefusedError(
                504,
                "The request has been terminated because it has reached the maximum request timeout "
                f"({instances.spec.timeout:g} s).",
            ) from None
        except OSError as error:
            reason = f"The request failed because the connection to the instance had an error: {error}."
            raise RefusedError(503, reason) from None
        except RefusedError:
            broken = False
            raise
        finally:
            instance.connections.give(connection)
            instances.release(instance, broken=broken)

    def _log(self, exchange: Exchange, reason: str) -> None:
        scope, spec = exchange.scope, exchange.served.instances.spec
        headers = dict(scope["headers"])
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        http: dict[str, Any] = {
            "request_method": scope["method"],
            "request_url": f"https://{exchange.host.decode()}{scope['path']}{query}",
            "request_size": int(headers.get(b"content-length", b"0") or 0),
            "status": exchange.status or 499,
            "response_size": exchange.size,
            "user_agent": headers.get(b"user-agent", b"").decode("latin-1"),
            "remote_ip": (scope.get("client") or ("",))[0] or "",
            "protocol": "HTTP/1.1",
            "latency": time.perf_counter() - exchange.begun,
        }
        revision = RevisionLog(exchange.served.service, spec.revision, self._append)
        revision.request(http, trace=exchange.trace, execution=exchange.execution, reason=reason)


async def _pass_on(exchange: Exchange, connection: Connection) -> None:
    pump: asyncio.Task[None] | None = None
    try:
        pump = await _send_request(exchange, connection)
        head = await connection.head()
        await _reply(exchange, connection, head.status, head.headers)
    finally:
        if pump is not None and not pump.done():  # it answered before it had read everything
            pump.cancel()
            connection.close()


async def _send_request(exchange: Exchange, connection: Connection) -> asyncio.Task[None] | None:
    """Sends the head and what is there of the body; a task sends what is still to come."""
    method = exchange.scope["method"].encode()
    headers, more, body = exchange.headers(), False, exchange.body
    if body is None:
        message = await exchange.receive()
        body, more = message.get("body", b""), message.get("more_body", False)
    sized = any(name == b"content-length" for name, _ in headers)
    if not sized and not more and (body or exchange.body is not None):
        headers.append((b"content-length", str(len(body)).encode()))
        sized = True
    chunked = more and not sized
    head = request_head(method, exchange.target, headers, chunked=chunked)
    connection.begin(method, head + (chunk(body) if chunked and body else body))
    if not more:
        return None
    return asyncio.ensure_future(_pump(exchange.receive, connection, chunked=chunked))


async def _pump(receive: Receive, connection: Connection, *, chunked: bool) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            connection.close()
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if body:
            await connection.write(chunk(body) if chunked else body)
    if chunked:
        await connection.write(chunk(b""))


async def _reply(exchange: Exchange, connection: Connection, status: int, headers: Headers) -> None:
    if exchange.drops(status):
        async for _ in connection.body():
            pass
        raise RefusedError(status, f"The function answered {status}; the event is not delivered again: DO_NOT_RETRY.")
    whole = connection.take_whole()
    if whole is not None:
        if not any(name == b"content-length" for name, _ in headers) and exchange.scope["method"] != "HEAD":
            headers = [*headers, (b"content-length", str(len(whole)).encode())]
        await exchange.reply(status, headers)
        await exchange.reply_body(whole, more=False)
        return
    await exchange.reply(status, headers)
    async for part in connection.body():
        await exchange.reply_body(part, more=True)
    await exchange.reply_body(b"", more=False)


async def _as_event(exchange: Exchange) -> None:
    query = exchange.scope["query_string"]
    declared = dict(exchange.scope["headers"]).get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > _MAX_EVENT:
        raise RefusedError(413, "The event is too large.")
    try:
        extra, exchange.body = events.rewritten(query, await read_body(exchange.receive))
    except exceptions.InvalidArgument as error:
        raise RefusedError(400, str(error.message)) from None
    exchange.extra = extra
    exchange.target = exchange.target.partition(b"?")[0]


def _host(scope: Scope) -> str:
    """On the plain port the first path segment may name it."""
    named = scope.get("root_path", "").strip("/")
    if not named:
        given: bytes = dict(scope["headers"]).get(b"host", b"")
        named = given.decode("latin-1").rpartition(":")[0] or given.decode("latin-1")
    return str(named).lower()


def _target(scope: Scope, cut: int) -> bytes:
    """Path and query for the function: its own name is taken off."""
    raw: bytes = scope["raw_path"].partition(b"?")[0]
    path = raw[len(scope.get("root_path", "")) + cut :] or b"/"
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


async def _drop(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _tell(send: Send, refused: RefusedError) -> None:
    """An answer of the front's own, as Cloud Run shows it, and why."""
    title, text = _TOLD.get(refused.status, ("Error", ""))
    body = (
        f"<html><head><title>{refused.status} {title}</title></head><body><h1>Error: {title}</h1>"
        f"<h2>{text}</h2><p>{html.escape(str(refused))}</p></body></html>\n"
    ).encode()
    headers = [(b"content-type", b"text/html; charset=UTF-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refused.status, "headers": [*headers, *refused.headers]})
    await send({"type": "http.response.body", "body": body})

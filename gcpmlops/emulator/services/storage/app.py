"""Cloud Storage over HTTP: the JSON API, its batch endpoint, and the XML API, as one ASGI app."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

from google.api_core import exceptions
from starlette.types import Receive, Scope, Send

from gcpmlops.emulator.kernel.errors import to_json
from gcpmlops.emulator.services.storage import batch, errors, xml
from gcpmlops.emulator.services.storage.call import Call, Disconnected, Guard, Reply
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.storage.routes import ROUTES, Router
from gcpmlops.emulator.services.storage.threads import POOL, in_pool

_THREADS = 8
_JSON_PATHS = ("/storage/v1", "/upload/storage/v1", "/download/storage/v1", "/resumable/upload/storage/v1")
_BATCH_PATHS = ("/batch/storage/v1", "/batch")


class StorageApp:
    """The storage.googleapis.com host.

    Args:
        engine: the store; its owner closes it.
        max_body_bytes: limit of one request's body.
        guard: asks whether the caller may.
    """

    def __init__(self, engine: StorageEngine, *, max_body_bytes: int, guard: Guard | None = None) -> None:
        self._guard = guard
        self._engine = engine
        self._limit = max_body_bytes
        self._router = Router(ROUTES)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        POOL.set(self._pool)
        call = Call(scope, receive, self._engine, self._limit)
        call.guard = self._guard
        path = raw_path(scope)
        with contextlib.suppress(Disconnected):  # nobody is left to answer
            reply = await self._reply(call, path)
            try:
                await reply.send(send, head=call.method == "HEAD")
            finally:
                reply.close()

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    async def answer(self, call: Call, path: str) -> Reply:
        """The JSON API's reply, errors included: what a batch asks for each of its parts."""
        try:
            return await self._json(call, path)
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 - every error becomes the reply that Google's clients understand
            return error_reply(error)

    async def _reply(self, call: Call, path: str) -> Reply:
        if path in _BATCH_PATHS and call.method == "POST":
            try:
                return await batch.run(call, self.answer)
            except exceptions.GoogleAPICallError as error:
                return error_reply(error)
        if path.startswith(_JSON_PATHS):
            return await self.answer(call, path)
        return await xml.answer(call, path)

    async def _json(self, call: Call, path: str) -> Reply:
        refuse_customer_keys(call)
        found = self._router.find("GET" if call.method == "HEAD" else call.method, path)
        if found is None:
            raise errors.error(exceptions.NotFound, "notFound", f"Not Found: {call.method} {path}")
        route, waits, call.path = found
        handler = route.handler
        if handler is None:
            raise errors.not_built(route.method)
        if self._guard is not None:
            self._guard.before(route.method, call.path, call)
        if waits:
            reply: Reply = await handler(call)  # type: ignore[misc]  # ``waits`` says that it is a coroutine
            return reply
        if call.method in ("POST", "PUT", "PATCH"):
            call.body = await call.read()
        reply = await in_pool(handler, call)  # type: ignore[arg-type]  # it is not a coroutine
        if self._guard is not None:
            self._guard.after(route.method)
        return reply


def raw_path(scope: Scope) -> str:
    """The still encoded path behind the prefix that led here."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    root: str = scope.get("root_path", "")
    if root and path.startswith(root + "/") and not scope["path"].startswith(root + "/"):
        return path[len(root) :]
    return path


def refuse_customer_keys(call: Call) -> None:
    """Contents are not encrypted here; to take a key and ignore it would be a lie."""
    if any(name.startswith(b"x-goog-encryption-") for name, _ in call.scope["headers"]):
        raise errors.not_built("Customer-supplied encryption keys")


def error_reply(error: Exception) -> Reply:
    """An error as the JSON API shows it; 304 has no body."""
    if isinstance(error, exceptions.NotModified):
        return Reply(304)
    status, body = to_json(error)
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Reply(status, {"content-type": "application/json; charset=UTF-8"}, content)

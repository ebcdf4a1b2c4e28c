"""One HTTP request and its reply."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qs

from google.api_core import exceptions
from starlette.types import Receive, Scope, Send

from gcpmlops.emulator.services.storage import errors, fields
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.storage.preconditions import Preconditions, from_query, number
from gcpmlops.emulator.services.storage.records import Json

_EMPTY: dict[str, str] = {}


class Disconnected(Exception):  # noqa: N818 - an event of the connection, not a fault
    """The client went away before its request was complete."""


@dataclass(slots=True)
class Reply:
    """Status, headers (names in lower case) and body: bytes, or a stream of them from a file that ``close`` closes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    file: BinaryIO | None = None

    def close(self) -> None:
        """Whether it was sent or not."""
        if self.file is not None:
            self.file.close()

    async def send(self, send: Send, *, head: bool = False) -> None:
        """Sends it; ``head`` sends no body."""
        if self.stream is None and self.status != 304:
            self.headers.setdefault("content-length", str(len(self.body)))
        raw = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        if self.stream is not None and not head:
            async for piece in self.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if head or self.stream else self.body})


class Guard(Protocol):
    """Asks whether the caller may: services/access/storage.py."""

    def before(self, method: str, path: dict[str, str], call: Any) -> None: ...
    def before_xml(self, verb: str, kind: str, bucket: str, name: str, call: Any) -> None: ...
    def after(self, method: str) -> None: ...
    def granted(self, permissions: list[str], resource: str, call: Any) -> list[str]: ...


class Call:
    """A request with what handlers ask of it.

    Attributes:
        path: variables of the matched route, decoded.
        body: the whole body, read before a synchronous handler runs.
    """

    def __init__(self, scope: Scope, receive: Receive, engine: StorageEngine, limit: int) -> None:
        self.scope = scope
        self.engine = engine
        self.limit = limit
        self.method: str = scope["method"]
        self.path: dict[str, str] = _EMPTY
        self.body = b""
        self.complete = False
        self.guard: Guard | None = None
        self._receive = receive

    @cached_property
    def headers(self) -> dict[str, str]:
        return {name.decode("latin-1").lower(): _text(value) for name, value in self.scope["headers"]}

    @cached_property
    def queries(self) -> dict[str, list[str]]:
        return parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @cached_property
    def params(self) -> dict[str, str]:
        """Query parameters; the last value of a repeated one."""
        return {name: values[-1] for name, values in self.queries.items()}

    @cached_property
    def base(self) -> str:
        """Scheme and host, and the prefix that led here: what absolute links begin with."""
        host = self.headers.get("host", "storage.googleapis.com")
        return f"{self.scope.get('scheme', 'http')}://{host}{self.scope.get('root_path', '')}"

    @property
    def project(self) -> str:
        """The caller's project."""
        caller = self.scope.get("state", {}).get("caller")
        return caller.project if caller is not None else self.engine.project

    def granted(self, permissions: list[str], resource: str) -> list[str]:
        """Those that the caller has on buckets/B[/objects/O]; where nobody guards, all."""
        return permissions if self.guard is None else self.guard.granted(permissions, resource, self)

    @property
    def conditions(self) -> Preconditions:
        return from_query(self.params)

    @property
    def generation(self) -> int | None:
        return number(self.params, "generation")

    @property
    def full(self) -> bool:
        return self.params.get("projection") == "full"

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() == "true"

    @property
    def length(self) -> int | None:
        """Content-Length, or None for a chunked body."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdigit() else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises PayloadTooLarge over the limit, Disconnected when it is cut off."""
        if (self.length or 0) > self.limit:
            raise errors.too_large(self.limit)
        size = 0
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            self.complete = not message.get("more_body", False)
            data: bytes = message.get("body", b"")
            size += len(data)
            if size > self.limit:
                raise errors.too_large(self.limit)
            if data:
                yield data

    async def read(self) -> bytes:
        """The whole body, for requests that are small by nature."""
        pieces = [piece async for piece in self.chunks()]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def json(self) -> Json:
        """The body as an object; {} when there is none. Raises BadRequest."""
        return parse_json(self.body)

    def reply(self, resource: Any, status: int = 200, **headers: str) -> Reply:
        """A JSON reply, cut to the ``fields`` asked for."""
        if (mask := self.params.get("fields")) is not None:
            resource = fields.project(resource, fields.parse(mask))
        body = json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        return Reply(status, {"content-type": "application/json; charset=UTF-8", **headers}, body)


def parse_json(body: bytes) -> Json:
    """A JSON object. Raises BadRequest."""
    if not body:
        return {}
    try:
        document = json.loads(body)
    except ValueError:
        raise errors.error(exceptions.BadRequest, "parseError", "Parse Error") from None
    if not isinstance(document, dict):
        raise errors.error(exceptions.BadRequest, "parseError", "Parse Error")
    return document


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")

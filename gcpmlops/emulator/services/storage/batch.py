"""Batches: many JSON API requests in one multipart/mixed body, answered in order."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.types import Message, Scope

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.call import Call, Reply
from gcpmlops.emulator.services.storage.multipart import boundary_of, part_headers

Answer = Callable[[Call, str], Awaitable[Reply]]
MAX_PARTS = 1000  # the service's documented limit is 100; older clients send more
_BLANK = re.compile(rb"\r?\n\r?\n")
_REQUEST = re.compile(rb"([A-Z]+) +(\S+)(?: +HTTP/[\d.]+)?[ \t]*\r?\n?")


async def run(call: Call, answer: Answer) -> Reply:
    """Runs every part by itself; a failing one fails alone. Raises BadRequest for a body that is no batch."""
    parts = split(await call.read(), boundary_of(call.headers.get("content-type", "")))
    if not 0 < len(parts) <= MAX_PARTS:
        raise errors.invalid(f"A batch has 1 to {MAX_PARTS} parts, not {len(parts)}.")
    boundary = f"batch_{uuid4().hex}"
    body = b""
    for part in parts:
        content_id, inner, path = _request(call, part)
        body += _part(boundary, content_id, await answer(inner, path))
    return Reply(200, {"content-type": f"multipart/mixed; boundary={boundary}"}, body + f"--{boundary}--\r\n".encode())


def split(body: bytes, boundary: bytes) -> list[bytes]:
    """The parts between the boundaries, without the line breaks that belong to those."""
    pattern = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r?\n|\Z)")
    return [part for part in pattern.split(body) if part.strip()]


def _request(call: Call, part: bytes) -> tuple[str, Call, str]:
    """The part's Content-ID, and its request as a call with the batch's own host and caller."""
    envelope, request = _halves(part)
    match = _REQUEST.match(request)
    if match is None:
        raise errors.invalid("Failed to parse batch request: a part holds no HTTP request.")
    headers, body = _halves(request[match.end() :])
    verb, target = match.group(1).decode(), match.group(2).decode("latin-1")
    path, _, query = target.partition("?")
    if "://" in path:
        path = urlsplit(path).path
    path = path.removeprefix(call.scope.get("root_path", ""))
    inner = {name: value for name, value in part_headers(headers).items() if name != "host"}
    inner["host"] = call.headers.get("host", "storage.googleapis.com")
    scope: Scope = {
        **call.scope,
        "method": verb,
        "path": path,
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode()) for name, value in inner.items()],
    }
    return part_headers(envelope).get("content-id", ""), Call(scope, _once(body), call.engine, call.limit), path


def _halves(text: bytes) -> tuple[bytes, bytes]:
    """Headers and what follows the first blank line; a text that begins with one has no headers."""
    if text[:1] in (b"\r", b"\n"):
        return b"", text.lstrip(b"\r\n") if not text.strip() else re.sub(rb"\A\r?\n", b"", text)
    pieces = _BLANK.split(text, maxsplit=1)
    return pieces[0], pieces[1] if len(pieces) > 1 else b""


def _once(body: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _part(boundary: str, content_id: str, reply: Reply) -> bytes:
    if reply.stream is not None:
        raise errors.invalid("A batch can't hold uploads and downloads.")
    inner = content_id.strip("<>")
    lines = [f"--{boundary}", "Content-Type: application/http"]
    if content_id:
        lines.append(f"Content-ID: <response-{inner}>")
    reply.headers.setdefault("content-length", str(len(reply.body)))
    phrase = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else ""
    lines += ["", f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in reply.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body + b"\r\n"

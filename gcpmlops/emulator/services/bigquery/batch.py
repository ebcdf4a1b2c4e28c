"""multipart/mixed batches: each part is a request, answered through the same app."""

from __future__ import annotations

import re
import uuid
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from gcpmlops.emulator.services.bigquery.errors import BigQueryError


class App(Protocol):
    """An ASGI app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


async def answer(app: App, request: Request, body: bytes) -> Response:
    """Raises invalid where the body has no parts."""
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if found is None:
        raise BigQueryError("invalid", "Failed to parse batch request, error: boundary not found")
    boundary = f"batch_{uuid.uuid4().hex}"
    out = []
    for part in body.split(b"--" + found.group(1).encode())[1:-1]:
        head, _, inner = part.lstrip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        key = re.search(rb"(?im)^content-id:\s*<?([^>\n]+)>?", head)
        out.append(_part(boundary, key.group(1).decode() if key else "", await _one(app, request, inner)))
    content = b"".join(out) + f"--{boundary}--\r\n".encode()
    return Response(content, media_type=f"multipart/mixed; boundary={boundary}")


async def _one(app: App, outer: Request, inner: bytes) -> bytes:
    head, _, body = inner.partition(b"\n\n")
    first, *lines = head.decode().splitlines()
    method, target, *_ = first.split(" ")
    path, _, query = target.partition("?")
    path = re.sub(r"^https?://[^/]+", "", path)
    headers = [
        (name.strip().lower().encode(), value.strip().encode())
        for name, _, value in (line.partition(":") for line in lines)
    ]
    headers = [pair for pair in headers if pair[0] != b"host"] + [(b"host", outer.headers.get("host", "").encode())]
    root = outer.scope.get("root_path", "")
    scope = {
        **outer.scope,
        "method": method,
        "path": root + path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    status, reply = await _exchange(app, scope, body)
    return (
        f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(reply)}\r\n\r\n".encode()
        + reply
    )


async def _exchange(app: App, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    status, parts = 500, []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)


def _part(boundary: str, key: str, reply: bytes) -> bytes:
    return (
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{key}>\r\n\r\n".encode()
        + reply
        + b"\r\n"
    )

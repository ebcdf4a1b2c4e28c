"""The container contract of Vertex AI prediction: a health route and a predict route.

`{"instances": [...]}` → `{"predictions": [...]}`; what the model refuses is 400 with `{"error": TEXT}`.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from .codec import decode, encode
from .models import Model, PredictionError

# A hop to another thread costs about 0.1 ms; predicting here is cheaper while it keeps the loop for less than this.
INLINE_SECONDS = 0.02
INLINE_ROWS = 64

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Reply = tuple[int, bytes]


class RequestError(Exception):
    """The request body is not what the contract says."""


class PredictionApp:
    """ASGI application over one loaded model."""

    def __init__(self, model: Model, *, health_route: str, predict_route: str) -> None:
        self.model = model
        self.health_route = health_route
        self.predict_route = predict_route
        self.last_seconds = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == self.predict_route and method == "POST":
            status, body = await self.predict(await read(receive))
        elif path == self.health_route and method in ("GET", "HEAD"):
            status, body = 200, b"{}"
        elif path in (self.predict_route, self.health_route):
            status, body = 405, failure(f"{method} is not allowed on {path}")
        else:
            status, body = 404, failure(f"no route {path}: this container serves {self.predict_route}")
        await respond(send, status, body)

    async def predict(self, body: bytes) -> Reply:
        """Answer one prediction request."""
        try:
            instances, options = parse(body)
            return 200, encode({"predictions": await self.run(instances, options)})
        except RequestError as error:
            return 400, failure(str(error))
        except PredictionError as error:
            return 400, failure(f"Prediction failed: {error}")
        except Exception as error:  # noqa: BLE001 - the server outlives whatever a request did
            traceback.print_exc()
            return 500, failure(f"{type(error).__name__}: {error}")

    async def run(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        """Predict here when that is quick, in a thread when the batch or the model is slow."""
        if len(instances) <= INLINE_ROWS and self.last_seconds < INLINE_SECONDS:
            return self.timed(instances, options)
        return await asyncio.get_running_loop().run_in_executor(None, self.timed, instances, options)

    def timed(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        started = time.perf_counter()
        try:
            return self.model.predict(instances, options)
        finally:
            self.last_seconds = time.perf_counter() - started


def parse(body: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Instances and the other keys of a request body. Raises RequestError."""
    try:
        request = decode(body)
    except ValueError as error:
        raise RequestError(f"Invalid JSON payload: {error}") from error
    if not isinstance(request, dict) or "instances" not in request:
        raise RequestError('Missing "instances" field in request body.')
    instances = request.pop("instances")
    if not isinstance(instances, list):
        raise RequestError('Invalid "instances" field: it must be a list.')
    return instances, {key: value for key, value in request.items() if value is not None}


def failure(text: str) -> bytes:
    """The body of an error reply."""
    return encode({"error": text})


async def read(receive: Receive) -> bytes:
    """The whole request body; one message in nearly every case."""
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return bytes(body)


async def respond(send: Send, status: int, body: bytes) -> None:
    """Send one JSON reply."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

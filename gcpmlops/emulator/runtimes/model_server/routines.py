"""Google's custom prediction routines: the user's Predictor and Handler classes, unchanged, behind our HTTP server.

The variables are those of the image that `LocalModel.build_cpr_model` makes: HANDLER_MODULE, HANDLER_CLASS,
PREDICTOR_MODULE, PREDICTOR_CLASS; the classes and the errors are those of google.cloud.aiplatform.prediction, which the
environment must have (`google-cloud-aiplatform[prediction]`). The handler runs on the loop, as in Google's server.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import inspect
import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .codec import encode

if TYPE_CHECKING:
    from .protocol import Exchange

DEFAULT_HANDLER = ("google.cloud.aiplatform.prediction.handler", "PredictionHandler")
JSON = [(b"content-type", b"application/json")]


class Routine:
    """A loaded handler."""

    def __init__(self, handler: Any, kind: str) -> None:
        self.handler = handler
        self.kind = kind
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def load(cls, model_dir: str, env: Mapping[str, str]) -> Routine:
        """Import the classes and make the handler, which loads the predictor with AIP_STORAGE_URI.

        Raises: whatever importing and loading raise.
        """
        logging.basicConfig(format="%(asctime)s: %(message)s", level=logging.INFO, stream=sys.stdout)
        prepare(model_dir)
        named = env.get("HANDLER_MODULE", DEFAULT_HANDLER[0]), env.get("HANDLER_CLASS", DEFAULT_HANDLER[1])
        handler, predictor = class_of(*named), None
        kind = ".".join(named)
        if "PREDICTOR_MODULE" in env:
            predictor = class_of(env["PREDICTOR_MODULE"], env.get("PREDICTOR_CLASS", ""))
            kind += f" of {env['PREDICTOR_MODULE']}.{env.get('PREDICTOR_CLASS', '')}"
        return cls(handler(env.get("AIP_STORAGE_URI") or model_dir, predictor=predictor), kind)

    def on(self, loop: Any) -> Callable[[Exchange], None]:
        """The predict route on this loop."""

        def predict(exchange: Exchange) -> None:
            task = loop.create_task(self._answer(exchange))
            self._tasks.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(self._tasks.discard)

        return predict

    async def _answer(self, exchange: Exchange) -> None:
        try:
            response = self.handler.handle(request_of(exchange))
            if inspect.isawaitable(response):
                response = await response
            if not callable(response):  # FastAPI makes JSON of it
                exchange.reply(200, encode(response))
                return
        except Exception as error:  # noqa: BLE001 - the server outlives whatever a request did
            exchange.reply(*refusal(error))
            return
        await send(response, exchange)


def prepare(model_dir: str) -> None:
    """A working directory of its own: predictors download their artifacts into it.

    The model's folder is never it, as its files are those of the bucket's objects; but its modules can be imported.
    """
    here = Path.cwd()
    if here == Path(model_dir).resolve():
        work = tempfile.mkdtemp(prefix="routine-")
        atexit.register(shutil.rmtree, work, ignore_errors=True)
        os.chdir(work)
    for folder in (str(here), model_dir):
        if folder not in sys.path:
            sys.path.append(folder)


def class_of(module: str, name: str) -> Any:
    """A class by its module's and its own name. Raises ImportError, AttributeError."""
    return getattr(importlib.import_module(module), name)


def request_of(exchange: Exchange) -> Any:
    """The request as FastAPI gives it to a handler."""
    from starlette.requests import Request

    path, _, query = exchange.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": exchange.version,
        "method": exchange.method,
        "scheme": "http",
        "path": exchange.path,
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": exchange.headers,
        "client": None,
        "server": None,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": exchange.body, "more_body": False}

    return Request(scope, receive)


def refusal(error: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """What Google's server answers for an exception: an HTTPException's own status, else 500."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and hasattr(error, "detail"):
        more = [(name.lower().encode(), str(value).encode()) for name, value in (error.headers or {}).items()]  # type: ignore[attr-defined]
        return status, encode({"detail": error.detail}), [*JSON, *more]
    text = f"An exception {type(error).__name__} occurred. Arguments: {error.args}."
    logging.info("%s\nTraceback: %s", text, traceback.format_exc())
    return 500, encode({"detail": text}), JSON


async def send(response: Any, exchange: Exchange) -> None:
    """A Starlette response, streaming ones too, through its own ASGI side."""
    head: dict[str, Any] = {}

    async def forward(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
            return
        if message["type"] != "http.response.body":
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if "sent" not in head and not more:
            headers = [header for header in head["headers"] if header[0] != b"content-length"]
            exchange.reply(head["status"], bytes(body), headers)
            return
        if "sent" not in head:
            head["sent"] = True
            exchange.start(head["status"], list(head["headers"]))
        exchange.write(bytes(body))
        await exchange.drained()
        if not more:
            exchange.end()

    request = request_of(exchange)
    try:
        await response(request.scope, never, forward)
    except ConnectionResetError:
        exchange.abort()
    except Exception as error:  # noqa: BLE001 - a stream that breaks in the middle must not look complete
        if "sent" not in head:
            exchange.reply(*refusal(error))
            return
        traceback.print_exception(type(error), error, error.__traceback__)
        exchange.abort()


async def never() -> dict[str, Any]:
    """A client that sends nothing more; that it is gone is noticed when the next piece is written."""
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}

"""What a container's reply means to the caller: its predictions, or an error with its own text."""

from __future__ import annotations

from typing import Any

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.unix_http import HttpReply

SHOWN_BYTES = 500  # of an answer that breaks the contract
_BROKEN = "Invalid response from prediction server"


def predictions(reply: HttpReply) -> dict[str, Any]:
    """The whole answer, which has a list of `predictions`.

    Raises: what `check` raises; InternalServerError where the answer breaks the contract.
    """
    check(reply.status, reply.body)
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise exceptions.InternalServerError(f"{_BROKEN}: {error}. Response: {_shown(reply.body)}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("predictions"), list):
        raise exceptions.InternalServerError(
            f"{_BROKEN} - the response field predictions is missing. Response: {_shown(reply.body)}"
        )
    return answer


def check(status: int, body: bytes) -> None:
    """Pass a success.

    Raises: InvalidArgument for the container's 4xx, with its text; ResourceExhausted (429), ServiceUnavailable (503),
        InternalServerError (every other status).
    """
    if 200 <= status < 300:
        return
    text = _text(body) or f"The prediction server answered {status} without a text."
    if status == 429:
        raise exceptions.ResourceExhausted(text)
    if 400 <= status < 500:
        raise exceptions.InvalidArgument(text)
    kind = exceptions.ServiceUnavailable if status == 503 else exceptions.InternalServerError
    raise kind(text)


def _text(body: bytes) -> str:
    """The `error` of a JSON body; any other body is the text itself."""
    try:
        found = orjson.loads(body)["error"]
    except (ValueError, TypeError, KeyError):
        return body.decode(errors="replace")
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _shown(body: bytes) -> str:
    return body[:SHOWN_BYTES].decode(errors="replace")

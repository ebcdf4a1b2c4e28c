"""The container contract of Vertex AI prediction: a health route and a predict route.

`{"instances": [...]}` → `{"predictions": [...]}`; what the model refuses is 400 with `{"error": TEXT}`.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from .batching import Waiting, alone
from .codec import decode, encode, failure
from .models import ContractError, PredictionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batching import Predictor
    from .protocol import Exchange

INLINE_BYTES = 256 * 1024  # a larger body is parsed in a thread


class RequestError(Exception):
    """The request body is not what the contract says."""


class Routes:
    """Health and prediction, by path.

    Args:
        predict: answers a request on the predict route.
        health_route, predict_route: paths.
    """

    def __init__(self, predict: Callable[[Exchange], None], *, health_route: str, predict_route: str) -> None:
        self.predict = predict
        self.health_route = health_route
        self.predict_route = predict_route

    def __call__(self, exchange: Exchange) -> None:
        path, method = exchange.path, exchange.method
        if path == self.predict_route and method == "POST":
            self.predict(exchange)
        elif path == self.health_route and method in ("GET", "HEAD"):
            exchange.reply(200, b"{}")
        elif path in (self.predict_route, self.health_route):
            exchange.reply(405, failure(f"{method} is not allowed on {path}"))
        else:
            exchange.reply(404, failure(f"no route {path}: this container serves {self.predict_route}"))


class Prediction:
    """The predict route of one loaded model."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def __call__(self, exchange: Exchange) -> None:
        if len(exchange.body) > INLINE_BYTES:
            self.predictor.run(lambda: self.answer(exchange.body), lambda reply: exchange.reply(*reply))
            return
        try:
            instances, options = parse(exchange.body)
        except RequestError as error:
            exchange.reply(400, failure(str(error)))
            return
        self.predictor.submit(instances, options, lambda outcome: exchange.reply(*reply_of(outcome)))

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """The whole of a request, in any thread."""
        try:
            instances, options = parse(body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request gets an answer
            return reply_of(error)
        return reply_of(alone(self.predictor.model, Waiting(instances, options, lambda _: None)))


def parse(body: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Instances and the other keys of a request body. Raises RequestError."""
    try:
        request = decode(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"Invalid JSON payload: {error}") from error
    if not isinstance(request, dict) or "instances" not in request:
        raise RequestError('Missing "instances" field in request body.')
    instances = request.pop("instances")
    if not isinstance(instances, list):
        raise RequestError('Invalid "instances" field: it must be a list.')
    return instances, {name: value for name, value in request.items() if value is not None}


def reply_of(outcome: Any) -> tuple[int, bytes]:
    """Status and body of predictions or of what was raised instead."""
    if isinstance(outcome, RequestError):
        return 400, failure(str(outcome))
    if isinstance(outcome, PredictionError):
        return 400, failure(f"Prediction failed: {outcome}")
    if isinstance(outcome, ContractError):
        return 500, failure(f"Prediction failed: {outcome}")
    if isinstance(outcome, BaseException):
        traceback.print_exception(type(outcome), outcome, outcome.__traceback__)
        return 500, failure(f"{type(outcome).__name__}: {outcome}")
    try:
        return 200, encode({"predictions": outcome})
    except (TypeError, ValueError, RecursionError) as error:
        return 500, failure(f"Prediction failed: the model's predictions are not JSON: {error}")

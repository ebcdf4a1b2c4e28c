"""Stored samples sent to an endpoint: who answered, how fast, in which shape."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from gcpmlops import _html
from gcpmlops._endpoints.rollout import seconds
from gcpmlops._endpoints.values import Prediction
from gcpmlops.exceptions import GcpMlopsError

UNKNOWN = "unknown"
"""Who failed: an error does not say which deployed model it comes from, where several have traffic."""


@dataclass(frozen=True)
class ModelTest:
    """What one deployed model made of the samples it got; latencies in seconds, as the caller saw them."""

    deployed_model_id: str
    model: str
    percent: int
    ok: int
    failed: int
    latency_median_s: float | None
    latency_max_s: float | None
    shapes: tuple[str, ...]
    """Of one prediction: "number", "text", "list[3]", "object{label, score}"."""
    errors: tuple[str, ...]


@dataclass(frozen=True)
class EndpointTest:
    """What each deployed model with traffic made of the samples."""

    endpoint: str
    samples: int
    models: tuple[ModelTest, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and every model with traffic answered."""
        return all(not each.failed and (each.ok or each.deployed_model_id == UNKNOWN) for each in self.models)

    def __iter__(self) -> Any:
        return iter(self.models)

    def _repr_html_(self) -> str:
        columns = ("id", "model", "traffic", "ok", "failed", "median", "max", "predictions", "errors")
        rows = [_row(each) for each in self.models]
        return _html.grid(f"{self.samples} samples: {'passed' if self.passed else 'failed'}", columns, rows)


def run(
    endpoint: str,
    deployed: Sequence[tuple[str, str, int]],
    samples: Sequence[Any],
    send: Callable[[Sequence[Any]], Prediction],
    *,
    most: int,
) -> EndpointTest:
    """Send each sample, and again until every model of `deployed` (id, model, per cent) answered; `most` requests."""
    heard: dict[str, list[tuple[float, Any]]] = {key: [] for key, _, _ in deployed}
    errors: list[str] = []
    for n in range(max(most, len(samples))):
        if n >= len(samples) and (all(heard.values()) or len(errors) >= len(samples)):
            break
        started = time.perf_counter()
        try:
            found = send([samples[n % len(samples)]])
        except GcpMlopsError as exc:
            errors.append(exc.message)
        else:
            took = time.perf_counter() - started
            heard.setdefault(found.deployed_model_id, []).append((took, found.predictions))
    return EndpointTest(endpoint, len(samples), tuple(_models(deployed, heard, errors)))


def _models(
    deployed: Sequence[tuple[str, str, int]], heard: dict[str, list[tuple[float, Any]]], errors: list[str]
) -> list[ModelTest]:
    alone = len(deployed) == 1
    known = {key: (model, percent) for key, model, percent in deployed}
    found = [
        _model(key, *known.get(key, ("", 0)), answers, errors if alone and key in known else [])
        for key, answers in heard.items()
    ]
    return found if alone or not errors else [*found, _model(UNKNOWN, "", 0, [], errors)]


def _model(key: str, model: str, percent: int, answers: list[tuple[float, Any]], errors: list[str]) -> ModelTest:
    times = [took for took, _ in answers]
    shapes = sorted({shape(each) for _, predictions in answers for each in predictions})
    return ModelTest(
        key,
        model,
        percent,
        len(answers),
        len(errors),
        median(times) if times else None,
        max(times, default=None),
        tuple(shapes),
        tuple(dict.fromkeys(errors)),
    )


def shape(value: Any) -> str:
    """What a prediction looks like."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict):
        return f"object{{{', '.join(map(str, value))}}}"
    return f"list[{len(value)}]" if isinstance(value, list) else "null"


def _row(test: ModelTest) -> list[Any]:
    times = ["" if t is None else seconds(t) for t in (test.latency_median_s, test.latency_max_s)]
    head = [test.deployed_model_id, test.model, f"{test.percent} %", test.ok, test.failed]
    return [*head, *times, ", ".join(test.shapes), "; ".join(test.errors)]

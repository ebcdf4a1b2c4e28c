"""Requests as metrics see them: how they ended, and how long they took, in all and in the model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from google.api_core import exceptions

CANCELLED = 499


class Metrics(Protocol):
    """Counts requests; what is shown of them is its own affair. `status` is the HTTP status that the caller got."""

    def record(
        self, *, endpoint: str, deployed_model_id: str, status: int, seconds: float, model_seconds: float,
        predictions: int,
    ) -> None: ...  # fmt: skip


@dataclass
class Observation:
    """What is known of a request so far; times in seconds."""

    deployed_model_id: str = ""
    model_seconds: float = 0.0


class Observer:
    """Records each request once, when it has ended."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics

    @contextmanager
    def request(self, endpoint: str, predictions: int) -> Iterator[Observation]:
        """Around all that is done for one request. Without a model that was asked there is nothing to count."""
        seen, started, status = Observation(), time.perf_counter(), 200
        try:
            yield seen
        except exceptions.GoogleAPICallError as error:
            status = int(error.code or 500)
            raise
        except GeneratorExit:  # the reader of a stream has gone
            status = CANCELLED
            raise
        except BaseException:
            status = 500
            raise
        finally:
            if self._metrics is not None and seen.deployed_model_id:
                self._metrics.record(
                    endpoint=endpoint,
                    deployed_model_id=seen.deployed_model_id,
                    status=status,
                    seconds=time.perf_counter() - started,
                    model_seconds=seen.model_seconds,
                    predictions=predictions,
                )

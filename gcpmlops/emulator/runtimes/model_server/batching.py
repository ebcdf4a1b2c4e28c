"""Micro-batching: requests that wait at the same moment are predicted in one call, where the model allows it.

The loop reads every connection that has something before it predicts, and whatever arrives during a prediction waits
for the next one. So a batch grows with the load, and a request that is alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .models import ContractError

if TYPE_CHECKING:
    from .models import Model

# A hop to another thread costs about 0.1 ms; predicting on the loop is cheaper while it keeps it for less than this.
INLINE_SECONDS = 0.02
INLINE_ROWS = 64
MAX_ROWS = 1024  # of one joined prediction
MAX_THREADS = 32  # of a model whose predict may wait for something


class Waiting(NamedTuple):
    """A request, and who wants its outcome: the predictions or an exception."""

    instances: list[Any]
    options: dict[str, Any]
    deliver: Callable[[Any], None]


class Predictor:
    """Predicts on the loop what is quick, in threads what is not. Belongs to the loop's thread."""

    def __init__(self, model: Model, loop: asyncio.AbstractEventLoop, *, join: bool) -> None:
        self.model = model
        self.loop = loop
        self.join = join and model.row_wise
        self.limit = (os.cpu_count() or 1) if model.row_wise else MAX_THREADS
        self._small: deque[Waiting] = deque()
        self._large: deque[Waiting] = deque()
        self._scheduled = False
        self._busy = 0
        self._seconds = float("inf")  # the last small prediction; the first one goes to a thread
        self._threads: Any = None

    def submit(self, instances: list[Any], options: dict[str, Any], deliver: Callable[[Any], None]) -> None:
        """Predict soon; `deliver` is called on the loop with the predictions or the exception."""
        queue = self._small if len(instances) <= INLINE_ROWS else self._large
        queue.append(Waiting(instances, options, deliver))
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._flush)

    def run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Run something long in a thread; `done` is called on the loop with its result."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="predict")
        future = self.loop.run_in_executor(self._threads, work)
        future.add_done_callback(lambda finished: done(finished.result()))

    def _flush(self) -> None:
        self._scheduled = False
        while self._small and self.model.row_wise and self._seconds < INLINE_SECONDS:
            self._deliver(self._timed(self._take(self._small)))
        for queue in (self._small, self._large):
            while queue and self._busy < self.limit:  # a thread that comes back takes the rest
                self._busy += 1
                batch = self._take(queue)
                self.run(lambda batch=batch: self._timed(batch), self._finished)  # type: ignore[misc]

    def _take(self, queue: deque[Waiting]) -> list[Waiting]:
        """The next request of a queue, and those after it that fit into the same call."""
        batch = [queue.popleft()]
        if not self.join or batch[0].options:
            return batch
        rows = len(batch[0].instances)
        while queue and not queue[0].options:
            rows += len(queue[0].instances)
            if rows > MAX_ROWS:
                break
            batch.append(queue.popleft())
        return batch

    def _timed(self, batch: Sequence[Waiting]) -> list[tuple[Waiting, Any]]:
        started = time.perf_counter()
        outcomes = outcomes_of(self.model, batch)
        if len(batch[0].instances) <= INLINE_ROWS:
            self._seconds = time.perf_counter() - started
        return outcomes

    def _deliver(self, outcomes: Sequence[tuple[Waiting, Any]]) -> None:
        for waiting, outcome in outcomes:
            try:
                waiting.deliver(outcome)
            except Exception:  # noqa: BLE001 - the other requests of the batch get their answers
                traceback.print_exc()

    def _finished(self, outcomes: Sequence[tuple[Waiting, Any]]) -> None:
        self._busy -= 1
        self._deliver(outcomes)
        self._flush()


def outcomes_of(model: Model, batch: Sequence[Waiting]) -> list[tuple[Waiting, Any]]:
    """The outcome of each request of a batch."""
    if len(batch) == 1:
        return [(batch[0], alone(model, batch[0]))]
    outcomes: list[tuple[Waiting, Any]] = []
    groups: dict[Any, list[tuple[Waiting, Any]]] = {}
    for waiting in batch:
        try:
            rows = model.rows(waiting.instances)
        except Exception as error:  # noqa: BLE001 - NumPy's or the model's words, for this request only
            outcomes.append((waiting, error))
            continue
        groups.setdefault(key(rows) or id(waiting), []).append((waiting, rows))
    for group in groups.values():
        outcomes += joined(model, group)
    return outcomes


def joined(model: Model, group: Sequence[tuple[Waiting, Any]]) -> list[tuple[Waiting, Any]]:
    """Predict a group's rows in one call; one by one where that fails, so that only the guilty request fails."""
    import numpy as np

    if len(group) > 1:
        try:
            predictions = model.predict_rows(np.concatenate([rows for _, rows in group]), {})
        except Exception:  # noqa: BLE001 - it comes up again below, at the request that it belongs to
            predictions = []
        if len(predictions) == sum(len(rows) for _, rows in group):
            pieces = split(predictions, [len(rows) for _, rows in group])
            return [(waiting, piece) for (waiting, _), piece in zip(group, pieces)]  # noqa: B905 - Python 3.8
    return [(waiting, alone(model, waiting)) for waiting, _ in group]


def split(predictions: list[Any], lengths: Sequence[int]) -> list[list[Any]]:
    """Cut the predictions into pieces of these lengths."""
    pieces, start = [], 0
    for length in lengths:
        pieces.append(predictions[start : start + length])
        start += length
    return pieces


def alone(model: Model, waiting: Waiting) -> Any:
    """The predictions of one request, or its exception."""
    try:
        predictions = model.predict(waiting.instances, waiting.options)
        if len(predictions) != len(waiting.instances):
            raise ContractError(
                f"The model returned {len(predictions)} predictions for {len(waiting.instances)} instances."
            )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the server outlives whatever a model does
        return error
    return predictions


def key(rows: Any) -> Any:
    """What arrays must have in common to be joined without changing any value; None: stays alone."""
    if rows.ndim < 2 or rows.dtype.kind not in "biuf" or not len(rows):
        return None
    return rows.dtype.str, rows.shape[1:]

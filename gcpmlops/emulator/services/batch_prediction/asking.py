"""Batches to a model's server: what is tried again, and what is one instance's own fault."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.batch_prediction.shapes import texts
from gcpmlops.emulator.services.prediction import replies

TIMEOUT_S = 120.0
BREAKDOWNS, TIMEOUTS = 20, 2
"""So many of a kind, and the job ends: a server that dies, or one that hangs, is not waited for over and over."""
_QUICK_S, _SLOW_S = 0.25, 1.0
_BROKEN = (exceptions.ServiceUnavailable, exceptions.ResourceExhausted)

Answer = bytes | exceptions.GoogleAPICallError
"""A prediction as JSON, or why there is none."""


Explain = Callable[[Sequence[bytes], Callable[[bytes], HttpReply]], list[bytes]]
"""The answers to a batch, given how to post a body."""


class Server(Protocol):
    """What answers: `runtimes.server`."""

    @property
    def spec(self) -> Any: ...

    def request(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> HttpReply: ...


class BatchSize:
    """How many instances go at a time: as many as asked for, or as many as are answered within half a second or so."""

    def __init__(self, *, exactly: int = 0, at_most: int) -> None:
        self._fixed = bool(exactly)
        self._at_most = at_most
        self.now = exactly or min(8, at_most)

    def learn(self, count: int, seconds: float, *, good: bool) -> None:
        """From a batch that took so long; one with errors in it makes the next ones no larger."""
        if self._fixed:
            return
        if seconds > _SLOW_S:
            self.now = max(1, count // 2)
        elif seconds < _QUICK_S and count >= self.now and good:
            self.now = min(self.now * 2, self._at_most)


class StoppedEarlyError(Exception):
    """The rest of the instances is not worth trying; the cause says why."""


class Asker:
    """Thread-safe.

    Args:
        server: the model's.
        parameters: JSON of the request's `parameters`, None for none.
        size: learns from every batch.
        check: raises when the job is to stop.
        explain: answers a batch in place of one request, by as many as it takes.
        timeout: seconds that one request may take.
    """

    def __init__(
        self,
        server: Server,
        parameters: bytes | None,
        size: BatchSize,
        check: Callable[[], None],
        explain: Explain | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self._server = server
        self._tail = b"]}" if parameters is None else b'], "parameters": ' + parameters + b"}"
        self._size = size
        self._check = check
        self._explain = explain
        self._timeout = timeout
        self._broken: list[exceptions.GoogleAPICallError] = []
        self._lock = threading.Lock()
        self._alone = threading.Lock()

    def ask(self, instances: Sequence[bytes]) -> list[Answer]:
        """An answer for each instance, which is JSON. Raises StoppedEarlyError, and what `check` raises."""
        if not instances:
            return []
        begun = time.monotonic()
        answers = self._answers(instances, again=True)
        good = set(map(type, answers)) == {bytes}
        self._size.learn(len(instances), time.monotonic() - begun, good=good)
        return answers

    def _answers(self, instances: Sequence[bytes], *, again: bool) -> list[Answer]:
        """All at once; what is refused or fails twice in halves, so that one bad instance spoils only itself."""
        self._check()
        try:
            return self._predictions(instances)
        except exceptions.GoogleAPICallError as error:
            self._check()
            if isinstance(error, exceptions.DeadlineExceeded):
                self._count(error, TIMEOUTS)
                return [error] * len(instances)
            if isinstance(error, _BROKEN):
                self._count(error, BREAKDOWNS)
                if again:
                    return self._answers(instances, again=False)
                again = False
            if len(instances) == 1:
                return [error]
        middle = len(instances) // 2
        return [*self._answers(instances[:middle], again=again), *self._answers(instances[middle:], again=again)]

    def _predictions(self, instances: Sequence[bytes]) -> list[Answer]:
        if self._explain is not None:
            return [*self._explain(instances, self._post)]
        found = replies.predictions(self._post(b'{"instances": [' + b", ".join(instances) + self._tail))["predictions"]
        if len(found) != len(instances):
            raise exceptions.InternalServerError(
                f"The model answered {len(instances)} instances with {len(found)} predictions."
            )
        return [*texts(found)]

    def _post(self, body: bytes) -> HttpReply:
        target, headers = self._server.spec.predict_route, {"content-type": "application/json"}
        # a server that has died is asked by one at a time: what another one sends may be what kills it
        with self._alone if self._broken else contextlib.nullcontext():
            return self._server.request("POST", target, body, headers, self._timeout)

    def _count(self, error: exceptions.GoogleAPICallError, limit: int) -> None:
        with self._lock:
            self._broken.append(error)
            alike = sum(type(each) is type(error) for each in self._broken)
        if alike >= limit:
            raise StoppedEarlyError(f"The model's server failed {alike} times: {error.message}") from error

"""A deployed model: a pool of processes that are kept alive, and asked over HTTP.

Google API errors come out of here as they go to the caller: a server that is down or dies while it answers is
UNAVAILABLE, one that is too slow DEADLINE_EXCEEDED, one that does not start FAILED_PRECONDITION with its last lines.
A request that no process can have acted on goes to another one, and is not an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.process import OnLine, Processes
from gcpmlops.emulator.runtimes.server_replica import ServerReplica
from gcpmlops.emulator.runtimes.server_spec import Launcher, ServerSpec, ServerStoppedError
from gcpmlops.emulator.runtimes.unix_http import Chunks, HttpReply, NotSentError, StreamedReply, UnixHttp

__all__ = ["DRAIN_SECONDS", "ModelServer", "ServerSpec", "ServerStoppedError"]

DRAIN_SECONDS = 30.0

R = TypeVar("R")


class ModelServer:
    """The replicas of one deployed model, from `start` to `stop`; each request goes to the least loaded one."""

    def __init__(self, spec: ServerSpec, launcher: Launcher, processes: Processes, on_line: OnLine) -> None:
        self.spec = spec
        self._launcher = launcher
        self._processes = processes
        self._on_line = on_line
        self._changed = threading.Condition()
        self._replicas: list[ServerReplica] = []
        self._minimum, self._maximum = spec.minimum, spec.maximum
        self._stopping = False
        self._in_flight = 0
        self._turns = 0

    def start(self) -> None:
        """Begin in the background; `wait_ready` tells how it went."""
        self._resize(self._minimum)

    def wait_ready(self, timeout: float | None = None) -> None:
        """Return when the minimum of replicas is healthy.

        Raises: what the last start of one failed with; ServiceUnavailable after `timeout` seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._failure() or self._enough(), timeout)
            if self._stopping:
                raise ServerStoppedError(f"The model server of {self.spec.name} is being undeployed.")
            if self._enough():
                return
            if failure := self._failure():
                raise failure
        raise exceptions.ServiceUnavailable(
            f"The model server of {self.spec.name} is still starting after {timeout:g} s: "
            f"{self.replica_count} of {self._minimum} replicas are healthy."
        )

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply:
        """One request, waiting first for a server that is being restarted; `timeout` in seconds bounds both.

        Raises: ServerStoppedError, ServiceUnavailable, DeadlineExceeded.
        """
        replica, reply = self._exchange(
            lambda client, left: client.request(method, target, body, headers, left), timeout
        )
        self._release(replica, answered=True)
        return reply

    def stream(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> StreamedReply:
        """`request`, with the body as it comes; its chunks raise the same errors."""
        replica, reply = self._exchange(
            lambda client, left: client.stream(method, target, body, headers, left), timeout
        )

        def done(error: BaseException | None) -> None:
            self._release(replica, answered=error is None)

        return StreamedReply(reply.status, reply.headers, Chunks(self._told(replica, reply.chunks, timeout), done))

    @property
    def replica_count(self) -> int:
        """How many replicas are healthy now."""
        return sum(replica.client is not None and not replica.leaving for replica in list(self._replicas))

    @property
    def in_flight(self) -> int:
        """How many requests the replicas have."""
        return self._in_flight

    @property
    def memory_bytes(self) -> int:
        """Resident memory of all replicas."""
        return sum(replica.process.rss for replica in list(self._replicas) if replica.process is not None)

    def scale(self, minimum: int, maximum: int) -> None:
        """Change the bounds; return when the minimum is healthy.

        Raises: what a start failed with, and then the bounds are as before.
        """
        before = self._minimum, self._maximum
        self._minimum, self._maximum = minimum, maximum
        self._resize(min(max(minimum, self._size()), maximum))
        try:
            self.wait_ready()
        except exceptions.GoogleAPICallError:
            self._minimum, self._maximum = before
            self._resize(min(self._size(), before[1]))
            raise

    def stop(self, drain: float = DRAIN_SECONDS) -> None:
        """Take no more requests, let those in flight end (`drain` seconds at most), end the processes, and return."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._in_flight == 0, drain)
            replicas = list(self._replicas)
        for replica in replicas:
            replica.end()
        for replica in replicas:
            replica.join()

    def _exchange(self, send: Callable[[UnixHttp, float], R], timeout: float) -> tuple[ServerReplica, R]:
        """Send to one replica after another until one has got it; the one that answered is still to be released."""
        deadline = time.monotonic() + timeout
        while True:
            replica, client = self._lease(deadline, timeout)
            try:
                return replica, send(client, deadline - time.monotonic())
            except NotSentError:
                self._release(replica)
                replica.lost(client)
            except OSError as error:
                self._release(replica)
                raise self._told_error(replica, client, error, timeout) from error
            except BaseException:
                self._release(replica)
                raise

    def _told(self, replica: ServerReplica, chunks: Chunks, timeout: float) -> Iterator[bytes]:
        client = replica.client
        try:
            yield from chunks
        except OSError as error:
            raise self._told_error(replica, client, error, timeout) from error

    def _told_error(
        self, replica: ServerReplica, client: UnixHttp | None, error: OSError, timeout: float
    ) -> exceptions.GoogleAPICallError:
        """What the caller hears of a request that may have been processed."""
        if isinstance(error, TimeoutError):
            replica.late()
            return exceptions.DeadlineExceeded(
                f"The model server of {self.spec.name} did not answer within {timeout:g} s."
            )
        if client is not None:
            replica.lost(client)
        return exceptions.ServiceUnavailable(
            f"The model server of {self.spec.name} ended while it answered ({error}); it is being restarted."
        )

    def _lease(self, deadline: float, timeout: float) -> tuple[ServerReplica, UnixHttp]:
        """The least loaded healthy replica, which has one more request now."""
        with self._changed:
            if (found := self._best()) is None:
                left = deadline - time.monotonic()
                self._changed.wait_for(lambda: self._best() or self._stopping or self._down(), left)
                found = self._best()
            if found is None:
                raise self._unavailable(timeout)
            replica, client = found
            self._in_flight += 1
            self._turns += 1
            replica.in_flight, replica.turn = replica.in_flight + 1, self._turns
            return replica, client

    def _release(self, replica: ServerReplica, *, answered: bool = False) -> None:
        with self._changed:
            self._in_flight -= 1
            replica.in_flight -= 1
            replica.answered += answered
            if (self._stopping and not self._in_flight) or (replica.leaving and not replica.in_flight):
                self._changed.notify_all()

    def _best(self) -> tuple[ServerReplica, UnixHttp] | None:
        if self._stopping:
            return None
        best: ServerReplica | None = None
        for replica in self._replicas:
            if replica.client is None or replica.leaving:
                continue
            if best is None or (replica.in_flight, replica.turn) < (best.in_flight, best.turn):
                best = replica
        return None if best is None or best.client is None else (best, best.client)

    def _down(self) -> bool:
        """Whether no replica runs and none is on its way."""
        return all(replica.failure is not None for replica in self._replicas)

    def _failure(self) -> exceptions.GoogleAPICallError | None:
        return next((replica.failure for replica in self._replicas if replica.failure is not None), None)

    def _enough(self) -> bool:
        return self.replica_count >= self._minimum

    def _unavailable(self, timeout: float) -> exceptions.ServiceUnavailable:
        name = f"The model server of {self.spec.name}"
        if self._stopping:
            return ServerStoppedError(f"{name} is being undeployed.")
        if failure := self._failure():
            return exceptions.ServiceUnavailable(f"{name} is down: {failure.message}")
        return exceptions.ServiceUnavailable(f"{name} is still starting after {timeout:g} s.")

    def _size(self) -> int:
        return sum(not replica.leaving for replica in self._replicas)

    def _resize(self, size: int) -> None:
        """Start what is missing; take what is too much out of service, and end it once it is idle."""
        with self._changed:
            staying = [replica for replica in self._replicas if not replica.leaving]
            missing = 0 if self._stopping else size - len(staying)
            new = [self._new() for _ in range(missing)]
            self._replicas = [*self._replicas, *new]
            surplus = sorted(staying, key=lambda replica: (replica.client is not None, replica.in_flight))
            surplus = surplus[: max(0, len(staying) - size)]
            for replica in surplus:
                replica.leaving = True
        for replica in new:
            replica.start()
        for replica in surplus:
            threading.Thread(target=self._retire, args=(replica,), name="retire", daemon=True).start()

    def _new(self) -> ServerReplica:
        return ServerReplica(self.spec, self._launcher, self._processes, self._on_line, self._changed)

    def _retire(self, replica: ServerReplica) -> None:
        with self._changed:
            self._changed.wait_for(lambda: replica.in_flight == 0 or self._stopping, DRAIN_SECONDS)
        replica.end()
        replica.join()
        with self._changed:
            self._replicas = [other for other in self._replicas if other is not replica]

"""A deployed model: a pool of processes that are kept alive, and asked over HTTP.

Google API errors come out of here as they go to the caller: a server that is down or dies while it answers is
UNAVAILABLE, one that is too slow DEADLINE_EXCEEDED, one that does not start FAILED_PRECONDITION with its last lines.
A request that no process can have acted on goes to another one, and is not an error.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.process import OnLine, Processes
from gcpmlops.emulator.runtimes.replica_set import ReplicaSet
from gcpmlops.emulator.runtimes.scaling import TICK_SECONDS, Autoscaler, Capacity, Scaling, Targets
from gcpmlops.emulator.runtimes.server_replica import ServerReplica
from gcpmlops.emulator.runtimes.server_spec import Launcher, ServerSpec, ServerStoppedError
from gcpmlops.emulator.runtimes.unix_http import Chunks, HttpReply, NotSentError, StreamedReply, UnixHttp

__all__ = ["DRAIN_SECONDS", "ModelServer", "ServerSpec", "ServerStoppedError"]

log = logging.getLogger(__name__)

DRAIN_SECONDS = 30.0

R = TypeVar("R")


class ModelServer:
    """The replicas of one deployed model, from `start` to `stop`; each request goes to the least loaded one."""

    def __init__(
        self, spec: ServerSpec, launcher: Launcher, processes: Processes, on_line: OnLine, capacity: Capacity
    ) -> None:
        self.spec = spec
        self.scaling = spec.scaling
        self._replicas = ReplicaSet(
            lambda changed: ServerReplica(spec, launcher, processes, on_line, changed), capacity
        )
        self._size = 0  # replicas that there are to be now; the machine may have room for fewer
        self._sizing = threading.RLock()
        self._scaler: threading.Thread | None = None
        self._told_of_room = False

    def start(self) -> None:
        """Begin in the background; `wait_ready` tells how it went."""
        self._resize(self.scaling.minimum)
        self._scale_by_load()

    def wait_ready(self, timeout: float | None = None) -> None:
        """Return when the required number of replicas is healthy.

        Raises: what the last start of one failed with; ServiceUnavailable after `timeout` seconds.
        """
        replicas = self._replicas
        with replicas.changed:
            replicas.changed.wait_for(lambda: replicas.stopping or self._enough() or self._hopeless(), timeout)
            if replicas.stopping:
                raise self._stopped()
            if self._enough():
                return
            if self._hopeless() and (failure := replicas.failure):
                raise failure
        raise exceptions.ServiceUnavailable(
            f"The model server of {self.spec.name} is still starting after {timeout:g} s: "
            f"{replicas.healthy} of {self._size} replicas are healthy."
        )

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply:
        """One request, waiting first for a server that is being restarted; `timeout` in seconds bounds both.

        Raises: ServerStoppedError, ServiceUnavailable, DeadlineExceeded.
        """
        replica, _, reply = self._exchange(
            lambda client, left: client.request(method, target, body, headers, left), timeout
        )
        self._replicas.release(replica, answered=True)
        return reply

    def call(self, method: str, message: bytes, timeout: float) -> bytes:
        """One unary gRPC call of a container that speaks it.

        Raises: FailedPrecondition where it doesn't; grpc.RpcError; else as `request`.
        """

        def send(client: UnixHttp, left: float) -> bytes:
            if client.grpc is None:
                raise exceptions.FailedPrecondition(f"The model server of {self.spec.name} does not speak gRPC.")
            return client.grpc.call(method, message, left)

        replica, _, answer = self._exchange(send, timeout)
        self._replicas.release(replica, answered=True)
        return answer

    def stream(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> StreamedReply:
        """`request`, with the body as it comes; its chunks raise the same errors."""
        replica, client, reply = self._exchange(
            lambda client, left: client.stream(method, target, body, headers, left), timeout
        )

        def done(error: BaseException | None) -> None:
            self._replicas.release(replica, answered=error is None)

        chunks = Chunks(self._chunks(replica, client, reply.chunks, timeout), done)
        return StreamedReply(reply.status, reply.headers, chunks)

    @property
    def replica_count(self) -> int:
        """How many replicas are healthy now."""
        return self._replicas.healthy

    @property
    def target_count(self) -> int:
        """How many there are to be now."""
        return self._size

    @property
    def trouble(self) -> str:
        """What the last start of a replica failed with, while it has not succeeded."""
        failure = self._replicas.failure
        return str(failure.message) if failure is not None else ""

    @property
    def in_flight(self) -> int:
        """How many requests the replicas have."""
        return self._replicas.in_flight

    @property
    def memory_bytes(self) -> int:
        """Resident memory of all replicas."""
        return self._replicas.memory_bytes

    def scale(self, minimum: int, maximum: int, *, required: int = 0, targets: Targets | None = None) -> None:
        """Change the bounds; return when the required number (0: the minimum) is healthy.

        Raises: what a start failed with, and then the bounds are as before.
        """
        before = self.scaling
        self._set(Scaling(minimum, maximum, required, targets or before.targets))
        try:
            self.wait_ready()
        except exceptions.GoogleAPICallError:
            self._set(before)
            raise
        self._scale_by_load()

    def stop(self, drain: float = DRAIN_SECONDS) -> None:
        """Take no more requests, let those in flight end (`drain` seconds at most), end the processes, and return."""
        self._replicas.stop(drain)
        if self._scaler is not None:
            self._scaler.join()

    def _exchange(self, send: Callable[[UnixHttp, float], R], timeout: float) -> tuple[ServerReplica, UnixHttp, R]:
        """Send to one replica after another until one has got it; the one that answered is still to be released."""
        deadline, failed = time.monotonic() + timeout, None
        while found := self._replicas.lease(deadline):
            replica, client = found
            try:
                return replica, client, send(client, deadline - time.monotonic())
            except NotSentError as error:
                self._replicas.release(replica)
                if failed is client:  # it lives, and closes connections without reading
                    raise self._told(replica, client, error, timeout) from error
                failed = client
                replica.doubt(client)
            except OSError as error:
                self._replicas.release(replica)
                raise self._told(replica, client, error, timeout) from error
            except BaseException:
                self._replicas.release(replica)
                raise
        raise self._unavailable(timeout)

    def _chunks(self, replica: ServerReplica, client: UnixHttp, chunks: Chunks, timeout: float) -> Iterator[bytes]:
        try:
            yield from chunks
        except OSError as error:
            raise self._told(replica, client, error, timeout) from error
        finally:
            chunks.close()

    def _told(
        self, replica: ServerReplica, client: UnixHttp, error: OSError, timeout: float
    ) -> exceptions.GoogleAPICallError:
        """What the caller hears of a request that may have been processed."""
        name = f"The model server of {self.spec.name}"
        replica.doubt(client)
        if isinstance(error, TimeoutError):
            return exceptions.DeadlineExceeded(f"{name} did not answer within {timeout:g} s.")
        return exceptions.ServiceUnavailable(f"{name} ended while it answered ({error}); it is being restarted.")

    def _unavailable(self, timeout: float) -> exceptions.ServiceUnavailable:
        name = f"The model server of {self.spec.name}"
        if self._replicas.stopping:
            return self._stopped()
        if failure := self._replicas.failure:
            return exceptions.ServiceUnavailable(f"{name} is down: {failure.message}")
        return exceptions.ServiceUnavailable(f"{name} was not healthy within {timeout:g} s; it is starting or busy.")

    def _stopped(self) -> ServerStoppedError:
        return ServerStoppedError(f"The model server of {self.spec.name} is being undeployed.")

    def _required(self) -> int:
        """How many are enough: as many as the deployment wants, or as the machine has room for."""
        return min(self.scaling.required or self.scaling.minimum, len(self._replicas.staying))

    def _enough(self) -> bool:
        return self._replicas.healthy >= self._required()

    def _hopeless(self) -> bool:
        """Whether so many have failed to start that it can't be enough until one succeeds."""
        staying = self._replicas.staying
        return sum(replica.failure is not None for replica in staying) > len(staying) - self._required()

    def _set(self, scaling: Scaling) -> None:
        with self._sizing:
            self.scaling = scaling
            self._resize(scaling.bounded(self._size))

    def _resize(self, size: int) -> None:
        with self._sizing:
            self._size = self._replicas.resize(size, DRAIN_SECONDS)
            if self._size < size and not (self._told_of_room or self._replicas.stopping):
                self._told_of_room = True
                log.warning(
                    "%s: %d replicas are kept as a setting; this machine has room for %d",
                    self.spec.name,
                    size,
                    self._size,
                )

    def _scale_by_load(self) -> None:
        """From now on, where the bounds leave room."""
        with self._sizing:
            if self._scaler is None and self.scaling.maximum > self._size:
                self._scaler = threading.Thread(target=self._follow_load, name="autoscaler", daemon=True)
                self._scaler.start()

    def _follow_load(self) -> None:
        replicas, autoscaler = self._replicas, Autoscaler()
        while not self._stops_within(TICK_SECONDS):
            load = replicas.load()
            with self._sizing:
                before = self._size
                self._resize(autoscaler.decide(time.monotonic(), before, load, self.scaling))
                if self._size != before:
                    log.info("%s: %d replicas instead of %d, by its load", self.spec.name, self._size, before)

    def _stops_within(self, seconds: float) -> bool:
        with self._replicas.changed:
            return self._replicas.changed.wait_for(lambda: self._replicas.stopping, seconds)

"""The replicas of one deployed model: how many there are, which one takes the next request, what they have to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.scaling import Capacity, Load
from gcpmlops.emulator.runtimes.server_replica import ServerReplica
from gcpmlops.emulator.runtimes.unix_http import UnixHttp

Make = Callable[[threading.Condition], ServerReplica]


class ReplicaSet:
    """Grows and shrinks between requests.

    Attributes:
        changed: guards everything here, and tells when a replica got healthy, failed or ended, and of the end.
        stopping: nothing is leased any more.
        in_flight: requests that the replicas have.
    """

    def __init__(self, make: Make, capacity: Capacity) -> None:
        self.changed = threading.Condition()
        self.stopping = False
        self.in_flight = 0
        self._make = make
        self._capacity = capacity
        self._replicas: list[ServerReplica] = []
        self._turns = 0
        self._meter = Meter()

    @property
    def staying(self) -> list[ServerReplica]:
        """Replicas that are not about to end."""
        return [replica for replica in self._replicas if not replica.leaving]

    @property
    def healthy(self) -> int:
        """How many can be asked now."""
        return sum(replica.client is not None for replica in self.staying)

    @property
    def failure(self) -> exceptions.GoogleAPICallError | None:
        """What the last start of one failed with."""
        return next((replica.failure for replica in self.staying if replica.failure is not None), None)

    @property
    def down(self) -> bool:
        """Whether none is healthy and none is starting."""
        return all(replica.failure is not None for replica in self.staying)

    def lease(self, deadline: float) -> tuple[ServerReplica, UnixHttp] | None:
        """The least loaded healthy replica, which has one more request now; None where there is none in time."""
        with self.changed:
            found = self._best()
            if found is None:
                left = deadline - time.monotonic()
                self.changed.wait_for(lambda: self.stopping or self._best() or self.down, left)
                found = self._best()
            if found is not None:
                self._count(found[0], 1)
                self._turns += 1
                found[0].turn = self._turns
            return found

    def release(self, replica: ServerReplica, *, answered: bool = False) -> None:
        """The replica is done with a request."""
        with self.changed:
            self._count(replica, -1)
            replica.answered += answered
            if (self.stopping and not self.in_flight) or (replica.leaving and not replica.in_flight):
                self.changed.notify_all()

    def resize(self, size: int, drain: float) -> int:
        """Start what is missing; what is too much gets no more requests and ends when it is idle.

        Returns: how many there are then: fewer than `size` where the machine has no room.
        """
        with self.changed:
            staying = self.staying
            missing = 0 if self.stopping else max(0, size - len(staying))
            first = 1 if missing and not staying else 0
            new = [self._make(self.changed) for _ in range(first + self._capacity.take(missing - first))]
            self._replicas = [*self._replicas, *new]
            surplus = self._least_useful(staying)[: max(0, len(staying) - size)]
            for replica in surplus:
                replica.leaving = True
            count = len(self.staying)
        for replica in new:
            replica.start()
        for replica in surplus:
            threading.Thread(target=self._retire, args=(replica, drain), name="retire", daemon=True).start()
        return count

    def stop(self, drain: float) -> None:
        """Lease nothing more, let requests in flight end (`drain` seconds at most), end all, and return."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.in_flight == 0, drain)
            replicas, self._replicas = self._replicas, []
        for replica in replicas:
            replica.end()
        for replica in replicas:
            replica.join()
        self._capacity.give_back(max(0, len(replicas) - 1))

    def load(self) -> Load:
        """What they did since this was asked last; what one spends on its start does not count."""
        serving = [replica.process for replica in self.staying if replica.client is not None]
        cpu = {process.pid: process.cpu_seconds for process in serving if process is not None}
        with self.changed:
            return self._meter.read(self.in_flight, self._turns, cpu)

    @property
    def memory_bytes(self) -> int:
        """Resident memory of all."""
        return sum(replica.process.rss for replica in self.staying if replica.process is not None)

    def _best(self) -> tuple[ServerReplica, UnixHttp] | None:
        if self.stopping:
            return None
        best: ServerReplica | None = None
        for replica in self._replicas:
            if replica.client is None or replica.leaving:
                continue
            if best is None or (replica.in_flight, replica.turn) < (best.in_flight, best.turn):
                best = replica
        return None if best is None or best.client is None else (best, best.client)

    def _count(self, replica: ServerReplica, change: int) -> None:
        self._meter.spend(self.in_flight)
        self.in_flight += change
        replica.in_flight += change

    def _least_useful(self, replicas: list[ServerReplica]) -> list[ServerReplica]:
        return sorted(replicas, key=lambda replica: (replica.client is not None, replica.in_flight))

    def _retire(self, replica: ServerReplica, drain: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: replica.in_flight == 0 or self.stopping, drain)
        replica.end()
        replica.join()
        with self.changed:
            ours = replica in self._replicas
            self._replicas = [other for other in self._replicas if other is not replica]
        self._capacity.give_back(int(ours))


class Meter:
    """Adds up what replicas do between two readings."""

    def __init__(self) -> None:
        self._begun = self._at = time.monotonic()
        self._request_seconds = 0.0
        self._requests = 0
        self._cpu: dict[int, float] = {}

    def spend(self, in_flight: int) -> None:
        """So many requests were in flight until now."""
        now = time.monotonic()
        self._request_seconds += in_flight * (now - self._at)
        self._at = now

    def read(self, in_flight: int, requests: int, cpu: dict[int, float]) -> Load:
        """The load since the last reading; `requests` so far, `cpu` seconds so far by process."""
        self.spend(in_flight)
        seconds = max(1e-6, self._at - self._begun)
        used = sum(max(0.0, spent - self._cpu[pid]) for pid, spent in cpu.items() if pid in self._cpu)
        load = Load(used / seconds, self._request_seconds / seconds, (requests - self._requests) * 60 / seconds)
        self._begun, self._request_seconds, self._requests, self._cpu = self._at, 0.0, requests, cpu
        return load

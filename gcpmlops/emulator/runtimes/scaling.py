"""How many replicas a deployed model needs, by what it is asked for and by what it has to do.

As in Vertex AI (https://cloud.google.com/vertex-ai/docs/predictions/autoscaling) the replicas' mean use of a resource
is held near a target; here one core is a replica's machine. Requests that wait for a busy server use no CPU, so they
count beside it. Vertex AI looks at minutes, this at seconds: people wait for it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
OUT_SECONDS = 1.0  # as long as this more have to be wanted before there are more
IN_SECONDS = 60.0  # as long as this fewer have to be wanted before there are fewer
IN_FLIGHT_TARGET = 4.0  # requests at a time that one replica should have at most
TOLERANCE = 0.1  # so far from its target a resource may be used before anything changes
RESERVE_BYTES = 1 << 30  # memory that replicas beyond a model's first leave to the machine


@dataclass(frozen=True)
class Targets:
    """What one replica should do at most: cores that it uses, requests a minute that it gets."""

    cpu: float = 0.6
    requests_per_minute: float = math.inf


@dataclass(frozen=True)
class Scaling:
    """Bounds of the number of replicas; `required` of them healthy are enough for a deployment (0: the minimum)."""

    minimum: int = 1
    maximum: int = 1
    required: int = 0
    targets: Targets = field(default_factory=Targets)

    def bounded(self, count: int) -> int:
        """The count, within the bounds."""
        return min(max(count, self.minimum), max(self.maximum, self.minimum))


@dataclass(frozen=True)
class Load:
    """What all replicas together did in a stretch of time: cores used, requests at a time, requests a minute."""

    cpu: float
    in_flight: float
    requests_per_minute: float

    def replicas(self, targets: Targets) -> float:
        """How many would be used as they should be."""
        return max(
            self.cpu / targets.cpu,
            self.in_flight / IN_FLIGHT_TARGET,
            self.requests_per_minute / targets.requests_per_minute,
        )


class Autoscaler:
    """Turns loads into numbers of replicas; it keeps no time of its own."""

    def __init__(self) -> None:
        self._wanted: deque[tuple[float, int]] = deque()

    def decide(self, now: float, size: int, load: Load, scaling: Scaling) -> int:
        """How many there should be now, where there are `size`: more after steady load, fewer after a quiet time."""
        ideal = load.replicas(scaling.targets)
        near = size * (1 - TOLERANCE) <= ideal <= size * (1 + TOLERANCE)
        self._wanted.append((now, scaling.bounded(size if near else math.ceil(ideal))))
        more, fewer = self._over(now, OUT_SECONDS, min), self._over(now, IN_SECONDS, max)
        if more is not None and more > size:
            return more
        return fewer if fewer is not None and fewer < size else size

    def _over(self, now: float, seconds: float, choose: Callable[[Iterable[int]], int]) -> int | None:
        """The least or most that was wanted in the last seconds; None where so much time has not passed."""
        while len(self._wanted) > 1 and self._wanted[1][0] <= now - IN_SECONDS:
            self._wanted.popleft()
        if self._wanted[0][0] > now - seconds:
            return None
        return choose(count for at, count in self._wanted if at > now - seconds)


class Capacity:
    """How many replicas one machine runs at a time; each model's first one is free."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._lock = threading.Lock()

    @classmethod
    def of_machine(cls) -> Capacity:
        """Four for each core."""
        return cls(4 * (psutil.cpu_count() or 1))

    def take(self, wanted: int) -> int:
        """As many of `wanted` as there is room and memory for."""
        with self._lock:
            room = self.limit - self._taken if psutil.virtual_memory().available > RESERVE_BYTES else 0
            granted = max(0, min(wanted, room))
            self._taken += granted
            return granted

    def give_back(self, count: int) -> None:
        with self._lock:
            self._taken -= count

"""Requests to the containers of deployed models: each is sent to one that the endpoint has at that moment."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.runtimes.server_spec import ServerStoppedError
from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.prediction.observed import Observation
from gcpmlops.emulator.services.prediction.rows import Rows
from gcpmlops.emulator.services.prediction.served import Served
from gcpmlops.emulator.services.prediction.spread import TRAFFIC, Spread

JSON = "application/json"
T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """A deployed model that a request goes to, and its server processes."""

    endpoint: Served
    deployed: Any
    pool: Any
    deadline: float

    @property
    def seconds(self) -> float:
        """How many are left until the deadline (of `time.monotonic`)."""
        return max(0.001, self.deadline - time.monotonic())

    def post(self, body: bytes, content_type: str) -> HttpReply:
        """The predict route's reply to a body. Raises as the pool's `request`."""
        route, headers = self.pool.spec.predict_route, {"content-type": content_type}
        reply: HttpReply = self.pool.request("POST", route, body, headers, self.seconds)
        return reply

    def headers(self) -> dict[str, str]:
        """What a raw reply says of the model that gave it."""
        return {
            "X-Vertex-AI-Endpoint-Id": self.endpoint.name.rpartition("/")[2],
            "X-Vertex-AI-Deployed-Model-Id": self.deployed.id,
            "X-Vertex-AI-Model": self.deployed.model,
            "X-Vertex-AI-Model-Version-Id": self.deployed.model_version_id,
        }


class Containers:
    """Picks a deployed model for each request and sends it there.

    Args:
        start: how many points of the traffic's even spread are left out.
    """

    def __init__(self, store: ResourceStore, deployments: Deployments, *, start: int = 0) -> None:
        self.endpoints: Rows[Served] = Rows(store.collection(types.Endpoint), Served.read)
        self._deployments = deployments
        self._points: dict[str, Spread] = defaultdict(partial(Spread, TRAFFIC, start))

    def ask(self, name: str, seen: Observation, use: Callable[[Target], T], deployed_id: str = "") -> tuple[Target, T]:
        """Let `use` ask a deployed model: the one of that id, else the next by the traffic split.

        Where the model is undeployed before anything was sent, the endpoint is read again, and another one is asked.

        Raises: NotFound, FailedPrecondition; what `use` raises.
        """
        deadline = time.monotonic() + self._seconds(name)
        while True:
            endpoint = self.endpoints.get(name)
            deployed = endpoint.find(deployed_id) if deployed_id else endpoint.pick(self._points[name].point())
            seen.deployed_model_id = deployed.id
            try:
                pool = self._pool(name, deployed.id)
                target = Target(endpoint, deployed, pool, deadline)
                return target, timed(seen, use, target)
            except ServerStoppedError:
                if self.endpoints.get(name) is endpoint:
                    raise

    def _seconds(self, name: str) -> float:
        """How long the answer may take: the client's deadline or the endpoint's own. Checks the host, too."""
        if "/publishers/" in name:
            raise exceptions.MethodNotImplemented(f"{name}: models of publishers are not built in this emulator.")
        endpoint, call = self.endpoints.get(name), current_call()
        endpoint.check_host(call.host)
        remaining = call.remaining()
        if remaining is not None and remaining <= 0:  # however quick the model would be
            raise exceptions.DeadlineExceeded(f"The deadline of the call to {name} has passed.")
        return endpoint.seconds if remaining is None else min(remaining, endpoint.seconds)

    def _pool(self, name: str, deployed_id: str) -> Any:
        try:
            return self._deployments.find(name, deployed_id)
        except exceptions.ServiceUnavailable as error:
            raise ServerStoppedError(error.message) from error


def timed(seen: Observation, use: Callable[[Target], T], target: Target) -> T:
    """Count the time as the model's."""
    started = time.perf_counter()
    try:
        return use(target)
    finally:
        seen.model_seconds += time.perf_counter() - started

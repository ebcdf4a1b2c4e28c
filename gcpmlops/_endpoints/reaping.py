"""Deployed models that served nothing for a time: finding them with what they cost, and taking them away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from gcpmlops._durations import spoken
from gcpmlops._endpoints import history
from gcpmlops._endpoints.calls import EndpointCalls
from gcpmlops._endpoints.prices import Price
from gcpmlops._endpoints.rollout import Figures
from gcpmlops._endpoints.traffic import split_without
from gcpmlops.exceptions import GcpMlopsError, NotFound


class Usage(Protocol):
    """Where figures come from: `gcpmlops._endpoints.serving_metrics.ServingMetrics`."""

    def window(self, endpoint: str, *, start: datetime, end: datetime) -> Mapping[str, Figures]:
        """By the deployed model's id."""


@dataclass(frozen=True)
class Idle:
    """A deployed model that served nothing for `idle` seconds; its price, and what became of it."""

    endpoint: str
    """Full name."""
    endpoint_name: str
    deployed_model_id: str
    model: str
    percent: int
    deployed: datetime
    idle: float
    """Seconds looked at; without a request in them."""
    price: Price
    undeployed: bool = False
    problem: str = ""
    """Why it could not be undeployed."""

    @property
    def last_request(self) -> str:
        """In words: only the time that was looked at is known."""
        return f"none for {spoken(self.idle)}"

    def __str__(self) -> str:
        what = f"{self.endpoint_name}: {self.model} ({self.deployed_model_id})"
        return f"{what} served nothing for {spoken(self.idle)}; {self.price}"


@dataclass(frozen=True)
class Reaper:
    """Looks at endpoints, one after the other."""

    usage: Usage
    now: datetime
    seconds: float
    price: Any
    """price(endpoint, deployed model) -> Price."""

    def idle(self, endpoints: Sequence[Any]) -> list[Idle]:
        """What served nothing. Not: what was deployed less long ago, and what is kept for a rollback."""
        return [each for endpoint in endpoints for each in self._of(endpoint)]

    def _of(self, endpoint: Any) -> Iterator[Idle]:
        old = [row for row in endpoint.deployed_models if self._is_old(row)]
        if not old or history.is_under_way(dict(endpoint.labels), self.now):
            return
        start = self.now - timedelta(seconds=self.seconds)
        served = {k: f.requests for k, f in self.usage.window(endpoint.name, start=start, end=self.now).items()}
        asleep = not any(served.values()) and len(old) == len(endpoint.deployed_models)
        for row in old:
            if not served.get(row.id) and (asleep or not self._is_kept(endpoint, row.id)):
                yield self._idle(endpoint, row)

    def _is_old(self, row: Any) -> bool:
        return bool((self.now - row.create_time).total_seconds() >= self.seconds)

    def _is_kept(self, endpoint: Any, key: str) -> bool:
        """For a rollback of an endpoint that is in use: until its time is over."""
        labels = dict(endpoint.labels)
        until = history.kept_until(labels)
        kept = key in {each.id for each in history.noted_before(labels, endpoint.name)}
        return kept and (until is None or until > self.now.timestamp())

    def _idle(self, endpoint: Any, row: Any) -> Idle:
        return Idle(
            endpoint.name,
            endpoint.display_name,
            row.id,
            f"{row.model.rpartition('/')[2].partition('@')[0]}@{row.model_version_id}".rstrip("@"),
            dict(endpoint.traffic_split).get(row.id, 0),
            row.create_time,
            self.seconds,
            self.price(endpoint.name, row),
        )


def undeploy(calls: EndpointCalls, found: Idle, usage: Usage, now: datetime, timeout: float | None) -> None:
    """Take it off its endpoint, unless it has served since it was found; others get its share of the traffic.

    Raises NotFound where it is gone, FailedPrecondition and the like as the service has them.
    """
    start = now - timedelta(seconds=found.idle)
    served = usage.window(found.endpoint, start=start, end=now).get(found.deployed_model_id)
    if served is not None and served.requests:
        raise GcpMlopsError(f"{found.deployed_model_id} has served {served.requests} requests meanwhile")
    endpoint = calls.get(found.endpoint)
    if found.deployed_model_id not in {row.id for row in endpoint.deployed_models}:
        raise NotFound(f"{found.deployed_model_id} is no longer deployed", resource=found.endpoint)
    split = split_without(endpoint, found.deployed_model_id)
    calls.undeploy(found.endpoint, deployed_model_id=found.deployed_model_id, split=split, timeout=timeout)

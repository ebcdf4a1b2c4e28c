"""One deployment at a time: it says so in the endpoint's labels, and changes only traffic that is as it left it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gcpmlops._endpoints import history
from gcpmlops._endpoints.calls import EndpointCalls
from gcpmlops._endpoints.traffic import nonzero
from gcpmlops.exceptions import FailedPrecondition


class Interference(Exception):  # noqa: N818 - what happened, not an error of the caller
    """Somebody else changed the endpoint meanwhile."""


class Claim:
    """Held from `take` to `release`. Changes go by etag; `Interference` comes before anything is overwritten."""

    def __init__(self, calls: EndpointCalls, endpoint: str, *, now: Callable[[], datetime]) -> None:
        self._calls = calls
        self._endpoint = endpoint
        self._now = now
        self._id = secrets.token_hex(4)
        self._history: dict[str, str] = {}
        self._traffic: dict[str, int] = {}
        """As this deployment left it."""
        self.before: Any = None
        """The endpoint as it was when this began."""

    def take(self, *, seconds: float, force: bool = False) -> Any:
        """Begin, and note what serves now as what served before; the endpoint as it was.

        `seconds` is how long it may take: a claim whose process died holds no longer. Raises FailedPrecondition while
        another deployment is under way.
        """

        def edit(endpoint: Any) -> Mapping[str, Any]:
            labels = dict(endpoint.labels)
            if history.claimed(labels)[0] == self._id:  # an answer was lost: it is done
                return {}
            if not force:
                self._refuse_second(endpoint)
            self.before = endpoint
            self._history = {k: v for k, v in labels.items() if k.startswith(history.PREVIOUS)}
            self._traffic = nonzero(endpoint.traffic_split)
            served = history.serving(endpoint)
            noted = history.noted(labels, served, self._endpoint) if served else labels
            return {"labels": {**noted, **self._label(seconds)}}

        self._calls.change(self._endpoint, edit)
        return self.before

    def switch(self, split: Mapping[str, int], *, seconds: float) -> Any:
        """Set the traffic, and how long what comes then may take. Raises Interference."""
        wanted = nonzero(split)

        def edit(endpoint: Any) -> Mapping[str, Any]:
            if self._is_mine(endpoint) and nonzero(endpoint.traffic_split) == wanted:
                return {}
            self.check(endpoint)
            return {"traffic_split": wanted, "labels": {**endpoint.labels, **self._label(seconds)}}

        endpoint = self._calls.change(self._endpoint, edit)
        self._traffic = wanted
        return endpoint

    def check(self, endpoint: Any = None) -> Any:
        """The endpoint, whose traffic is as this deployment left it. Raises Interference."""
        endpoint = endpoint or self._calls.get(self._endpoint)
        now = nonzero(endpoint.traffic_split)
        if not self._is_mine(endpoint):
            raise Interference(f"the deployment was ended by somebody else; the traffic is {now}")
        if now != self._traffic:
            raise Interference(f"the traffic was changed by somebody else: it is {now}, and was {self._traffic}")
        return endpoint

    def left(self, split: Mapping[str, int]) -> None:
        """The service itself set this traffic, on this deployment's behalf."""
        self._traffic = nonzero(split)

    def release(self, *, promoted: bool, keep: float | None = None) -> Any:
        """End: what served before stays noted (kept for `keep` seconds), or what was noted until now is again."""

        def edit(endpoint: Any) -> Mapping[str, Any]:
            labels = dict(endpoint.labels)
            if not self._is_mine(endpoint):
                return {}
            del labels[history.CLAIM]
            if not promoted:
                labels = {**history.without_history(labels), **self._history}
            elif keep is not None:
                labels[history.UNTIL] = str(int(self._now().timestamp() + keep))
            return {"labels": labels}

        return self._calls.change(self._endpoint, edit)

    def _label(self, seconds: float) -> dict[str, str]:
        return {history.CLAIM: f"{self._id}-{int(self._now().timestamp() + seconds) + 1}"}

    def _is_mine(self, endpoint: Any) -> bool:
        return history.claimed(dict(endpoint.labels))[0] == self._id

    def _refuse_second(self, endpoint: Any) -> None:
        if not history.is_under_way(dict(endpoint.labels), self._now()):
            return
        until = datetime.fromtimestamp(history.claimed(dict(endpoint.labels))[1], UTC)
        raise FailedPrecondition(
            f"a deployment to {endpoint.display_name} is under way (until {until:%Y-%m-%d %H:%M:%S} UTC at the latest)",
            resource=self._endpoint,
            next_step=(
                f"Wait for its end, or end it: `gcpmlops endpoints rollback {self._endpoint.rpartition('/')[2]}`. "
                "Is its process gone? force=True (--force) deploys all the same."
            ),
        )

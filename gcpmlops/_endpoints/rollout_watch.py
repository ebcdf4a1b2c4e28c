"""One step of a rollout: look at the figures again and again, until they speak against the new model or suffice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from gcpmlops._durations import Duration, seconds_of, spoken
from gcpmlops._endpoints.rollout import Figures, Step, said
from gcpmlops._endpoints.rollout_judge import quality_violation, violations
from gcpmlops._endpoints.strategies import Measure, Quality, Watched
from gcpmlops.exceptions import GcpMlopsError


class Metrics(Protocol):
    """Where figures come from: `gcpmlops._endpoints.serving_metrics.ServingMetrics`."""

    def window(self, endpoint: str, *, start: datetime, end: datetime) -> Mapping[str, Figures]:
        """By the deployed model's id."""

    def last_request(self, endpoint: str, since: datetime) -> datetime | None:
        """When the endpoint last answered one, as far as is known by now."""


@dataclass(frozen=True)
class Clock:
    """The time, and waiting."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class RolloutEvent:
    """Something that happened, or with kind "looked" only a look at the figures, in words."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass
class Look:
    """What one look saw."""

    new: Figures | None = None
    old: Figures | None = None
    quality: float | None = None
    reasons: tuple[str, ...] = ()


@dataclass
class Watch:
    """Of a new deployed model beside the old one that serves most."""

    endpoint: str
    new: str
    old: str
    limits: Watched
    metrics: Metrics
    clock: Clock
    check: Callable[[], Any]
    """Raises when the endpoint is no longer as the rollout left it."""
    probe: Callable[[int], int]
    """Sends about so many requests; how many it sent."""
    quality: Measure | None
    report: Callable[[RolloutEvent], None]
    _before: Figures | None = field(default=None, init=False)
    """The old model's latest figures that can be compared with: at 100 % it gets no requests any more."""

    def look_back(self) -> None:
        """Remember what the old model did before; it fails early where the figures cannot be read."""
        now = self.clock.now()
        earlier = max(600.0, seconds_of(self.limits.bake, field="bake"))
        self._note(self.metrics.window(self.endpoint, start=now - timedelta(seconds=earlier), end=now).get(self.old))

    def step(self, percent: int, started: datetime) -> Step:
        """Watch until the step is decided."""
        baked = _after(started, self.limits.bake)
        settled = _after(baked, self.limits.settle)
        patient = _after(settled, self.limits.patience)
        probed = 0
        while True:
            now = self.clock.now()
            look = self._look(started, now)
            ripe = now >= settled or (now >= baked and self._is_current(started, baked))
            short = self._short(look, started, baked=ripe)
            if look.reasons or (ripe and not short):
                return self._decided(percent, started, look, look.reasons)
            if now >= patient:
                return self._decided(
                    percent, started, look, (f"{short} after {spoken((now - started).total_seconds())}",)
                )
            self._say(percent, look, now, baked, short if ripe else "Cloud Monitoring may be late")
            if now > started:  # what others send has been looked for
                probed = self._probe(percent, look, probed, late=now >= baked and not ripe)
            self.check()
            self.clock.sleep(self._pause(now, next(each for each in (baked, settled, patient) if now < each)))

    def _is_current(self, started: datetime, moment: datetime) -> bool:
        """Whether Monitoring is seen to show what was served until then: it shows something later."""
        latest = self.metrics.last_request(self.endpoint, started)
        return latest is not None and latest >= moment

    def _look(self, started: datetime, now: datetime) -> Look:
        served = self.metrics.window(self.endpoint, start=started, end=now) if now > started else {}
        new, old = served.get(self.new), self._note(served.get(self.old))
        return Look(new, old, reasons=violations(self.limits, new, old))

    def _note(self, old: Figures | None) -> Figures | None:
        if old is not None and old.requests >= max(1, self.limits.min_requests):
            self._before = old
        return self._before or old

    def _short(self, look: Look, started: datetime, *, baked: bool) -> str:
        """What there is too little of, in words; quality is measured when all else is well and the time is over."""
        requests = look.new.requests if look.new is not None else 0
        if requests < self.limits.min_requests:
            return f"only {requests} of {self.limits.min_requests} requests came"
        limit = self.limits.quality
        if not baked or self.quality is None or not isinstance(limit, Quality) or look.reasons:
            return ""
        look.quality = self.quality(self.new, started, self.clock.now())
        if look.quality is None:
            return f"{limit.name}: no outcomes are known" if limit.required else ""
        look.reasons = tuple(filter(None, [quality_violation(limit, look.quality)]))
        return ""

    def _decided(self, percent: int, started: datetime, look: Look, reasons: tuple[str, ...]) -> Step:
        return Step(percent, started, self.clock.now(), look.new, look.old, look.quality, reasons)

    def _say(self, percent: int, look: Look, now: datetime, baked: datetime, short: str) -> None:
        left = f"{spoken((baked - now).total_seconds())} to go" if now < baked else f"waiting: {short}"
        self.report(RolloutEvent("looked", f"{percent} %: {said(look.new)}; {left}"))

    def _probe(self, percent: int, look: Look, probed: int, *, late: bool) -> int:
        """Send what is missing: of all probes only `percent` reach the new model, and they are counted later.

        Where Monitoring may be late one shows whether it is.
        """
        missing = self.limits.min_requests - (look.new.requests if look.new is not None else 0)
        expected = self.limits.min_requests * 100 // percent + 10
        wanted = min(50, missing * 100 // percent + 1) if missing > 0 and probed < 3 * expected else int(late)
        if not self.limits.probes or not wanted:
            return probed
        try:
            return probed + self.probe(wanted)
        except GcpMlopsError:  # the figures have it, with all others'
            return probed + 1

    def _pause(self, now: datetime, until: datetime) -> float:
        """A twentieth of the bake time, 0.2 to 30 s, and no longer than to the next decision."""
        pause = min(30.0, max(0.2, seconds_of(self.limits.bake, field="bake") / 20))
        return max(0.05, min(pause, (until - now).total_seconds()))


def _after(moment: datetime, duration: Duration) -> datetime:
    return moment + timedelta(seconds=seconds_of(duration, field="duration"))

"""What became of a rollout: its steps with what was measured, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gcpmlops import _html

COLUMNS = ("traffic", "requests", "errors", "p95", "old errors", "old p95", "quality", "verdict")
PROMOTED, ROLLED_BACK, STOPPED = "PROMOTED", "ROLLED_BACK", "STOPPED"


class Figures(Protocol):
    """What a deployed model did in a time, as `serving_metrics.Served` has it. Latencies in seconds."""

    @property
    def requests(self) -> int:
        """How many it got."""

    @property
    def errors(self) -> int:
        """How many of them failed."""

    @property
    def error_rate(self) -> float:
        """Their share."""

    @property
    def latency_p50_s(self) -> float | None:
        """Half of the requests were answered sooner."""

    @property
    def latency_p95_s(self) -> float | None:
        """95 of 100 requests were answered sooner."""


@dataclass(frozen=True)
class Step:
    """The new model at `percent` of the traffic: what it and the old one did, and why the step failed, if it did."""

    percent: int
    started: datetime
    ended: datetime
    challenger: Figures | None = None
    champion: Figures | None = None
    quality: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing spoke against it."""
        return not self.reasons

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.started).total_seconds()

    def __str__(self) -> str:
        if self.challenger is None and self.passed and not self.seconds:
            return f"{self.percent} %: not watched"
        verdict = "passed" if self.passed else f"failed: {'; '.join(self.reasons)}"
        return f"{self.percent} %: {said(self.challenger)} in {self.seconds:.0f} s; {verdict}"


@dataclass(frozen=True)
class Rollout:
    """How `model` came to `endpoint`, or why it did not.

    `decision` is PROMOTED, ROLLED_BACK (the traffic is what it was) or STOPPED (somebody else changed the endpoint, or
    it could not be reached: `traffic` is the last that was seen).
    """

    endpoint: str
    model: str
    deployed_model_id: str
    decision: str
    steps: tuple[Step, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What else is worth knowing: what is kept, what was left out."""
    previous: Mapping[str, int] = field(default_factory=dict)
    """The traffic before: id of the deployed model -> per cent."""
    traffic: Mapping[str, int] = field(default_factory=dict)
    """The traffic now."""

    @property
    def promoted(self) -> bool:
        """Whether the new model serves."""
        return self.decision == PROMOTED

    def __str__(self) -> str:
        lines = [f"{self.model} on {self.endpoint}: {self.decision}", *map(str, self.steps)]
        return "\n  ".join([*lines, *self.reasons, *self.notes])

    def _repr_html_(self) -> str:
        title = f"{self.model} on {self.endpoint.rpartition('/')[2]}: {self.decision}"
        table = _html.grid(title, COLUMNS, [row(step) for step in self.steps])
        return table + _html.card("", {"why": "; ".join(self.reasons), "notes": "; ".join(self.notes)})


def figures_of(found: Figures | None) -> dict[str, Any]:
    """As plain values."""
    if found is None:
        return {"requests": 0, "errors": 0, "error_rate": 0.0, "latency_p95_s": None}
    rate, p95 = found.error_rate, found.latency_p95_s
    return {"requests": found.requests, "errors": found.errors, "error_rate": rate, "latency_p95_s": p95}


def said(found: Figures | None) -> str:
    """In words."""
    if found is None or not found.requests:
        return "no requests"
    p95 = "" if found.latency_p95_s is None else f", p95 {seconds(found.latency_p95_s)}"
    return f"{found.requests} requests, {percent(found.error_rate)} errors{p95}"


def percent(share: float) -> str:
    """0.0123 as 1.23 %."""
    return f"{share * 100:.3g} %"


def seconds(value: float) -> str:
    """0.0123 as 12.3 ms, 1.5 as 1.5 s."""
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def row(step: Step) -> list[str]:
    """A step as people read it, under `COLUMNS`."""
    new, old = step.challenger, step.champion
    quality = "" if step.quality is None else f"{step.quality:.4g}"
    found = [f"{step.percent} %", str(new.requests if new else 0), *_pair(new), *_pair(old), quality]
    return [*found, "passed" if step.passed else "; ".join(step.reasons)]


def _pair(found: Figures | None) -> list[str]:
    if found is None or not found.requests:
        return ["", ""]
    return [percent(found.error_rate), "" if found.latency_p95_s is None else seconds(found.latency_p95_s)]

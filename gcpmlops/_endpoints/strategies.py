"""How a model is put into production: all at once, blue/green, or by canary steps; and what is watched meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from gcpmlops._durations import Duration, seconds_of
from gcpmlops.exceptions import InvalidArgument

ON_FAILURE = ("undeploy", "keep")
Measure: TypeAlias = Callable[[str, datetime, datetime], float | None]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """One number for how good a deployed model's predictions were, from the outcomes that are known by then.

    It comes from a BigQuery query with the parameters @deployed_model_id (STRING), @start and @end (TIMESTAMP), one row
    with one column; or from `measure(deployed_model_id, start, end)`. NULL and None mean that no outcome is there yet:
    a step waits for one as it waits for requests, and does without where `required` is False.
    """

    query: str | None = None
    measure: Measure | None = None
    minimum: float | None = None
    maximum: float | None = None
    name: str = "quality"
    required: bool = True

    def __post_init__(self) -> None:
        if (self.query is None) == (self.measure is None):
            raise InvalidArgument("quality: give either query or measure", field="quality", allowed="one of the two")
        if self.minimum is None and self.maximum is None:
            raise InvalidArgument("quality has no limit", field="quality", allowed="minimum, maximum, or both")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is watched after each change of traffic, in the requests that the new model got since then.

    Durations are seconds, timedeltas, or text such as "10m".
    """

    bake: Duration = 600
    """How long a step lasts at least."""
    settle: Duration = 180
    """How late Cloud Monitoring may be: a step is passed that long after `bake`, or sooner, once Monitoring shows
    requests later than `bake`; a local cloud's does at once."""
    patience: Duration = 1800
    """How much longer a step waits for requests (and outcomes) before the rollout is given up."""
    min_requests: int = 50
    """A step is passed on no fewer requests of the new model."""
    max_error_rate: float | None = 0.01
    """Share of the requests that may fail, 0 to 1."""
    max_latency_p95: float | None = None
    """Seconds, at the 95th percentile."""
    tolerance: float | None = 0.5
    """By which share error rate and p95 latency may be worse than the old model's; None: it does not matter."""
    quality: Quality | Measure | None = None
    """A Quality, or a function of (deployed_model_id, start, end) that says whether it is good enough: True or False,
    None where that is not known yet."""
    probes: bool = False
    """Whether the model's stored samples are sent while there are too few requests."""
    keep: Duration | None = None
    """How long the old models stay deployed without traffic, for a rollback in seconds: None until told, 0 not at all.
    `reap` undeploys them when the time is over."""
    on_failure: str = "undeploy"
    """What becomes of a model that failed: "undeploy", or "keep" it without traffic."""

    def __post_init__(self) -> None:
        if self.quality is not None and not isinstance(self.quality, Quality):
            object.__setattr__(self, "quality", Quality(measure=self.quality, minimum=1))
        for field in ("bake", "settle", "patience"):
            seconds_of(getattr(self, field), field=field)
        if self.keep is not None:
            seconds_of(self.keep, field="keep")
        for field in ("max_error_rate", "max_latency_p95", "tolerance", "min_requests"):
            value = getattr(self, field)
            if value is not None and value < 0:
                raise InvalidArgument(field=field, value=value, allowed="0 or more")
        if self.max_error_rate is not None and self.max_error_rate > 1:
            raise InvalidArgument(field="max_error_rate", value=self.max_error_rate, allowed="a share, 0 to 1")
        if self.on_failure not in ON_FAILURE:
            raise InvalidArgument(field="on_failure", value=self.on_failure, allowed=", ".join(ON_FAILURE))

    @property
    def watches(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(seconds_of(self.bake, field="bake") or self.min_requests or self.quality)

    @property
    def longest(self) -> float:
        """Seconds that one step may take."""
        return sum(seconds_of(getattr(self, field), field=field) for field in ("bake", "settle", "patience"))


@dataclass(frozen=True, kw_only=True)
class Canary(Watched):
    """The new model gets more of the traffic step by step; each step is watched, and one that fails undoes them all."""

    steps: Sequence[int] = (5, 25, 100)
    """Per cent, rising; the last one is 100."""

    def __post_init__(self) -> None:
        super().__post_init__()
        steps: list[object] = list(self.steps)  # callers without a type checker give anything
        whole = all(isinstance(step, int) and 0 < step <= 100 for step in steps)
        if not steps or not whole or list(self.steps) != sorted(set(self.steps)) or steps[-1] != 100:
            raise InvalidArgument(
                f"steps: {steps} are no canary steps",
                field="steps",
                value=steps,
                allowed="rising whole per cents, the last one 100, such as 5, 25, 100",
            )

    @property
    def shares(self) -> tuple[int, ...]:
        """Per cent of the traffic, step by step."""
        return tuple(self.steps)


@dataclass(frozen=True, kw_only=True)
class BlueGreen(Watched):
    """The new model is deployed without traffic, tested with its stored samples, then gets all traffic at once.

    The API sends requests only to models with traffic, so the samples go to a `preview`: the model alone on an endpoint
    of its own, which is deleted again; and once more to the endpoint after the switch. What is watched after the
    switch, for `bake` (0: nothing), is as for a Canary.
    """

    bake: Duration = 0
    min_requests: int = 0
    preview: bool = True
    """Whether the samples are tried before the switch; it takes a second deployment's time."""

    @property
    def shares(self) -> tuple[int, ...]:
        """Per cent of the traffic, step by step."""
        return (100,)

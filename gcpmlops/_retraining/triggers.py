"""What sets off a retraining: a schedule, drift, falling quality, new data, an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

from gcpmlops.exceptions import InvalidArgument

HOURLY = "0 * * * *"


@dataclass(frozen=True)
class Schedule:
    """At the times of a cron expression, whatever the data look like."""

    kind: ClassVar[str] = "schedule"
    cron: str
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class DataDrift:
    """Where a feature of `current` is further from `baseline` than its threshold, looked at by the cron `every`.

    Both are BigQuery tables or queries; @now in a query is the time of the look. A feed that is broken (nulls, a
    constant column, hardly any rows) is a data alert and no reason to retrain.
    """

    kind: ClassVar[str] = "drift"
    baseline: str
    current: str
    features: Sequence[str] = ()
    """All that both have, where none is named."""
    threshold: float = 0.3
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Of single features."""
    every: str = HOURLY
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class QualityBelow:
    """Where what serves is worse than `minimum` (or `maximum`), looked at by the cron `every`.

    Either a `metric` of `client.feedback.quality`, by the endpoint's request log and the outcomes of the last `window`,
    which is published for alerts as well; or a `query` with one number, in which @now is the time of the look, and NULL
    means that too few outcomes are known.
    """

    kind: ClassVar[str] = "quality"
    metric: str = ""
    query: str = ""
    minimum: float | None = None
    maximum: float | None = None
    window: str = "14d"
    key: str = "[0]"
    """What identifies an instance in the log: a field, or the place in a list."""
    prediction: str = "$"
    """The JSON path of the score in a prediction."""
    outcomes: str = "feedback.outcomes"
    outcomes_needed: int = 30
    every: str = HOURLY
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.minimum is None and self.maximum is None:
            raise InvalidArgument("quality has no limit", field="minimum", allowed="minimum, maximum, or both")
        if bool(self.metric) == bool(self.query):
            raise InvalidArgument("what is looked at?", field="metric", allowed="metric or query")


@dataclass(frozen=True, kw_only=True)
class NewData:
    """Where `table` has so many `rows` with a `time_column` later than the last run, looked at by the cron `every`."""

    kind: ClassVar[str] = "new-data"
    table: str
    time_column: str
    rows: int
    every: str = HOURLY
    time_zone: str = "UTC"


@dataclass(frozen=True)
class OnAlert:
    """When an alert policy (its display name) opens an incident; the policy gets a Pub/Sub channel for it."""

    kind: ClassVar[str] = "alert"
    policy: str


Trigger: TypeAlias = "Schedule | DataDrift | QualityBelow | NewData | OnAlert"
KINDS: dict[str, type[Any]] = {each.kind: each for each in (Schedule, DataDrift, QualityBelow, NewData, OnAlert)}


def to_dict(trigger: Trigger) -> dict[str, Any]:
    """As JSON has it."""
    return {"kind": trigger.kind, **asdict(trigger)}


def from_dict(given: Mapping[str, Any]) -> Trigger:
    """The other way. Raises InvalidArgument."""
    kind = KINDS.get(str(given.get("kind")))
    if kind is None:
        raise InvalidArgument(field="trigger", value=given.get("kind"), allowed=", ".join(KINDS))
    known = {each.name for each in fields(kind)}
    made: Trigger = kind(**{name: value for name, value in given.items() if name in known})
    return made


def cron_of(trigger: Trigger) -> tuple[str, str] | None:
    """When it is looked at, and in which time zone; None where something else tells."""
    if isinstance(trigger, OnAlert):
        return None
    return (trigger.cron if isinstance(trigger, Schedule) else trigger.every), trigger.time_zone

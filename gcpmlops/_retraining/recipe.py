"""What one retraining is told once, and keeps: everything from the data to the canary, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gcpmlops._durations import Duration, seconds_of, spoken
from gcpmlops._endpoints.strategies import Canary, Quality
from gcpmlops._retraining import triggers as triggers_
from gcpmlops._retraining.triggers import Trigger
from gcpmlops.exceptions import InvalidArgument

PROPOSE, CANDIDATE, AUTO = "propose", "candidate", "auto"
MODES = (PROPOSE, CANDIDATE, AUTO)
EVALUATE = ("target", "score", "prediction", "positive", "threshold", "slices", "sensitive", "minimum_size",
            "resamples", "confidence", "seed")  # fmt: skip
DEPLOY = ("machine_type", "min_replica_count", "max_replica_count", "accelerator_type", "accelerator_count",
          "service_account")  # fmt: skip
LONGEST_CANARY = 3000.0
"""Seconds."""
_DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At most so many `runs` and `hours` of training in any time of the length `per`."""

    runs: int = 4
    hours: float | None = None
    per: Duration = "30d"

    def __post_init__(self) -> None:
        if self.runs < 1 or (self.hours is not None and self.hours <= 0):
            raise InvalidArgument("a budget of nothing", field="budget", allowed="1 run or more, more than 0 hours")
        seconds_of(self.per, field="per")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One retraining, as it was set up.

    Attributes:
        job: the request of the training job (JSON of CustomJob); {table}, {evaluation_table}, {run} and {now} in its
            arguments and variables are filled in for each run.
        training, evaluation: SQL of the rows to learn from and of those that both models are judged on; @now in it is
            the time of the run.
        features: the columns that are sent to the model, in this order; all but the target otherwise.
        evaluate: what `client.evaluation.classification` or `.regression` is told.
        gates: as in a gates file.
        deploy: hardware of the deployment; server: of the container, as `models.upload` takes it.
        cool_down: seconds after the start of a run in which nothing sets off another one.
    """

    name: str
    model: str
    endpoint: str
    mode: str
    job: Mapping[str, Any]
    training: str
    evaluation: str
    dataset: str
    features: Sequence[str] = ()
    task: str = "classification"
    evaluate: Mapping[str, Any] = field(default_factory=dict)
    gates: Sequence[Mapping[str, Any]] = ()
    triggers: Sequence[Trigger] = ()
    canary: Mapping[str, Any] | None = None
    deploy: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    cool_down: float = _DAY
    samples: int = 20
    """Rows of the evaluation data that are stored with each version, and probe it."""

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _one_of("task", self.task, ("classification", "regression"))
        for given, known, name in ((self.evaluate, EVALUATE, "evaluate"), (self.deploy, DEPLOY, "deploy")):
            for key in given:
                _one_of(f"{name} key", key, known)
        if "target" not in self.evaluate:
            raise InvalidArgument("which column is the outcome?", field="evaluate", allowed="target=COLUMN, ...")

    def differs(self, other: Recipe) -> list[str]:
        """Names of what is not the same."""
        mine, theirs = json.loads(self.to_json()), json.loads(other.to_json())
        return [name for name in mine if mine[name] != theirs.get(name)]

    @property
    def strategy(self) -> Canary:
        """How a challenger that passed its gates is put into production."""
        given = dict(self.canary or {})
        if given.get("quality"):
            given["quality"] = Quality(**given["quality"])
        return Canary(**given)

    def to_json(self) -> bytes:
        """One JSON object."""
        plain = {**asdict(self), "triggers": [triggers_.to_dict(each) for each in self.triggers]}
        return json.dumps(plain, indent=1, sort_keys=True, default=str).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Recipe:
        """The other way."""
        given = json.loads(content)
        found = tuple(triggers_.from_dict(each) for each in given.pop("triggers"))
        return cls(**{**given, "triggers": found, "budget": Budget(**given["budget"])})


def canary_dict(canary: Canary) -> dict[str, Any]:
    """As JSON has it.

    Raises InvalidArgument for a quality that is no query (your own code is not there then), and for one that takes
    longer than a function may.
    """
    if canary.quality is not None and (not isinstance(canary.quality, Quality) or canary.quality.measure is not None):
        raise InvalidArgument("a retraining's quality is a query", field="canary", allowed="Quality(query=...)")
    step = seconds_of(canary.bake, field="bake") + seconds_of(canary.settle, field="settle")
    if (whole := step * len(canary.shares)) > LONGEST_CANARY:
        raise InvalidArgument(
            f"the canary takes {spoken(whole)} at least, and the function that does it has an hour", field="canary",
            allowed=f"steps that bake and settle in {spoken(LONGEST_CANARY)} together",
        )  # fmt: skip
    return asdict(canary)


def _one_of(field_name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InvalidArgument(field=field_name, value=value, allowed=", ".join(allowed))

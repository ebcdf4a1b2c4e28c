"""What to try next, and what was best: grid, random and model-based search over the trials so far."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gcpmlops.emulator.runtimes.search import space as spaces
from gcpmlops.emulator.runtimes.search.space import Double, Parameter, Point, Value

Algorithm = Literal["DEFAULT", "GRID", "RANDOM"]

_ATTEMPTS = 8  # at a point that was not tried before
_ENUMERABLE = 100_000


@dataclass(frozen=True)
class Goal:
    """A metric. With a threshold it is no objective but a bound: safe at the threshold or on its better side."""

    metric_id: str
    maximize: bool = True
    safe_threshold: float | None = None

    def score(self, value: float) -> float:
        """The greater the better."""
        return value if self.maximize else -value


@dataclass(frozen=True)
class Observation:
    """A trial: `values` by metric once it has ended, None for an infeasible one; `active` until it has ended."""

    parameters: Point
    values: Mapping[str, float] | None = None
    active: bool = False


@dataclass(frozen=True)
class Search:
    """One search; what it suggests follows from the observations, the seed and nothing else.

    Args:
        space: the parameters.
        goals: one objective or several, and bounds.
        algorithm: DEFAULT models the objective (several: the Pareto front); GRID needs a space without DOUBLE.
        seed: of all that is random.
        repeats: whether points may be tried again when all of a finite space have been; a GRID never repeats.
    """

    space: Sequence[Parameter]
    goals: Sequence[Goal]
    algorithm: Algorithm = "DEFAULT"
    seed: int = 0
    repeats: bool = True
    objectives: Sequence[Goal] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", [goal for goal in self.goals if goal.safe_threshold is None])

    def suggest(
        self, count: int, observations: Sequence[Observation], fixed: Mapping[str, Value] | None = None
    ) -> list[Point]:
        """`count` points to try, or fewer where the space is exhausted.

        `fixed` are values that the points must have; it narrows the search.
        """
        found: list[Point] = []
        known = list(observations)
        for _ in range(count):
            point = self._next(known, fixed or {})
            if point is None:
                break
            found.append(point)
            known.append(Observation(point, active=True))
        return found

    def best(self, observations: Sequence[Observation]) -> int | None:
        """The index of the best feasible observation by the first objective; None without any."""
        goal = self.objectives[0]
        candidates = self._candidates(observations)
        return max(candidates, key=lambda i: goal.score(_values(observations[i])[goal.metric_id]), default=None)

    def optimal(self, observations: Sequence[Observation]) -> list[int]:
        """The best one for a single objective, for several the Pareto front."""
        if len(self.objectives) == 1:
            best = self.best(observations)
            return [] if best is None else [best]
        scores = {i: self._scores(observations[i]) for i in self._candidates(observations)}
        return [i for i, mine in scores.items() if not any(_dominates(other, mine) for other in scores.values())]

    def complete(self, observation: Observation) -> bool:
        """Whether it has ended with a finite value for every goal."""
        values = observation.values or {}
        return not observation.active and all(math.isfinite(values.get(g.metric_id, math.nan)) for g in self.goals)

    def safe(self, observation: Observation) -> bool:
        """Whether a complete observation keeps every bound."""
        return all(violation <= 0 for violation in self.violations(observation).values())

    def violations(self, observation: Observation) -> dict[str, float]:
        """By how much a complete observation is beyond each bound; safe up to 0."""
        values = _values(observation)
        bounds = [(goal, goal.safe_threshold) for goal in self.goals]
        return {
            goal.metric_id: goal.score(bound) - goal.score(values[goal.metric_id])
            for goal, bound in bounds
            if bound is not None
        }

    def _candidates(self, observations: Sequence[Observation]) -> list[int]:
        complete = [i for i, each in enumerate(observations) if self.complete(each)]
        return [i for i in complete if self.safe(observations[i])] or complete

    def _scores(self, observation: Observation) -> tuple[float, ...]:
        values = _values(observation)
        return tuple(goal.score(values[goal.metric_id]) for goal in self.objectives)

    def _next(self, known: Sequence[Observation], fixed: Mapping[str, Value]) -> Point | None:
        seen = {spaces.key(each.parameters) for each in known}
        if self.algorithm == "GRID":
            return next((p for p in spaces.points(self.space) if spaces.key(p) not in seen and _agrees(p, fixed)), None)
        draw = self._random(len(known))
        defaults = self._defaults(draw, fixed) if self.algorithm == "DEFAULT" and not known else None
        if defaults is not None:
            return defaults
        drawn = []
        for attempt in range(_ATTEMPTS):
            drawn.append(self._draw(known, fixed, attempt))
            if spaces.key(drawn[-1]) not in seen:
                return drawn[-1]
        return self._untried(seen, fixed, draw) or (drawn[0] if self.repeats else None)

    def warm(self) -> None:
        """Imports what the first suggestion after an observation needs: half a second."""
        if self.algorithm == "DEFAULT":
            from gcpmlops.emulator.runtimes.search import model  # noqa: F401

    def _draw(self, known: Sequence[Observation], fixed: Mapping[str, Value], attempt: int) -> Point:
        if self.algorithm == "DEFAULT" and attempt < _ATTEMPTS // 2 and not all(each.active for each in known):
            from gcpmlops.emulator.runtimes.search import model

            return model.suggest(self, known, fixed, self._seed(len(known), attempt))
        draw = self._random(len(known), attempt)
        return spaces.choose(self.space, lambda _, parameter: _given(parameter, fixed, draw))

    def _defaults(self, draw: random.Random, fixed: Mapping[str, Value]) -> Point | None:
        """The declared starting point; parameters without a default are in the middle of their scale."""
        used = False

        def pick(_: str, parameter: Parameter) -> Value:
            nonlocal used
            if parameter.default is None or parameter.id in fixed:
                return fixed.get(parameter.id, parameter.at(0.5))
            used = True
            return _nearest(parameter, parameter.default)

        point = spaces.choose(self.space, pick)
        return point if used else None

    def _untried(
        self, seen: set[tuple[tuple[str, Value], ...]], fixed: Mapping[str, Value], draw: random.Random
    ) -> Point | None:
        """Any point of a small space that was not tried before."""
        if spaces.size(self.space) > _ENUMERABLE:
            return None
        grid = [*map(_flattened, self.space)]
        left = [p for p in spaces.points(grid) if spaces.key(p) not in seen and _agrees(p, fixed)]
        return draw.choice(left) if left else None

    def _random(self, *salt: int) -> random.Random:
        return random.Random(self._seed(*salt))  # noqa: S311 - nothing secret, and the same again after a restart

    def _seed(self, *salt: int) -> int:
        digest = hashlib.sha256(json.dumps([self.seed, *salt]).encode()).digest()
        return int.from_bytes(digest[:4], "big")


def _given(parameter: Parameter, fixed: Mapping[str, Value], draw: random.Random) -> Value:
    return fixed.get(parameter.id, parameter.at(draw.random()))


def _nearest(parameter: Parameter, value: Value) -> Value:
    if isinstance(parameter, spaces.Discrete):
        return min(parameter.values, key=lambda own: abs(own - float(value)))
    return value


def _flattened(parameter: Parameter) -> Parameter:
    """A DOUBLE of one value has a grid after all."""
    return spaces.Discrete(parameter.id, (parameter.min,)) if isinstance(parameter, Double) else parameter


def _agrees(point: Point, fixed: Mapping[str, Value]) -> bool:
    return all(point.get(name) == value for name, value in fixed.items())


def _values(observation: Observation) -> Mapping[str, float]:
    return observation.values or {}


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(itertools.zip_longest(one, other))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

"""A search space: typed parameters with scales, and parameters that exist only under some values of another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["LINEAR", "LOG", "REVERSE_LOG"]
Value = float | int | str
Point = dict[str, Value]
"""The values of those parameters that exist, by id."""

_EPSILON = 1e-10  # Vertex AI's, when discrete values are compared


@dataclass(frozen=True)
class Double:
    """Any number from `min` to `max`, both included; LOG and REVERSE_LOG need positive bounds."""

    id: str
    min: float
    max: float
    scale: Scale = "LINEAR"
    default: float | None = None

    def at(self, position: float) -> Value:
        """The value at a position in [0, 1] along the scale."""
        return _clip(_scaled(self.min, self.max, self.scale, position), self.min, self.max)

    def holds(self, value: Value) -> bool:
        """Whether it is a value of this parameter."""
        return _is_number(value) and self.min <= float(value) <= self.max

    def children(self, value: Value) -> tuple[Parameter, ...]:
        """Nothing can depend on a DOUBLE."""
        return ()


@dataclass(frozen=True)
class Integer:
    """Any whole number from `min` to `max`, both included."""

    id: str
    min: int
    max: int
    scale: Scale = "LINEAR"
    default: int | None = None
    conditions: tuple[Condition, ...] = ()

    def at(self, position: float) -> Value:
        """The value at a position in [0, 1] along the scale; each gets its share of it."""
        if self.scale == "LINEAR":
            return min(self.max, self.min + int(position * (self.max - self.min + 1)))
        value = _scaled(self.min - 0.5, self.max + 0.5, self.scale, position)
        return max(self.min, min(self.max, round(value)))

    def holds(self, value: Value) -> bool:
        """Whether it is a value of this parameter."""
        return _is_number(value) and float(value).is_integer() and self.min <= int(value) <= self.max

    def children(self, value: Value) -> tuple[Parameter, ...]:
        """The parameters that exist under this value."""
        return _children(self.conditions, value)


@dataclass(frozen=True)
class Discrete:
    """One of some numbers, in increasing order."""

    id: str
    values: tuple[float, ...]
    scale: Scale = "LINEAR"
    default: float | None = None
    conditions: tuple[Condition, ...] = ()

    def at(self, position: float) -> Value:
        """The value at a position in [0, 1]: all are equally far apart."""
        return self.values[min(len(self.values) - 1, int(position * len(self.values)))]

    def holds(self, value: Value) -> bool:
        """Whether it is a value of this parameter."""
        return _is_number(value) and any(abs(float(value) - own) < _EPSILON for own in self.values)

    def children(self, value: Value) -> tuple[Parameter, ...]:
        """The parameters that exist under this value."""
        return _children(self.conditions, value)


@dataclass(frozen=True)
class Categorical:
    """One of some words."""

    id: str
    values: tuple[str, ...]
    default: str | None = None
    conditions: tuple[Condition, ...] = ()

    def at(self, position: float) -> Value:
        """The value at a position in [0, 1]."""
        return self.values[min(len(self.values) - 1, int(position * len(self.values)))]

    def holds(self, value: Value) -> bool:
        """Whether it is a value of this parameter."""
        return value in self.values

    def children(self, value: Value) -> tuple[Parameter, ...]:
        """The parameters that exist under this value."""
        return _children(self.conditions, value)


Parameter = Double | Integer | Discrete | Categorical


@dataclass(frozen=True)
class Condition:
    """`parameter` exists while its parent has one of `values`."""

    values: tuple[Value, ...]
    parameter: Parameter

    def met(self, value: Value) -> bool:
        """Whether the parent's value is one of them."""
        return any(_same(value, own) for own in self.values)


def choose(space: Sequence[Parameter], pick: Callable[[str, Parameter], Value]) -> Point:
    """A point of which `pick` gives each value, parents first; asked only for parameters that exist.

    `pick` gets a key beside the parameter: parameters of the same id under different parents have different keys.
    """
    point: Point = {}
    for parameter in space:
        _choose(parameter, parameter.id, pick, point)
    return point


def _choose(parameter: Parameter, key: str, pick: Callable[[str, Parameter], Value], point: Point) -> None:
    value = point[parameter.id] = pick(key, parameter)
    for index, condition in enumerate(getattr(parameter, "conditions", ())):
        if condition.met(value):
            _choose(condition.parameter, f"{key}/{index}/{condition.parameter.id}", pick, point)


def nodes(space: Sequence[Parameter], point: Point) -> dict[str, tuple[Parameter, Value]]:
    """Parameters and values of a point by key.

    Raises: LookupError where a parameter that exists has no value, or one that the space doesn't have.
    """
    found: dict[str, tuple[Parameter, Value]] = {}

    def pick(key: str, parameter: Parameter) -> Value:
        value = point[parameter.id]
        if not parameter.holds(value):
            raise LookupError(f"{value!r} is not a value of parameter {parameter.id!r}")
        found[key] = parameter, value
        return value

    chosen = choose(space, pick)
    strange = next((name for name in point if name not in chosen), None)
    if strange is not None:
        raise LookupError(f"there is no parameter {strange!r} at this point")
    return found


def points(space: Sequence[Parameter]) -> Iterator[Point]:
    """The whole grid of a space without DOUBLE parameters, the last parameter running fastest."""
    if not space:
        yield {}
        return
    head, rest = space[0], tuple(space[1:])
    if isinstance(head, Double):
        raise TypeError(f"DOUBLE parameter {head.id!r} has no grid")
    values: Sequence[Value] = range(head.min, head.max + 1) if isinstance(head, Integer) else head.values
    for value in values:
        for tail in points((*head.children(value), *rest)):
            yield {head.id: value, **tail}


def size(space: Sequence[Parameter]) -> float:
    """How many points there are; infinite with a DOUBLE of more than one value."""
    return math.prod(map(_size, space))


def key(point: Point) -> tuple[tuple[str, Value], ...]:
    """Equal for equal points."""
    return tuple(sorted((name, value if isinstance(value, str) else float(value)) for name, value in point.items()))


def _size(parameter: Parameter) -> float:
    if isinstance(parameter, Double):
        return 1 if parameter.min == parameter.max else math.inf
    count = parameter.max - parameter.min + 1 if isinstance(parameter, Integer) else len(parameter.values)
    special = {value for condition in parameter.conditions for value in condition.values}
    return count - len(special) + sum(size(parameter.children(value)) for value in special)


def _children(conditions: Sequence[Condition], value: Value) -> tuple[Parameter, ...]:
    return tuple(condition.parameter for condition in conditions if condition.met(value))


def _same(one: Value, other: Value) -> bool:
    if _is_number(one) and _is_number(other):
        return abs(float(one) - float(other)) < _EPSILON
    return one == other


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _scaled(low: float, high: float, scale: Scale, position: float) -> float:
    if scale == "LINEAR":
        return low + position * (high - low)
    if scale == "LOG":
        return float(math.exp(math.log(low) + position * (math.log(high) - math.log(low))))
    return low + high - _scaled(low, high, "LOG", 1 - position)


def _clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))

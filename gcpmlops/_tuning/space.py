"""The search space of a tuning job, typed: Double, Integer, Discrete, Categorical, and what hangs on their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args

from gcpmlops import _google
from gcpmlops.exceptions import InvalidArgument

Scale: TypeAlias = Literal["linear", "log", "reverse_log"]
SCALES: tuple[str, ...] = get_args(Scale)
_NAME = re.compile(r"\S{1,128}")


@dataclass(frozen=True)
class Condition:
    """The parameters of `space` exist where the parent has one of `values`."""

    values: tuple[Any, ...]
    space: Mapping[str, Parameter]


@dataclass(frozen=True)
class Double:
    """A number from `min` to `max`, both included. Scales log and reverse_log need min above 0."""

    min: float
    max: float
    scale: Scale = "linear"
    default: float | None = None
    conditions: ClassVar[tuple[Condition, ...]] = ()

    def __post_init__(self) -> None:
        for name in ("min", "max", "default"):
            value = getattr(self, name)
            if value is not None or name != "default":
                object.__setattr__(self, name, _number(value, name))
        _check_range(self)


class _Parent:
    """A parameter on whose value others may hang."""

    conditions: tuple[Condition, ...]

    def when(self, values: Any, space: Mapping[str, Parameter]) -> Self:
        """The same parameter, with the parameters of `space` searched only where it has one of `values`.

        Categorical(["tree", "linear"]).when("tree", {"depth": Integer(2, 10)}). Raises InvalidArgument.
        """
        each = tuple(values) if isinstance(values, (list, tuple, set, frozenset, range)) else (values,)
        if not each:
            raise InvalidArgument("when() names no value", field="when", allowed="at least one value of the parameter")
        if not space:
            raise InvalidArgument("when() holds no parameters", field="when", allowed="at least one parameter")
        checked = tuple(self._own(value) for value in each)
        return replace(self, conditions=(*self.conditions, Condition(checked, dict(space))))  # type: ignore[type-var]

    def _own(self, value: Any) -> Any:
        """The value as the parameter has it. Raises InvalidArgument where it never can."""
        raise NotImplementedError


@dataclass(frozen=True)
class Integer(_Parent):
    """A whole number from `min` to `max`, both included. Scales log and reverse_log need min above 0."""

    min: int
    max: int
    scale: Scale = "linear"
    default: int | None = None
    conditions: tuple[Condition, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("min", "max", "default"):
            value = getattr(self, name)
            if value is not None or name != "default":
                object.__setattr__(self, name, _whole(value, name))
        _check_range(self)

    def _own(self, value: Any) -> int:
        whole = _whole(value, "when")
        if not self.min <= whole <= self.max:
            allowed = f"{self.min} to {self.max}"
            raise InvalidArgument(f"{value!r} is outside of {allowed}", field="when", value=value, allowed=allowed)
        return whole


@dataclass(frozen=True)
class Discrete(_Parent):
    """One of these numbers, which have an order: a neighbour's result says something about a value."""

    values: Sequence[float]
    scale: Scale = "linear"
    default: float | None = None
    conditions: tuple[Condition, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        numbers = sorted(_number(value, "values") for value in _several(self.values))
        _check_choices(numbers)
        object.__setattr__(self, "values", tuple(numbers))
        _check_scale(self.scale, numbers[0], "values")
        _check_default(self.default, self.values)

    def _own(self, value: Any) -> float:
        return float(_one_of(_number(value, "when"), self.values, "when"))


@dataclass(frozen=True)
class Categorical(_Parent):
    """One of these texts, which have no order."""

    values: Sequence[str]
    default: str | None = None
    conditions: tuple[Condition, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for value in _several(self.values):
            if not isinstance(value, str) or not value:
                hint = "text; write a number as text, or use Discrete"
                raise InvalidArgument(f"{value!r} is not text", field="values", value=value, allowed=hint)
        _check_choices(self.values)
        object.__setattr__(self, "values", tuple(self.values))
        _check_default(self.default, self.values)

    def _own(self, value: Any) -> str:
        return str(_one_of(value, self.values, "when"))


Parameter: TypeAlias = Double | Integer | Discrete | Categorical
Space: TypeAlias = Mapping[str, Parameter]


def walk(space: Any) -> Iterator[tuple[str, Parameter]]:
    """All parameters, those that hang on others after them. Raises InvalidArgument."""
    if not isinstance(space, Mapping) or not space:
        raise InvalidArgument(
            "the search space is empty", field="space", allowed='at least one parameter: {"depth": Integer(2, 10)}'
        )
    for name, parameter in space.items():
        check_name(name)
        if not isinstance(parameter, (Double, Integer, Discrete, Categorical)):
            allowed = "Double, Integer, Discrete or Categorical"
            raise InvalidArgument(
                f"{name}: {parameter!r} is not a parameter", field=f"space.{name}", value=parameter, allowed=allowed
            )
        yield name, parameter
        for condition in parameter.conditions:
            yield from walk(condition.space)


def check_name(name: object) -> str:
    """The parameter's id. Raises InvalidArgument."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgument(
            f"{name!r} is not a parameter's name", field="space", value=name, allowed="text without spaces"
        )
    return name


def check(space: Space) -> dict[str, Parameter]:
    """Each parameter by its id. Raises InvalidArgument for an empty space and for an id that stands twice."""
    found: dict[str, Parameter] = {}
    for name, parameter in walk(space):
        if name in found:
            raise InvalidArgument(
                f"parameter {name!r} stands twice", field=f"space.{name}", value=name, allowed="each id once"
            )
        found[name] = parameter
    return found


def samples(space: Space) -> dict[str, Any]:
    """A possible value of each parameter: what a trial's command line looks like."""
    return {name: _sample(parameter) for name, parameter in walk(space)}


def _sample(parameter: Parameter) -> Any:
    """Whole discrete numbers are written without a point."""
    if isinstance(parameter, Discrete):
        first = parameter.values[0]
        return int(first) if first.is_integer() else first
    return parameter.values[0] if isinstance(parameter, Categorical) else parameter.min


def specs(space: Space) -> list[Any]:
    """Google's ParameterSpecs. Raises InvalidArgument."""
    check(space)
    return [_spec(name, parameter) for name, parameter in space.items()]


def _spec(name: str, parameter: Parameter) -> Any:
    types = _google.study.StudySpec.ParameterSpec
    spec = types(parameter_id=name)
    kind = type(parameter).__name__
    default = {} if parameter.default is None else {"default_value": parameter.default}
    if isinstance(parameter, (Double, Integer)):
        value: dict[str, Any] = {"min_value": parameter.min, "max_value": parameter.max, **default}
    else:
        value = {"values": list(parameter.values), **default}
    setattr(spec, f"{kind.lower()}_value_spec", getattr(types, f"{kind}ValueSpec")(**value))
    if not isinstance(parameter, Categorical):
        spec.scale_type = types.ScaleType.__members__[f"UNIT_{parameter.scale.upper()}_SCALE"]
    spec.conditional_parameter_specs = [
        _conditional(parameter, condition, child) for condition in parameter.conditions for child in condition.space
    ]
    return spec


def _conditional(parent: Parameter, condition: Condition, child: str) -> Any:
    types = _google.study.StudySpec.ParameterSpec.ConditionalParameterSpec
    field_, kind = {
        Integer: ("parent_int_values", types.IntValueCondition),
        Discrete: ("parent_discrete_values", types.DiscreteValueCondition),
        Categorical: ("parent_categorical_values", types.CategoricalValueCondition),
    }[type(parent)]
    values = kind(values=list(condition.values))
    return types(parameter_spec=_spec(child, condition.space[child]), **{field_: values})


def _number(value: Any, name: str) -> float:
    """A float; text as YAML gives it for 1e-4 counts."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise InvalidArgument(f"{name} is {value!r}", field=name, value=value, allowed="a finite number")
    return number


def _whole(value: Any, name: str) -> int:
    number = _number(value, name)
    if number != int(number):
        raise InvalidArgument(f"{name} is {value!r}", field=name, value=value, allowed="a whole number")
    return int(number)


def _check_range(parameter: Double | Integer) -> None:
    low, high, default = parameter.min, parameter.max, parameter.default
    if low > high:
        raise InvalidArgument(f"min {low:g} is above max {high:g}", field="min", value=low, allowed=f"at most {high:g}")
    _check_scale(parameter.scale, low, "min")
    if default is not None and not low <= default <= high:
        allowed = f"{low:g} to {high:g}"
        raise InvalidArgument(
            f"default {default:g} is outside of {allowed}", field="default", value=default, allowed=allowed
        )


def _check_scale(scale: str, lowest: float, name: str) -> None:
    if scale not in SCALES:
        raise InvalidArgument(f"scale {scale!r} is not known", field="scale", value=scale, allowed=", ".join(SCALES))
    if scale != "linear" and lowest <= 0:
        raise InvalidArgument(
            f"scale {scale} needs values above 0, and {name} is {lowest:g}", field=name, value=lowest, allowed="above 0"
        )


def _several(values: Any) -> Sequence[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, range)) or not len(values):
        raise InvalidArgument(f"values is {values!r}", field="values", value=values, allowed="a list of one or more")
    return values


def _check_choices(values: Sequence[Any]) -> None:
    twice = next((value for n, value in enumerate(values) if value in values[:n]), None)
    if twice is not None:
        raise InvalidArgument(f"value {twice!r} stands twice", field="values", value=twice, allowed="each value once")


def _check_default(default: Any, values: Sequence[Any]) -> None:
    if default is not None:
        _one_of(default, values, "default")


def _one_of(value: Any, values: Sequence[Any], name: str) -> Any:
    if value not in values:
        allowed = ", ".join(map(str, values))
        raise InvalidArgument(f"{value!r} is not one of the values", field=name, value=value, allowed=allowed)
    return value

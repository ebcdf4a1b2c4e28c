"""From Vertex AI's messages to the search engine's and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.search.search import Algorithm, Goal, Observation, Search
from gcpmlops.emulator.runtimes.search.space import (
    Categorical,
    Condition,
    Discrete,
    Double,
    Integer,
    Parameter,
    Point,
    Scale,
    Value,
)

_Spec: Any = types.StudySpec
_TrialState: Any = types.Trial.State
_SCALES: Mapping[int, Scale] = {0: "LINEAR", 1: "LINEAR", 2: "LOG", 3: "REVERSE_LOG"}
_ALGORITHMS: Mapping[int, Algorithm] = {0: "DEFAULT", 2: "GRID", 3: "RANDOM"}


def search(spec: types.StudySpec, seed: int) -> Search:
    """The search of a checked spec."""
    algorithm = _ALGORITHMS[int(spec.algorithm)]
    repeats = spec.observation_noise != _Spec.ObservationNoise.LOW
    space = [_parameter(each) for each in spec.parameters]
    return Search(space, goals(spec), algorithm, seed, repeats)


def goals(spec: types.StudySpec) -> list[Goal]:
    """Metrics; a goal that is not specified is to maximize."""
    return [
        Goal(
            metric.metric_id,
            metric.goal != _Spec.MetricSpec.GoalType.MINIMIZE,
            metric.safety_config.safety_threshold if "safety_config" in metric else None,
        )
        for metric in spec.metrics
    ]


def observation(trial: types.Trial) -> Observation:
    """What the engine is told of a trial."""
    point: Point = {parameter.parameter_id: parameter.value for parameter in trial.parameters}
    if trial.state == _TrialState.SUCCEEDED:
        values = {metric.metric_id: metric.value for metric in trial.final_measurement.metrics}
        return Observation(point, values)
    return Observation(point, active=trial.state != _TrialState.INFEASIBLE)


def parameters(point: Mapping[str, Value]) -> list[Any]:
    """A trial's parameters."""
    return [types.Trial.Parameter(parameter_id=name, value=value) for name, value in point.items()]


def point_of(given: Sequence[Any], space: Iterable[Parameter], path: str) -> Point:
    """The values that a client gave to some parameters. Raises: InvalidArgument naming one that doesn't fit."""
    known: dict[str, list[Parameter]] = {}
    for parameter in _everywhere(space):
        known.setdefault(parameter.id, []).append(parameter)
    point: Point = {}
    for index, each in enumerate(given):
        name, value = each.parameter_id, each.value
        if name not in known:
            raise validate.invalid(f"{path}[{index}].parameter_id", f"the study has no parameter {name!r}.")
        if not isinstance(value, float | int | str) or not any(own.holds(value) for own in known[name]):
            raise validate.invalid(f"{path}[{index}].value", f"{value!r} is not a feasible value of {name!r}.")
        if name in point:
            raise validate.invalid(f"{path}[{index}].parameter_id", f"{name!r} is given twice.")
        point[name] = value
    return point


def _everywhere(space: Iterable[Parameter]) -> Iterator[Parameter]:
    for parameter in space:
        yield parameter
        yield from _everywhere(condition.parameter for condition in getattr(parameter, "conditions", ()))


def _parameter(spec: Any) -> Parameter:
    scale = _SCALES[int(spec.scale_type)]
    conditions = tuple(_condition(child) for child in spec.conditional_parameter_specs)
    if "double_value_spec" in spec:
        double = spec.double_value_spec
        return Double(spec.parameter_id, double.min_value, double.max_value, scale, _default(double))
    if "integer_value_spec" in spec:
        whole = spec.integer_value_spec
        return Integer(spec.parameter_id, whole.min_value, whole.max_value, scale, _default(whole), conditions)
    if "discrete_value_spec" in spec:
        discrete = spec.discrete_value_spec
        return Discrete(spec.parameter_id, tuple(discrete.values), scale, _default(discrete), conditions)
    categorical = spec.categorical_value_spec
    return Categorical(spec.parameter_id, tuple(categorical.values), _default(categorical), conditions)


def _default(value_spec: Any) -> Any:
    return value_spec.default_value if "default_value" in value_spec else None


def _condition(child: Any) -> Condition:
    names = ("parent_discrete_values", "parent_int_values", "parent_categorical_values")
    name = next(name for name in names if name in child)
    return Condition(tuple(getattr(child, name).values), _parameter(child.parameter_spec))

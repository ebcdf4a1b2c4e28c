"""StudySpec: what Vertex AI refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate

Spec = Any  # types.StudySpec.ParameterSpec; proto-plus types nested messages as Any
_Algorithm: Any = types.StudySpec.Algorithm
_ScaleType: Any = types.StudySpec.ParameterSpec.ScaleType
_POSITIVE = {_ScaleType.UNIT_LOG_SCALE, _ScaleType.UNIT_REVERSE_LOG_SCALE}
_MAX_DISCRETE = 1000
_APART = 1e-10
_CONDITIONS = {
    "parent_discrete_values": "discrete_value_spec",
    "parent_int_values": "integer_value_spec",
    "parent_categorical_values": "categorical_value_spec",
}


def check(spec: types.StudySpec, path: str) -> None:
    """Raises InvalidArgument naming the field below `path`; MethodNotImplemented for what is not built."""
    _check_metrics(spec.metrics, f"{path}.metrics")
    if not spec.parameters:
        raise validate.invalid(f"{path}.parameters", "required, but missing: the search space is empty.")
    _check_parameters(spec.parameters, f"{path}.parameters", set())
    if spec.algorithm not in set(_Algorithm):
        raise validate.invalid(f"{path}.algorithm", f"{spec.algorithm} is not a search algorithm.")
    if spec.algorithm == _Algorithm.GRID_SEARCH:
        _check_grid(spec.parameters, path)
    _check_stopping(spec, path)


def _check_metrics(metrics: Sequence[Any], path: str) -> None:
    if not metrics:
        raise validate.invalid(path, "required, but missing.")
    for index, metric in enumerate(metrics):
        _check_id(metric.metric_id, f"{path}[{index}].metric_id", [other.metric_id for other in metrics[:index]])
        fraction = metric.safety_config.desired_min_safe_trials_fraction if "safety_config" in metric else 0
        if not 0 <= fraction <= 1:
            field = f"{path}[{index}].safety_config.desired_min_safe_trials_fraction"
            raise validate.invalid(field, f"{fraction} is not from 0 to 1.")
    if all("safety_config" in metric for metric in metrics):
        raise validate.invalid(path, "all are safety metrics: an objective is required as well.")


def _check_id(value: str, path: str, taken: Iterable[str]) -> None:
    if not value:
        raise validate.invalid(path, "required, but missing.")
    if any(character.isspace() for character in value):
        raise validate.invalid(path, f"{value!r} contains whitespace.")
    if value in taken:
        raise validate.invalid(path, f"{value!r} is given twice.")


def _check_parameters(specs: Sequence[Spec], path: str, taken: set[str]) -> set[str]:
    """Checks parameters that exist together, and returns the ids of them and of all below."""
    found: set[str] = set()
    for index, spec in enumerate(specs):
        found |= _check_parameter(spec, f"{path}[{index}]", taken | found)
    return found


def _check_parameter(spec: Spec, path: str, taken: set[str]) -> set[str]:
    _check_id(spec.parameter_id, f"{path}.parameter_id", taken)
    kind = next((name for name in _CHECKS if name in spec), None)
    if kind is None:
        raise validate.invalid(path, "one of double_value_spec, integer_value_spec, discrete_value_spec and "
                                     "categorical_value_spec is required.")  # fmt: skip
    _CHECKS[kind](getattr(spec, kind), spec.scale_type, f"{path}.{kind}")
    return {spec.parameter_id} | _check_children(spec, kind, path, {*taken, spec.parameter_id})


def _check_children(parent: Spec, kind: str, path: str, taken: set[str]) -> set[str]:
    below: list[tuple[set[Any], set[str]]] = []
    for index, child in enumerate(parent.conditional_parameter_specs):
        field = f"{path}.conditional_parameter_specs[{index}]"
        values = _check_condition(child, parent, kind, field)
        below.append((values, _check_parameter(child.parameter_spec, f"{field}.parameter_spec", taken)))
    for (values, ids), (others, other_ids) in combinations(below, 2):
        if values & others and ids & other_ids:
            name, value = sorted(ids & other_ids)[0], sorted(values & others)[0]
            field = f"{path}.conditional_parameter_specs"
            raise validate.invalid(field, f"{name!r} is given twice for {parent.parameter_id} = {value!r}.")
    return set().union(*(ids for _, ids in below))


def _check_condition(child: Any, parent: Spec, kind: str, path: str) -> set[Any]:
    """The parent's values under which the child exists."""
    condition = next((name for name in _CONDITIONS if name in child), None)
    if condition is None:
        raise validate.invalid(path, f"one of {', '.join(_CONDITIONS)} is required.")
    if _CONDITIONS[condition] != kind:
        what = f"{parent.parameter_id!r} has a {kind}"
        raise validate.invalid(f"{path}.{condition}", f"does not fit: {what}.")
    values = list(getattr(child, condition).values)
    if not values:
        raise validate.invalid(f"{path}.{condition}.values", "required, but missing.")
    own = getattr(parent, kind)
    for value in values:
        inside = own.min_value <= value <= own.max_value if kind == "integer_value_spec" else value in own.values
        if not inside:
            raise validate.invalid(f"{path}.{condition}.values", f"{value!r} is no value of {parent.parameter_id!r}.")
    return set(values)


def _check_range(spec: Any, scale: Any, path: str) -> None:
    for name in ("min_value", "max_value"):
        if not math.isfinite(getattr(spec, name)):
            raise validate.invalid(f"{path}.{name}", f"{getattr(spec, name)} is not finite.")
    if spec.min_value > spec.max_value:
        raise validate.invalid(f"{path}.min_value", f"{spec.min_value} is above max_value {spec.max_value}.")
    if scale in _POSITIVE and spec.min_value <= 0:
        raise validate.invalid(f"{path}.min_value", f"{spec.min_value} is not positive, as {_name(scale)} needs.")
    if "default_value" in spec and not spec.min_value <= spec.default_value <= spec.max_value:
        what = f"{spec.default_value} is not from {spec.min_value} to {spec.max_value}."
        raise validate.invalid(f"{path}.default_value", what)


def _check_discrete(spec: Any, scale: Any, path: str) -> None:
    values = list(spec.values)
    if not values:
        raise validate.invalid(f"{path}.values", "required, but missing.")
    if len(values) > _MAX_DISCRETE:
        raise validate.invalid(f"{path}.values", f"{len(values)} values, {_MAX_DISCRETE} are allowed.")
    if not all(math.isfinite(value) for value in values):
        raise validate.invalid(f"{path}.values", "all have to be finite.")
    if any(after - before < _APART for before, after in pairwise(values)):
        raise validate.invalid(f"{path}.values", "they have to be in increasing order and at least 1e-10 apart.")
    if scale in _POSITIVE and values[0] <= 0:
        raise validate.invalid(f"{path}.values", f"{values[0]} is not positive, as {_name(scale)} needs.")


def _check_categorical(spec: Any, scale: Any, path: str) -> None:
    if scale:
        field = path.replace("categorical_value_spec", "scale_type")
        raise validate.invalid(field, "a categorical parameter has no scale.")
    values = list(spec.values)
    if not values:
        raise validate.invalid(f"{path}.values", "required, but missing.")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise validate.invalid(f"{path}.values", f"{value!r} is given twice.")
    if "default_value" in spec and spec.default_value not in values:
        raise validate.invalid(f"{path}.default_value", f"{spec.default_value!r} is not among the values.")


_CHECKS: dict[str, Callable[[Any, Any, str], None]] = {
    "double_value_spec": _check_range,
    "integer_value_spec": _check_range,
    "discrete_value_spec": _check_discrete,
    "categorical_value_spec": _check_categorical,
}


def _check_grid(specs: Sequence[Spec], path: str) -> None:
    for spec in specs:
        if "double_value_spec" in spec:
            what = f"GRID_SEARCH needs INTEGER, DISCRETE and CATEGORICAL parameters; {spec.parameter_id!r} is DOUBLE."
            raise validate.invalid(f"{path}.algorithm", what)
        _check_grid([child.parameter_spec for child in spec.conditional_parameter_specs], path)


def _check_stopping(spec: types.StudySpec, path: str) -> None:
    convex = f"{path}.convex_automated_stopping_spec"
    if "convex_automated_stopping_spec" in spec:
        rule = spec.convex_automated_stopping_spec
        for name in ("max_step_count", "min_step_count", "min_measurement_count"):
            if getattr(rule, name) < 0:
                raise validate.invalid(f"{convex}.{name}", f"{getattr(rule, name)} is negative.")
        if rule.update_all_stopped_trials:
            raise exceptions.MethodNotImplemented(f"{convex}.update_all_stopped_trials is not built in this emulator.")
    config = spec.study_stopping_config
    for name in ("min_num_trials", "max_num_trials", "max_num_trials_no_progress"):
        if (getattr(config, name) or 0) < 0:
            raise validate.invalid(f"{path}.study_stopping_config.{name}", f"{getattr(config, name)} is negative.")


def _name(scale: Any) -> str:
    return str(_ScaleType(scale).name)

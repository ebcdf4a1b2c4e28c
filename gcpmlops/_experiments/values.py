"""What may be logged: names and values checked before they are sent."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, TypeAlias

from gcpmlops.exceptions import InvalidArgument

Value: TypeAlias = "float | int | str | bool"

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_ID_RULE = "lower-case letters, digits and '-', the first a letter or digit"
_RUN_LIMIT = 121  # of EXPERIMENT-RUN: the run's TensorBoard artifact adds -tb-run to 128 at most
_EXACT = 2**53  # metadata holds numbers as doubles
_METADATA_LIMIT = 200_000  # bytes of a context's metadata


def check_experiment(name: object) -> str:
    """The experiment's id. Raises InvalidArgument."""
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise InvalidArgument(
            f"{name!r} is not an experiment's name",
            field="experiment",
            value=name,
            allowed=f"1 to 128 characters: {_ID_RULE}",
        )
    return name


def check_run(experiment: str, run: object) -> str:
    """The run's name. Raises InvalidArgument."""
    if not isinstance(run, str) or not _ID.fullmatch(run):
        raise InvalidArgument(f"{run!r} is not a run's name", field="run", value=run, allowed=_ID_RULE)
    if len(f"{experiment}-{run}") > _RUN_LIMIT:
        allowed = f"{_RUN_LIMIT} characters for EXPERIMENT-RUN"
        raise InvalidArgument(f"run {run!r} is too long", field="run", value=run, allowed=allowed)
    return run


def check_params(params: Mapping[str, Any]) -> dict[str, Value]:
    """Plain copies. Raises InvalidArgument."""
    return {_key(name, "params"): _value(name, value, "params") for name, value in _mapping(params, "params").items()}


def check_metrics(metrics: Mapping[str, Any]) -> dict[str, Value]:
    """Plain copies: numbers, or text as Google's SDK allows. Raises InvalidArgument."""
    return {
        _key(name, "metrics"): _value(name, value, "metrics") for name, value in _mapping(metrics, "metrics").items()
    }


def check_points(metrics: Mapping[str, Any], step: Any) -> dict[str, float]:
    """One step of time series; NaN and infinity are points like others there. Raises InvalidArgument."""
    if step is not None and (isinstance(step, bool) or not isinstance(step, Integral) or step < 0):
        raise InvalidArgument(f"step is {step!r}", field="step", value=step, allowed="a whole number from 0")
    return {_key(name, "metrics"): _point(name, value) for name, value in _mapping(metrics, "metrics").items()}


def check_size(metadata: Mapping[str, Any], run: str) -> None:
    """Raises InvalidArgument for more than a run may hold."""
    size = len(json.dumps(metadata, ensure_ascii=False).encode())
    if size > _METADATA_LIMIT:
        allowed = f"{_METADATA_LIMIT:,} bytes in a run; log long things with log_artifact"
        raise InvalidArgument(f"run {run}: {size:,} bytes of params and metrics", field="run", allowed=allowed)


def _mapping(values: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise InvalidArgument(f"{field} is {values!r}", field=field, value=values, allowed="a dict")
    return values


def _key(name: object, field: str) -> str:
    if not isinstance(name, str) or not name or name != name.strip():
        raise InvalidArgument(
            f"{name!r} is not a name", field=field, value=name, allowed="text that neither starts nor ends with a space"
        )
    return name


def _value(name: str, value: Any, field: str) -> Value:
    """Scalars of numpy become Python's."""
    if isinstance(value, (str, bool)):
        return value
    number = _real(name, value, field, "a number or text")
    if isinstance(number, Integral):
        return _exact(name, int(number), field)
    if not math.isfinite(number):
        allowed = f'a finite number; log it as text ({name}="{value}"), or as a time series with step='
        raise InvalidArgument(f"{name} is {value!r}", field=field, value=value, allowed=allowed)
    return float(number)


def _exact(name: str, number: int, field: str) -> int:
    if abs(number) > _EXACT:
        allowed = f"whole numbers up to {_EXACT}; larger ones as text"
        raise InvalidArgument(f"{name} is {number}", field=field, value=number, allowed=allowed)
    return number


def _point(name: str, value: Any) -> float:
    return float(_real(name, value, "metrics", "a number"))


def _real(name: str, value: Any, field: str, allowed: str) -> Any:
    """Also numpy's scalars and arrays and tensors of one element."""
    if hasattr(value, "item") and not isinstance(value, Real):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # of more than one element: refused below
            value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        shown = f"a {type(value).__name__}" if not isinstance(value, str) else repr(value)
        raise InvalidArgument(f"{name} is {shown}", field=field, value=value, allowed=allowed)
    return value

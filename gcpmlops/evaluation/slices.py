"""Parts of the data: each value of a column or of an expression."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation.binary import NEEDS_SCORES
from gcpmlops.evaluation.bootstrap import Drawing
from gcpmlops.evaluation.examples import Examples, check_columns
from gcpmlops.evaluation.task import Task, measure
from gcpmlops.evaluation.values import Estimate, estimates
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    import pandas

MOST = 1000  # groups of a column
_SQL = {"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "=": "==", "<>": "!=", "TRUE": "True", "FALSE": "False"}
_TOKEN = re.compile(r"""('[^']*'|"[^"]*"|`[^`]*`)|(<>|[<>!=]=|=|\b(?:AND|OR|NOT|IN|TRUE|FALSE)\b)""", re.IGNORECASE)


@dataclass(frozen=True)
class Slice:
    """`by` is the column or expression, `name` the part, such as carrier=UA. Without metrics, `reason` says why."""

    by: str
    name: str
    rows: int
    share: float
    metrics: Mapping[str, Estimate]
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        metrics = {name: estimate.to_dict() for name, estimate in self.metrics.items()}
        return {**vars(self), "metrics": metrics}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Slice:
        """What `to_dict` made."""
        return cls(**{**given, "metrics": estimates(given["metrics"])})


def evaluate(
    task: Task, examples: Examples, by: Sequence[str], *, minimum_size: int, drawing: Drawing
) -> tuple[Slice, ...]:
    """Every part of every column and expression, the biggest first. Raises InvalidArgument."""
    found: list[Slice] = []
    for each in by:
        parts = cut(examples.frame, each, minimum_size=minimum_size)
        found += [_slice(task, examples, each, name, rows, minimum_size, drawing) for name, rows in parts]
        rest = len(examples) - sum(len(rows) for _, rows in parts)
        if rest and len(parts) == MOST:
            reason = f"not measured: they are beyond the {MOST:,} biggest"
            found.append(Slice(each, f"{each}=(others)", rest, rest / len(examples), {}, reason))
    return tuple(found)


def _slice(
    task: Task, examples: Examples, by: str, name: str, rows: NDArray[np.int64], minimum_size: int, drawing: Drawing
) -> Slice:
    share = len(rows) / len(examples)
    if len(rows) < minimum_size:
        reason = f"{len(rows)} rows, fewer than the minimum size of {minimum_size}"
        return Slice(by, name, len(rows), share, {}, reason)
    metrics = measure(task, examples.take(rows), drawing, part=True)
    return Slice(by, name, len(rows), share, metrics, _undefined(metrics))


def _undefined(metrics: Mapping[str, Estimate]) -> str:
    """Which metrics are not defined in a slice, and why; that there are no scores is said once, of the whole."""
    reasons: dict[str, list[str]] = {}
    for metric, each in metrics.items():
        if each.value is None and each.reason != NEEDS_SCORES:
            reasons.setdefault(each.reason, []).append(metric)
    return "; ".join(f"not defined here: {', '.join(names)} ({reason})" for reason, names in reasons.items())


def cut(frame: pandas.DataFrame, by: str, *, minimum_size: int = 1) -> list[tuple[str, NDArray[np.int64]]]:
    """(name, row numbers) of each value, the biggest first; of a condition only where it holds."""
    from pandas.api.types import is_bool_dtype

    values = _values(frame, by)
    if by in frame.columns or not is_bool_dtype(values):
        parts = groups(values, by, field="slices", minimum_size=minimum_size)
        return [(f"{by}={name}", rows) for name, rows in parts]
    rows = np.flatnonzero(values.to_numpy(dtype=np.bool_, na_value=False))  # BigQuery's columns may be missing a value
    if not len(rows):
        message = f"the slice {by!r} is empty: none of {len(frame):,} rows meets it"
        raise InvalidArgument(message, field="slices", value=by, allowed="a condition that some rows meet")
    return [(by, rows)]


def groups(values: Any, by: str, *, field: str, minimum_size: int = 1) -> list[tuple[str, NDArray[np.int64]]]:
    """(name, row numbers) of the biggest, at most MOST; missing values are a group.

    Raises InvalidArgument for more where none has the minimum size: that is an ID.
    """
    import pandas

    try:
        codes, keys = pandas.factorize(values, use_na_sentinel=False)
    except TypeError as exc:
        raise InvalidArgument(
            f"{by!r} holds no values to group by: {exc}", field=field, value=by, allowed="text, numbers, dates"
        ) from exc
    sizes = np.bincount(codes, minlength=len(keys))
    if len(keys) > MOST and sizes.max() < max(minimum_size, 2):
        raise InvalidArgument(
            f"{by!r} has {len(keys):,} groups in {len(values):,} rows, none of which has {minimum_size:,} rows",
            field=field,
            value=by,
            allowed=f"groups, not IDs; an expression cuts numbers into ranges, such as '{by} // 100' or '{by} > 100'",
        )
    biggest = np.argsort(-sizes, kind="stable")[:MOST]
    order, starts = np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])
    names = _named([keys[number] for number in biggest])
    return [(name, order[starts[n] : starts[n + 1]]) for name, n in zip(names, biggest, strict=True)]


def _named(keys: Sequence[Any]) -> list[str]:
    """As text; where two read the same, such as 1 and "1", with their types."""
    names = [_label(key) for key in keys]
    twice = {name for name, count in Counter(names).items() if count > 1}
    return [f"{name} ({type(key).__name__})" if name in twice else name for name, key in zip(names, keys, strict=True)]


def _values(frame: pandas.DataFrame, by: str) -> Any:
    """The column, or what the expression says of each row."""
    if by in frame.columns:
        check_columns(frame, [by])
        return frame[by]
    if "@" in by or "__" in by:
        raise InvalidArgument(f"the slice {by!r} reaches outside the data", field="slices", value=by, allowed="columns")
    try:
        found = _with_times(frame, by).eval(_TOKEN.sub(_as_pandas, by), engine="python")
    except Exception as exc:
        columns = list(map(str, frame.columns))
        near = difflib.get_close_matches(by, columns, n=1, cutoff=0.6)
        raise InvalidArgument(
            f"the slice {by!r} is no column and no expression: {exc}",
            field="slices",
            value=by,
            next_step=f"Did you mean {near[0]!r}?" if near else f"Columns: {', '.join(columns)}",
        ) from exc
    if getattr(found, "shape", None) != (len(frame),):
        raise InvalidArgument(f"the slice {by!r} does not speak of rows", field="slices", value=by)
    return found


def _with_times(frame: pandas.DataFrame, by: str) -> pandas.DataFrame:
    """BigQuery's dates, which come as objects, as times where the expression speaks of them: text compares to those."""
    import pandas

    dates = {
        str(name): pandas.to_datetime(values)
        for name, values in frame.items()
        if str(name) in by and pandas.api.types.infer_dtype(values) == "date"
    }
    return frame.assign(**dates) if dates else frame


def _as_pandas(token: re.Match[str]) -> str:
    """GoogleSQL's words and signs as pandas has them; quoted text stays."""
    return token[0] if token[1] else _SQL.get(token[0].upper(), token[0])


def _label(key: Any) -> str:
    import pandas

    return "(missing)" if pandas.isna(key) else str(key)

"""Parts of the data: each value of a column or of an expression."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.task import Task, measure
from gcpmlops.evaluation.values import Estimate
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    import pandas

MOST = 1000
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


def evaluate(
    task: Task,
    examples: Examples,
    by: Sequence[str],
    *,
    minimum_size: int,
    resamples: int,
    confidence: float,
    seed: int,
) -> tuple[Slice, ...]:
    """Every part of every column and expression, the biggest first. Raises InvalidArgument."""
    found = []
    for each in by:
        for name, rows in cut(examples.frame, each):
            share = len(rows) / len(examples)
            if len(rows) < minimum_size:
                reason = f"{len(rows)} rows, fewer than the minimum size of {minimum_size}"
                found.append(Slice(each, name, len(rows), share, {}, reason))
                continue
            metrics = measure(task, examples.take(rows), resamples=resamples, confidence=confidence, seed=seed)
            undefined = [metric for metric, estimate in metrics.items() if estimate.value is None]
            reason = f"not defined here: {', '.join(undefined)}" if undefined else ""
            found.append(Slice(each, name, len(rows), share, metrics, reason))
    return tuple(found)


def cut(frame: pandas.DataFrame, by: str) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """(name, row numbers) of each value, the biggest first; of a condition only where it holds."""
    values = _values(frame, by)
    if by not in frame.columns and values.dtype == bool:
        rows = np.flatnonzero(values.to_numpy())
        if not len(rows):
            raise InvalidArgument(
                f"the slice {by!r} is empty: none of {len(frame):,} rows meets it", field="slices", value=by
            )
        yield by, rows
        return
    yield from ((f"{by}={_label(key)}", rows) for key, rows in groups(values, by, field="slices"))


def groups(values: Any, by: str, *, field: str, most: int = MOST) -> list[tuple[Any, NDArray[np.int64]]]:
    """(value, row numbers), the biggest first; missing values are a group. Raises InvalidArgument for too many."""
    import pandas

    codes, keys = pandas.factorize(values, use_na_sentinel=False)
    if len(keys) > most:
        raise InvalidArgument(
            f"{by!r} has {len(keys):,} groups in {len(values):,} rows",
            field=field,
            value=by,
            allowed=f"at most {most:,}; an expression cuts numbers into ranges, such as '{by} // 100' or '{by} > 100'",
        )
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(keys)))[:-1])
    return sorted(zip(keys.tolist(), parts, strict=True), key=lambda part: -len(part[1]))


def _values(frame: pandas.DataFrame, by: str) -> Any:
    """The column, or what the expression says of each row."""
    if by in frame.columns:
        return frame[by]
    if "@" in by or "__" in by:
        raise InvalidArgument(f"the slice {by!r} reaches outside the data", field="slices", value=by, allowed="columns")
    try:
        found = frame.eval(_TOKEN.sub(_as_pandas, by), engine="python")
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


def _as_pandas(token: re.Match[str]) -> str:
    """GoogleSQL's words and signs as pandas has them; quoted text stays."""
    return token[0] if token[1] else _SQL.get(token[0].upper(), token[0])


def _label(key: Any) -> str:
    import pandas

    return "(missing)" if pandas.isna(key) else str(key)

"""The rows that a model is judged by: truth, predictions, and the columns that slices are cut from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    import pandas


MOST_CLASSES = 1000


@dataclass(frozen=True, eq=False)
class Examples:
    """`targets` are class numbers or values; `predictions` values, a positive class's scores, or (rows, classes)."""

    targets: NDArray[Any]
    predictions: NDArray[np.float64]
    frame: pandas.DataFrame = field(repr=False)
    classes: tuple[Any, ...] = ()
    more: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """What a task needs beside them, by row: quantiles, a scale."""

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def digest(self) -> str:
        """Of the targets, in their order."""
        return hashlib.blake2b(np.ascontiguousarray(self.targets).tobytes(), digest_size=12).hexdigest()

    def take(self, rows: NDArray[Any]) -> Examples:
        """Only these rows, by number or by mask."""
        more = {name: values[rows] for name, values in self.more.items()}
        return replace(
            self,
            targets=self.targets[rows],
            predictions=self.predictions[rows],
            frame=self.frame[rows] if rows.dtype == np.bool_ else self.frame.iloc[rows],
            more=more,
        )

    def having(self, name: str, values: NDArray[np.float64]) -> Examples:
        """With these values in `more`."""
        return replace(self, more={**self.more, name: values})

    def stacked(self, other: Examples) -> Examples:
        """These rows, then the other's; the frame is left as it is."""
        return replace(
            self,
            targets=np.concatenate([self.targets, other.targets]),
            predictions=np.concatenate([self.predictions, other.predictions]),
            more={name: np.concatenate([values, other.more[name]]) for name, values in self.more.items()},
        )


def classification(frame: pandas.DataFrame, target: str, score: str | Mapping[Any, str], positive: Any) -> Examples:
    """Binary for one column of scores, multi-class for a mapping of class → column. Raises InvalidArgument."""
    if not isinstance(score, str | Mapping):
        raise InvalidArgument(field="score", value=score, allowed="a column, or a mapping of each class to its column")
    check_columns(frame, [target, *([score] if isinstance(score, str) else score.values())])
    labels = _labels(frame, target)
    if isinstance(score, str):
        return _binary(frame, labels, target, score, positive)
    classes = tuple(score)
    if len(classes) < 2:
        raise InvalidArgument(field="score", value=dict(score), allowed="a column for each of two or more classes")
    numbered = _numbered(_check_classes(labels, target), classes, target)
    scores = np.column_stack([_probabilities(frame, column) for column in score.values()])
    _check_sums(scores)
    return Examples(labels.map(numbered).to_numpy(dtype=np.int64), scores, frame, classes)


def _numbered(found: Sequence[Any], classes: Sequence[Any], target: str) -> dict[Any, int]:
    """Label → number of its class; a class that is given as text is the label that reads so. Raises InvalidArgument."""
    numbered = {label: number for number, label in enumerate(classes) if label in found}
    for number, text in enumerate(classes):
        if isinstance(text, str):
            numbered = {label: number for label in found if _reads(label, text)} | numbered
    strange = [label for label in found if label not in numbered]
    if strange:
        raise InvalidArgument(
            f"column {target!r} has the class {strange[0]!r}, for which there is no score",
            field="score",
            value=strange[0],
            allowed=", ".join(map(str, classes)),
        )
    return numbered


def _binary(frame: pandas.DataFrame, labels: Any, target: str, score: str, positive: Any) -> Examples:
    found = _check_classes(labels, target)
    if len(found) > 2:
        raise InvalidArgument(
            f"column {target!r} has {len(found)} classes and one column of scores",
            field="score",
            value=score,
            allowed="a mapping of each class to its column",
        )
    negative, positive = _sides(found, positive)
    targets = (labels == positive).to_numpy(dtype=np.bool_)
    return Examples(targets, _probabilities(frame, score), frame, (negative, positive))


def _sides(found: Sequence[Any], positive: Any) -> tuple[Any, Any]:
    """(negative, positive) of two labels; text stands for the label that reads so. Raises InvalidArgument."""
    alike = [label for label in found if label == positive] or [each for each in found if _reads(each, str(positive))]
    if not alike:
        raise InvalidArgument(field="positive", value=positive, allowed=", ".join(map(repr, found)))
    return next(label for label in found if label != alike[0]), alike[0]


def _reads(label: Any, text: str) -> bool:
    """Whether text means the label: 1 is 1.0 and True as well, true is True."""
    if isinstance(label, bool):
        return text.lower() in (str(label).lower(), str(int(label)))
    if isinstance(label, str):
        return label == text
    try:
        return bool(float(label) == float(text))
    except (TypeError, ValueError):  # no numbers: a date, for one
        return str(label) == text


def called(frame: pandas.DataFrame, target: str, prediction: str, positive: Any) -> Examples:
    """Labels alone: binary where there are two of them, multi-class for more. Raises InvalidArgument."""
    check_columns(frame, [target, prediction])
    truth, said = _labels(frame, target), _labels(frame, prediction, why="A row without a prediction cannot be judged.")
    found = _check_classes(truth, target)
    predicted = _distinct(said)
    if not set(found) & set(predicted):
        raise InvalidArgument(
            f"column {prediction!r} holds none of the classes of {target!r}: {predicted[0]!r} is not among them",
            field="prediction",
            value=predicted[0],
            allowed=", ".join(map(repr, found[:20])),
        )
    classes = sorted({*found, *predicted}, key=_by_kind)
    if len(classes) == 2:
        negative, positive = _sides(classes, positive)
        scores = (said == positive).to_numpy(dtype=np.float64)
        return Examples((truth == positive).to_numpy(dtype=np.bool_), scores, frame, (negative, positive))
    numbered = {label: number for number, label in enumerate(classes)}
    numbers = said.map(numbered).to_numpy(dtype=np.int64)
    return Examples(
        truth.map(numbered).to_numpy(dtype=np.int64), _one_hot(numbers, len(classes)), frame, tuple(classes)
    )


def _by_kind(label: Any) -> tuple[bool, Any]:
    return (isinstance(label, str), label)


def _one_hot(numbers: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    if size > MOST_CLASSES:
        raise InvalidArgument(
            f"{size:,} classes", field="prediction", value=size, allowed=f"at most {MOST_CLASSES:,}; or a regression"
        )
    scores = np.zeros((len(numbers), size))
    scores[np.arange(len(numbers)), numbers] = 1
    return scores


def values(frame: pandas.DataFrame, target: str, prediction: str, more: Mapping[str, str] | None = None) -> Examples:
    """Numbers to numbers; `more` maps a name to a further column of numbers. Raises InvalidArgument."""
    check_columns(frame, [target, prediction, *(more or {}).values()])
    rest = {name: numbers(frame, column) for name, column in (more or {}).items()}
    return Examples(numbers(frame, target), numbers(frame, prediction), frame, more=rest)


def numbers(frame: pandas.DataFrame, column: str) -> NDArray[np.float64]:
    """The column as floats. Raises InvalidArgument for text, and for NaN and infinity, with the first row."""
    if getattr(frame[column].dtype, "kind", "") in "mM":
        raise InvalidArgument(f"column {column!r} holds dates or times, not numbers", field=column, allowed="numbers")
    try:
        found = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as exc:
        raise InvalidArgument(
            f"column {column!r} holds no numbers: {_no_number(frame[column]) or exc}", field=column
        ) from exc
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise InvalidArgument(
            f"column {column!r}: {len(bad):,} of {len(found):,} values are NaN or infinite, the first in row {bad[0]}",
            field=column,
            value=float(found[bad[0]]),
            next_step="Fill them or leave those rows out, and say so: a row without a score cannot be judged.",
        )
    return found


def _no_number(values: Any) -> str:
    """The first value that is none, and its row."""
    for row, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"{value!r:.80} in row {row}"
    return ""


def _probabilities(frame: pandas.DataFrame, column: str) -> NDArray[np.float64]:
    found = numbers(frame, column)
    bad = np.flatnonzero((found < 0) | (found > 1))
    if len(bad):
        raise InvalidArgument(
            f"column {column!r} holds {found[bad[0]]:.4g} in row {bad[0]}, which is no probability",
            field=column,
            value=float(found[bad[0]]),
            allowed="0 to 1; decision values become probabilities by 1 / (1 + exp(-x)) or a calibrated classifier",
        )
    return found


def _check_sums(scores: NDArray[np.float64]) -> None:
    off = np.flatnonzero(np.abs(scores.sum(axis=1) - 1) > 1e-3)
    if len(off):
        raise InvalidArgument(
            f"the scores of row {off[0]} add up to {scores[off[0]].sum():.4g}",
            field="score",
            allowed="probabilities over all classes, which add up to 1",
        )


def _labels(
    frame: pandas.DataFrame, column: str, *, why: str = "Leave out rows whose outcome is not known yet."
) -> Any:
    labels = frame[column]
    missing = int(labels.isna().sum())
    if missing:
        count = f"all {missing:,}" if missing == len(frame) else f"{missing:,} of {len(frame):,}"
        raise InvalidArgument(f"column {column!r} is missing in {count} rows", field=column, next_step=why)
    if labels.dtype == object:
        _check_alike(labels, column)
    return labels


def _check_alike(labels: Any, column: str) -> None:
    """Raises InvalidArgument for text among numbers, where "1" would be another class than 1, and for lists."""
    kinds = labels.map(type)
    first = kinds.iloc[0]
    strange = kinds[kinds.map(lambda kind: issubclass(kind, str)) != issubclass(first, str)]
    if len(strange):
        row = strange.index[0]
        raise InvalidArgument(
            f"column {column!r} mixes {first.__name__} and {strange.iloc[0].__name__}: {labels.iloc[0]!r} in row 0, "
            f"{labels[row]!r} in row {row}",
            field=column,
            value=labels[row],
            allowed="one type in a column, such as frame[column].astype(str)",
        )
    if issubclass(first, (list, dict, np.ndarray)):
        raise InvalidArgument(f"column {column!r} holds {first.__name__}s", field=column, allowed="one label in a row")


def _distinct(labels: Any) -> list[Any]:
    return [value.item() if hasattr(value, "item") else value for value in labels.unique()]


def _check_classes(labels: Any, target: str) -> list[Any]:
    found = _distinct(labels)
    if len(found) < 2:
        raise InvalidArgument(
            f"column {target!r} has one class only, {found[0]!r}: nothing to tell apart",
            field=target,
            value=found[0],
            allowed="two or more classes; a longer window or more data will have the other one",
        )
    return found


def check_columns(frame: pandas.DataFrame, columns: Sequence[str]) -> None:
    """Raises InvalidArgument for a column that there is not, and for no rows."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        known = ", ".join(map(str, frame.columns))
        raise InvalidArgument(f"the data has no column {missing[0]!r}", field="data", value=missing[0], allowed=known)
    twice = [column for column in columns if list(frame.columns).count(column) > 1]
    if twice:
        message = f"the data has {list(frame.columns).count(twice[0])} columns {twice[0]!r}"
        raise InvalidArgument(message, field="data", value=twice[0], allowed="each column once")
    if not len(frame):
        raise InvalidArgument("the data has no rows", field="data", allowed="one row or more")

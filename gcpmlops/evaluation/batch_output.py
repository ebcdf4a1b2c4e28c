"""The output of batch predictions as columns.

An instance's fields are columns by their names (instance_0, instance_1, ... of a list), among them the target where the
job was told to leave it out of what the model gets (`excluded_fields`). A prediction is the column `prediction`; of a
list prediction_0, prediction_1, ...; of an object prediction_KEY; of AutoML's classes and scores prediction_CLASS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

FAILED = "instances without a prediction"
_RESULTS, _ERRORS = ("prediction.results", "predictions_"), ("prediction.errors", "errors_")


def is_results(name: str) -> bool:
    """Whether a file holds predictions, by its name."""
    return PurePosixPath(name).name.startswith(_RESULTS)


def is_errors(name: str) -> bool:
    """Whether a file holds the instances that failed, by its name."""
    return PurePosixPath(name).name.startswith(_ERRORS)


def lacking(frame: pandas.DataFrame, failed: int) -> pandas.DataFrame:
    """The frame, which remembers how many instances failed."""
    if failed:
        frame.attrs[FAILED] = failed
    return frame


def from_lines(lines: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """Of lines with instance, key and prediction; other lines are rows as they are."""
    import pandas

    if not any("prediction" in line or "instance" in line for line in lines):
        return pandas.DataFrame(list(lines))
    return pandas.DataFrame([_row(line) for line in lines])


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in line.items() if name not in ("instance", "prediction")}
    found |= _spread("instance", line["instance"], fields=True) if "instance" in line else {}
    return found | (_spread("prediction", line["prediction"]) if "prediction" in line else {})


def _spread(name: str, value: Any, *, fields: bool = False) -> dict[str, Any]:
    """One value as columns; `fields`: an object's keys are the columns' whole names."""
    if isinstance(value, Mapping):
        labels, scores = value.get("classes", value.get("displayNames")), value.get("scores", value.get("confidences"))
        if isinstance(labels, list) and isinstance(scores, list) and len(labels) == len(scores):
            return {f"{name}_{label}": score for label, score in zip(labels, scores, strict=True)}
        return {key if fields else f"{name}_{key}": each for key, each in value.items()}
    if isinstance(value, list | tuple) or bool(getattr(value, "ndim", 0)):  # an array, as BigQuery's lists come
        values = list(value)
        if len(values) == 1 and not isinstance(values[0], list | Mapping):
            return {name: values[0]}
        return {f"{name}_{number}": each for number, each in enumerate(values)}
    return {name: value}


def expanded(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Cells of `instance` and `prediction` as columns, where they are lists or objects, or JSON of those."""
    import pandas

    for name in ("instance", "prediction"):
        if name not in frame.columns or frame.columns.tolist().count(name) > 1 or frame[name].dtype.kind in "bif":
            continue
        values = [_value(cell) for cell in frame[name]]
        rows = [_spread(name, value, fields=name == "instance") for value in values]
        columns = pandas.DataFrame(rows, index=frame.index)
        frame = pandas.concat([frame.drop(columns=name), columns], axis=1)
    return frame


def _value(cell: Any) -> Any:
    """What a cell of text says in JSON; the text where that is none."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell

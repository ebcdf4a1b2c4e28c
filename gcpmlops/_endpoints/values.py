"""What goes to a model server, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gcpmlops import _html
from gcpmlops.exceptions import InvalidArgument


@dataclass(frozen=True)
class Prediction:
    """Predictions in the order of the instances, and which deployed model made them; `proto` is Google's response."""

    predictions: list[Any]
    deployed_model_id: str
    model_version_id: str
    proto: Any = field(repr=False)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.predictions)

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, index: int) -> Any:
        return self.predictions[index]

    def _repr_html_(self) -> str:
        rows = [(n, value) for n, value in enumerate(self.predictions[:20])]
        return _html.grid(f"{len(self)} predictions", ("", "prediction"), rows)


@dataclass(frozen=True)
class Explanation:
    """Feature attributions and predictions in the order of the instances; `proto` is Google's response."""

    explanations: list[dict[str, Any]]
    """Of each instance Google's Explanation, with `attributions`."""
    predictions: list[Any]
    deployed_model_id: str
    proto: Any = field(repr=False)

    @property
    def attributions(self) -> list[list[dict[str, Any]]]:
        """Of each instance, for each output that is explained: feature -> how much it adds to the prediction."""
        return [
            [dict(each.get("featureAttributions", {})) for each in explanation.get("attributions", [])]
            for explanation in self.explanations
        ]

    def __len__(self) -> int:
        return len(self.explanations)

    def _repr_html_(self) -> str:
        rows = [(n, *pair) for n, pair in enumerate(zip(self.predictions, self.attributions, strict=False))]
        return _html.grid(f"{len(self)} explanations", ("", "prediction", "attributions"), rows[:20])


def instances_of(rows: Any, *, as_records: bool) -> list[Any]:
    """JSON values: a DataFrame or an array by rows, other sequences element by element. Raises InvalidArgument."""
    if hasattr(rows, "to_json") and not isinstance(
        rows, list
    ):  # a DataFrame: pandas writes dates, NaN and its own integers as JSON has them
        return list(json.loads(rows.to_json(orient="records" if as_records else "values", date_format="iso")))
    if hasattr(rows, "tolist"):
        rows = rows.tolist()
    if isinstance(rows, (str, bytes, Mapping)) or not hasattr(rows, "__iter__"):
        raise InvalidArgument(
            "instances must be a list", field="instances", value=rows, allowed="a list, an array or a DataFrame"
        )
    return [_plain(row) for row in rows]


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays, tuples and nested ones as plain JSON values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def raw_body(body: bytes | Mapping[str, Any]) -> bytes:
    """Bytes as they are, a mapping as JSON."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()

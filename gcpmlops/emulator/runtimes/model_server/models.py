"""The model files of Vertex AI's prebuilt prediction images, and which class predicts from each.

| file | image | predicted by |
| --- | --- | --- |
| model.joblib, model.pkl | sklearn, xgboost | `estimators` |
| model.bst | xgboost | `estimators` |
| model.txt, model.lgb | sklearn or xgboost, with lightgbm installed | `estimators` |
| saved_model.pb | tf2 | `savedmodel` |
| model.mar | pytorch | `archives` |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

FILE_NAMES = ("model.joblib", "model.pkl", "model.bst", "saved_model.pb", "model.mar", "model.txt", "model.lgb")


class PredictionError(Exception):
    """The model refused the instances; the text is the container's."""


class ContractError(Exception):
    """The model answered what the container contract does not allow."""


class Model(Protocol):
    """A loaded model. `row_wise`: a library's own, whose prediction of a row does not depend on the other rows."""

    file_name: str
    kind: str
    row_wise: bool

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        """Predictions, one for each instance. Raises PredictionError."""

    def rows(self, instances: list[Any]) -> Any:
        """The instances as one array; for row-wise models. Raises PredictionError."""

    def predict_rows(self, rows: Any, options: dict[str, Any]) -> list[Any]:
        """Predictions, one for each row; for row-wise models. Raises PredictionError."""


def load(directory: str) -> Model:
    """The model in the directory. Raises FileNotFoundError without one, and whatever loading raises."""
    for file_name in FILE_NAMES:
        path = Path(directory, file_name)
        if path.exists():
            return open_model(path)
    raise FileNotFoundError(f"no model file ({', '.join(FILE_NAMES)}) in {directory}")


def open_model(path: Path) -> Model:
    """Read one model file by the rule of its name; each imports only what it needs."""
    if path.name == "saved_model.pb":
        from .savedmodel import SavedModel

        return SavedModel(path)
    if path.name == "model.mar":
        from .archives import ArchivedModel

        return ArchivedModel(path)
    from .estimators import open_estimator

    return open_estimator(path)

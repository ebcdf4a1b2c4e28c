"""The model files of Vertex AI's prebuilt prediction images and how each predicts.

`instances` become one NumPy array that goes to the model as it is: so does the prebuilt image, which therefore refuses
JSON objects for estimators trained on a DataFrame (python-aiplatform issue 514). Other keys of the request body become
keyword arguments of `predict`; the image answers `parameters` with the TypeError that this raises (pull request 2037).
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Protocol

import numpy as np

FILE_NAMES = ("model.joblib", "model.pkl", "model.bst")
ROWS_HINT = "the prebuilt image passes instances on as an array: send each as a list of values, in the order of"


class PredictionError(Exception):
    """The model refused the instances; the text is the container's."""


class Model(Protocol):
    """A loaded model."""

    file_name: str
    kind: str

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        """Predictions, one for each instance. Raises PredictionError."""


def load(directory: str) -> Model:
    """The model in the directory. Raises FileNotFoundError without one, and whatever unpickling raises."""
    for file_name in FILE_NAMES:
        path = Path(directory, file_name)
        if path.exists():
            return open_model(path)
    raise FileNotFoundError(f"no model file ({', '.join(FILE_NAMES)}) in {directory}")


def open_model(path: Path) -> Model:
    """Read one model file by the rule of its name."""
    file_name = path.name
    if file_name == "model.bst":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(str(path))
        return BoosterModel(booster, file_name)
    value = read_joblib(path) if file_name == "model.joblib" else read_pickle(path)
    if type(value).__module__.partition(".")[0] == "xgboost":
        return BoosterModel(value, file_name)
    if not callable(getattr(value, "predict", None)):
        raise TypeError(f"{file_name} holds a {type(value).__qualname__}, which has no predict method")
    return EstimatorModel(value, file_name)


def read_joblib(path: Path) -> Any:
    """The object in a joblib file."""
    import joblib

    return joblib.load(path)


def read_pickle(path: Path) -> Any:
    """The object in a pickle file."""
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the user's own model, in the user's own process


class EstimatorModel:
    """Anything with scikit-learn's `predict`."""

    def __init__(self, estimator: Any, file_name: str) -> None:
        self.estimator = estimator
        self.file_name = file_name
        self.kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        try:
            predictions = self.estimator.predict(np.array(instances), **options)
        except Exception as error:
            raise PredictionError(f"Exception during sklearn prediction: {error}{self.hint(instances)}") from error
        return as_list(predictions)

    def hint(self, instances: list[Any]) -> str:
        """What to send instead, where objects were sent to an estimator that wants rows."""
        if not instances or not isinstance(instances[0], dict):
            return ""
        names = getattr(self.estimator, "feature_names_in_", None)
        columns = "the training columns" if names is None else ", ".join(map(str, names))
        return f" ({ROWS_HINT} {columns})"


class BoosterModel:
    """An XGBoost model: instances become a DMatrix, without feature names, as in the prebuilt image."""

    def __init__(self, booster: Any, file_name: str) -> None:
        import xgboost

        self.booster = booster
        self.is_booster = isinstance(booster, xgboost.Booster)
        self.matrix = xgboost.DMatrix
        self.file_name = file_name
        self.kind = f"xgboost.{type(booster).__qualname__}"

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        try:
            matrix = self.matrix(np.array(instances))
        except Exception as error:
            raise PredictionError(f"Could not initialize DMatrix from inputs: {error}") from error
        try:
            return as_list(self.booster.predict(matrix, **options))
        except Exception as error:
            raise PredictionError(f"Exception during xgboost prediction: {error}{self.hint()}") from error

    def hint(self) -> str:
        """What to save instead, where the saved model cannot take a plain DMatrix."""
        if not self.is_booster:
            return f" (the prebuilt image passes a DMatrix, which {self.kind} refuses: save model.get_booster())"
        if self.booster.feature_names:
            return " (the prebuilt image passes rows without feature names: train on a DMatrix without them)"
        return ""


def as_list(predictions: Any) -> list[Any]:
    """NumPy arrays, sparse matrices and data frames as plain lists."""
    if hasattr(predictions, "toarray"):
        predictions = predictions.toarray()
    if not hasattr(predictions, "tolist"):
        predictions = np.asarray(predictions)
    return list(predictions.tolist())

"""scikit-learn, XGBoost and LightGBM: `instances` become one NumPy array that goes to the model as it is.

So does the prebuilt image, which therefore refuses JSON objects for estimators trained on a DataFrame
(python-aiplatform issue 514). Other keys of the request body become keyword arguments of `predict`; the image answers
`parameters` with the TypeError that this raises (python-aiplatform pull requests 2036 and 2037).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .models import ContractError, PredictionError
from .pickles import read

if TYPE_CHECKING:
    from .models import Model

ROWS_HINT = "the prebuilt image passes instances on as an array: send each as a list of values, in the order of"
NOT_GOOGLES = (
    "Vertex AI's prebuilt images have no LightGBM: there, serve this model with a custom container or a custom "
    "prediction routine."
)
LIBRARIES = ("sklearn", "xgboost", "lightgbm")
PLAIN_CALLABLES = ("sklearn", "numpy", "scipy", "builtins")


def open_estimator(path: Path) -> Model:
    """Read one model file by the rule of its name."""
    if path.name == "model.bst":
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(str(path))
        return BoosterModel(booster, path.name)
    if path.name in ("model.txt", "model.lgb"):
        import lightgbm

        return EstimatorModel(lightgbm.Booster(model_file=str(path)), path.name)
    value = read(path)
    if root(type(value)) == "xgboost":
        return BoosterModel(value, path.name)
    if not callable(getattr(value, "predict", None)):
        raise TypeError(f"{path.name} holds a {type(value).__qualname__}, which has no predict method")
    return EstimatorModel(value, path.name)


class EstimatorModel:
    """Anything with scikit-learn's `predict`; LightGBM's boosters have it too."""

    def __init__(self, estimator: Any, file_name: str) -> None:
        self.estimator = estimator
        self.file_name = file_name
        self.kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        self.row_wise = is_row_wise(estimator)
        library = root(type(estimator))
        self.library = library if library in LIBRARIES else "sklearn"
        if library == "lightgbm":
            sys.stderr.write(NOT_GOOGLES + "\n")

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        rows = self.rows(instances)
        try:
            return self.predict_rows(rows, options)
        except PredictionError as error:
            raise PredictionError(f"{error}{self.hint(instances)}") from error.__cause__

    def rows(self, instances: list[Any]) -> Any:
        try:
            return np.array(instances)
        except ValueError as error:
            raise PredictionError(f"Exception during {self.library} prediction: {error}") from error

    def predict_rows(self, rows: Any, options: dict[str, Any]) -> list[Any]:
        try:
            predictions = self.estimator.predict(rows, **options)
        except Exception as error:
            raise PredictionError(f"Exception during {self.library} prediction: {error}") from error
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
        self.row_wise = True

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        return self.predict_rows(self.rows(instances), options)

    def rows(self, instances: list[Any]) -> Any:
        try:
            return np.array(instances)
        except ValueError as error:
            raise PredictionError(f"Could not initialize DMatrix from inputs: {error}") from error

    def predict_rows(self, rows: Any, options: dict[str, Any]) -> list[Any]:
        try:
            matrix = self.matrix(rows)
        except Exception as error:
            raise PredictionError(f"Could not initialize DMatrix from inputs: {words(error)}") from error
        try:
            return as_list(self.booster.predict(matrix, **options))
        except Exception as error:
            raise PredictionError(f"Exception during xgboost prediction: {words(error)}{self.hint()}") from error

    def hint(self) -> str:
        """What to save instead, where the saved model cannot take a plain DMatrix."""
        if not self.is_booster:
            return f" (the prebuilt image passes a DMatrix, which {self.kind} refuses: save model.get_booster())"
        if self.booster.feature_names:
            return " (the prebuilt image passes rows without feature names: train on a DMatrix without them)"
        return ""


def words(error: Exception) -> str:
    """XGBoost's words without the stack of its C++ library, which tells a client nothing but paths of this machine."""
    return str(error).partition("\nStack trace:")[0]


def as_list(predictions: Any) -> list[Any]:
    """NumPy arrays, sparse matrices, series and data frames as plain lists. Raises ContractError for anything else."""
    if hasattr(predictions, "toarray"):
        predictions = predictions.toarray()
    if isinstance(predictions, tuple):
        raise ContractError(f"predict returned a tuple of {len(predictions)} values, not one prediction per instance.")
    if not hasattr(predictions, "tolist"):
        predictions = np.asarray(predictions)
    if not hasattr(predictions, "ndim") or predictions.ndim == 0:
        raise ContractError("predict returned one value, not a prediction for each instance.")
    return list(predictions.tolist())


def is_row_wise(estimator: Any) -> bool:
    """Whether every part is a library's own that looks at one row at a time.

    User classes and functions are not trusted to, nor dummies, whose answers may be drawn at random.
    """
    if root(type(estimator)) not in LIBRARIES or type(estimator).__name__ == "DummyClassifier":
        return False
    if not hasattr(estimator, "get_params"):
        return True  # a booster
    try:
        parameters = estimator.get_params(deep=True)
    except AttributeError:  # pickled by another version, which has other parameters; it may predict all the same
        return False
    return all(is_plain(part) for value in parameters.values() for part in parts(value))


def parts(value: Any) -> list[Any]:
    """What a parameter holds: the steps of a pipeline are a list of pairs."""
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in parts(item)]
    return [value]


def is_plain(value: Any) -> bool:
    """Whether a parameter cannot bring foreign code into a prediction."""
    if isinstance(value, type) or callable(value):
        return root(value) in PLAIN_CALLABLES or isinstance(value, np.ufunc)
    if hasattr(value, "fit") or hasattr(value, "transform"):
        return root(type(value)) in LIBRARIES and type(value).__name__ != "DummyClassifier"
    return True


def root(value: Any) -> str:
    """The top-level package that a class or function comes from."""
    return str(getattr(value, "__module__", None) or "").partition(".")[0]

"""TensorFlow SavedModels, by the rules of TensorFlow Serving's REST API in row format, which the tf2 images follow.

An instance is the value of the signature's one input, or an object of its inputs by name; a prediction is the value of
the one output, or an object. `{"b64": TEXT}` stands for bytes. `signature_name` in the body picks another signature.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from .models import PredictionError

DEFAULT_SIGNATURE = "serving_default"


class SavedModel:
    """A loaded SavedModel."""

    row_wise = False

    def __init__(self, path: Path) -> None:
        import tensorflow

        self.file_name = path.name
        self._tf = tensorflow
        self._loaded = tensorflow.saved_model.load(str(path.parent))  # keeps the variables of its signatures alive
        self._signatures = dict(self._loaded.signatures)
        self.kind = f"TensorFlow SavedModel with the signatures {', '.join(sorted(self._signatures)) or 'none'}"

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        signature = self._signature(str(options.get("signature_name", DEFAULT_SIGNATURE)))
        specs = signature.structured_input_signature[1]
        columns = {name: self._tensor(name, spec, column(name, instances, len(specs))) for name, spec in specs.items()}
        try:
            outputs = signature(**columns)
        except Exception as error:
            raise PredictionError(str(error)) from error
        return rows({name: listed(name, value.numpy()) for name, value in outputs.items()})

    def rows(self, instances: list[Any]) -> Any:
        raise NotImplementedError("SavedModels are not predicted row by row")

    def predict_rows(self, rows: Any, options: dict[str, Any]) -> list[Any]:
        raise NotImplementedError("SavedModels are not predicted row by row")

    def _signature(self, name: str) -> Any:
        if name not in self._signatures:
            raise PredictionError(
                f'Serving signature name: "{name}" not found in signature def; '
                f"there are {', '.join(sorted(self._signatures)) or 'none'}"
            )
        return self._signatures[name]

    def _tensor(self, name: str, spec: Any, values: list[Any]) -> Any:
        try:
            return self._tf.constant(values, dtype=spec.dtype)
        except (TypeError, ValueError) as error:
            raise PredictionError(
                f'Failed to process element of input "{name}" ({spec.dtype.name}): {error}'
            ) from error


def column(name: str, instances: list[Any], inputs: int) -> list[Any]:
    """One input's values over all instances. Raises PredictionError where an instance lacks it."""
    values = []
    for number, instance in enumerate(instances):
        if isinstance(instance, dict) and list(instance) != ["b64"]:
            if name not in instance:
                raise PredictionError(f'Failed to process element: {number}: it has no input "{name}"')
            instance = instance[name]
        elif inputs > 1:
            raise PredictionError(f"Failed to process element: {number}: it must be an object of {inputs} named inputs")
        values.append(decoded(instance))
    return values


def decoded(value: Any) -> Any:
    """The value with every `{"b64": TEXT}` as bytes."""
    if isinstance(value, dict) and list(value) == ["b64"]:
        try:
            return b64decode(value["b64"], validate=True)
        except (TypeError, ValueError) as error:
            raise PredictionError(f"invalid base64: {error}") from error
    return [decoded(item) for item in value] if isinstance(value, list) else value


def listed(name: str, value: Any) -> list[Any]:
    """One output as a list over the instances; bytes as text, or as b64 where the output's name says so."""
    if value.ndim == 0:
        raise PredictionError(f"Tensor name: {name} has no batch dimension")
    return [texts(item, binary=name.endswith("_bytes")) for item in value.tolist()]


def texts(value: Any, *, binary: bool) -> Any:
    """The value with bytes as JSON can hold them."""
    if isinstance(value, list):
        return [texts(item, binary=binary) for item in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": b64encode(value).decode()} if binary else value.decode("utf-8", "replace")


def rows(outputs: dict[str, list[Any]]) -> list[Any]:
    """Predictions from columns: values where there is one output, objects where there are more."""
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    return [dict(zip(outputs, values)) for values in zip(*outputs.values())]  # noqa: B905 - Python 3.8

"""The output that explanation metadata declares: which numbers of a prediction are explained, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gcpmlops.emulator.kernel import validate, values
from gcpmlops.emulator.services.prediction.features import Path, at, leaves

ALL = -1  # as top_k


@dataclass(frozen=True)
class Output:
    """The one declared output.

    Attributes:
        names: display names in the output's shape; None where the model has none, or predicts them.
        names_key: the field of a prediction that has them.
        top_k: how many outputs are explained, the greatest first; `ALL` explains them all in their order.
        chosen: the outputs that are explained instead, where that is told.
    """

    name: str
    names: Any
    names_key: str
    top_k: int
    chosen: tuple[Path, ...]

    @classmethod
    def read(cls, outputs: Mapping[str, Any], parameters: Any) -> Output:
        """Of ExplanationMetadata.outputs and ExplanationParameters. Raises InvalidArgument."""
        if len(outputs) != 1:
            raise validate.invalid("explanation_spec.metadata.outputs", f"{len(outputs)} keys; exactly one is allowed.")
        name, given = next(iter(outputs.items()))
        static = given.HasField("index_display_name_mapping")
        return cls(
            name=name,
            names=values.to_plain(given.index_display_name_mapping) if static else None,
            names_key=given.display_name_mapping_key,
            top_k=parameters.top_k or 1,
            chosen=tuple(map(_index, parameters.output_indices.values)),
        )

    def value(self, prediction: Any) -> Any:
        """The explained field of a prediction: a number, or lists of numbers. Raises InvalidArgument."""
        if isinstance(prediction, dict):
            if self.name not in prediction:
                fields = ", ".join(prediction)
                raise validate.invalid("outputs", f"a prediction has no field {self.name!r} (it has: {fields}).")
            return prediction[self.name]
        return prediction

    def indices(self, value: Any) -> list[Path]:
        """Which outputs are explained; `()` where there is one alone. Raises InvalidArgument."""
        everything = list(leaves(value))
        wrong = next((index for index in everything if not _is_number(at(value, index))), None)
        if wrong is not None:
            raise validate.invalid("outputs", f"{self.name!r} has {at(value, wrong)!r}: only numbers can be explained.")
        if not isinstance(value, list):
            return [()]
        if self.chosen:
            return [self._known(index, everything) for index in self.chosen]
        if self.top_k == ALL:
            return everything
        return sorted(everything, key=lambda index: -at(value, index))[: self.top_k]

    def number(self, prediction: Any, index: Path) -> float:
        """The output at an index. Raises InvalidArgument where a prediction has another shape than the first."""
        try:
            return float(at(self.value(prediction), index))
        except (IndexError, KeyError, TypeError, ValueError):
            raise validate.invalid("outputs", f"a prediction has no number {self.name!r} at {list(index)}.") from None

    def display_name(self, prediction: Any, index: Path) -> str:
        """What the output is called; empty where nobody tells."""
        names = prediction.get(self.names_key) if self.names_key and isinstance(prediction, dict) else self.names
        try:
            return str(at(names, index)) if names is not None else ""
        except (IndexError, KeyError, TypeError):
            return ""

    def _known(self, index: Path, everything: list[Path]) -> Path:
        if index not in everything:
            raise validate.invalid("output_indices", f"{self.name!r} has no output at {list(index)}.")
        return index


def _index(given: Any) -> Path:
    plain = values.to_plain(given)
    return tuple(plain) if isinstance(plain, list) else (plain,)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

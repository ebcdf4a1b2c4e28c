"""Where evaluations live in the store: below the version that they were imported for, and deleted with it."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.model_rows import MODEL, ModelRows, key_of

EVALUATION = f"{MODEL}/evaluations/{{evaluation}}"
SLICE = f"{EVALUATION}/slices/{{slice}}"


class EvaluationRows:
    """Evaluations (their parent is `.../models/M@V`), slices and evaluated annotations.

    An evaluation's own name is `.../models/M/evaluations/E`; one that says `M@VERSION` means the same.
    """

    def __init__(self, store: ResourceStore) -> None:
        self.evaluations: Any = store.collection(types.ModelEvaluation)
        self.slices: Any = store.collection(types.ModelEvaluationSlice)
        self.annotations: Any = store.collection(types.EvaluatedAnnotation)
        self._models = ModelRows(store)

    def of_version(self, key: str) -> list[types.ModelEvaluation]:
        """The evaluations of one version, oldest first."""
        found: list[types.ModelEvaluation] = self.evaluations.list(parent=key)
        return found

    def evaluation(self, name: str) -> types.ModelEvaluation:
        """Raises NotFound, also where the name says another version than the evaluation's."""
        names.parse(EVALUATION, name)
        model, _, evaluation_id = name.partition("/evaluations/")
        found: types.ModelEvaluation = self.evaluations.get(self._plain(name))
        if "@" in model:
            key = key_of(self._models.version(model))
            if found.name not in {row.name for row in self.of_version(key)}:
                raise exceptions.NotFound(f"{key} has no evaluation {evaluation_id}.")
        return found

    def slice(self, name: str) -> types.ModelEvaluationSlice:
        """Raises NotFound."""
        names.parse(SLICE, name)
        evaluation, _, slice_id = name.partition("/slices/")
        found: types.ModelEvaluationSlice = self.slices.get(f"{self.evaluation(evaluation).name}/slices/{slice_id}")
        return found

    def delete_of(self, key: str) -> None:
        """Delete what was imported for a version."""
        for evaluation in self.of_version(key):
            self.evaluations.delete(evaluation.name)
            self.slices.delete_below(evaluation.name)
            self.annotations.delete_below(evaluation.name)

    def _plain(self, name: str) -> str:
        model, _, rest = name.partition("/evaluations/")
        return f"{model.partition('@')[0]}/evaluations/{rest}"

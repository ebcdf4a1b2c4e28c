"""Evaluations of a model version: imported as they are, kept with the version, read and filtered."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.model_rows import ModelRows, key_of
from gcpmlops.emulator.services.registry import metrics
from gcpmlops.emulator.services.registry.evaluation_rows import EvaluationRows


class ModelEvaluations(Service):
    """The methods about whole evaluations."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._models = ModelRows(context.store)
        self._rows = EvaluationRows(context.store)

    def import_model_evaluation(self, request: types.ImportModelEvaluationRequest) -> types.ModelEvaluation:
        """Keeps an evaluation with the version that `parent` means: `M@VERSION`, or the default one."""
        validate.require(request, "parent", "model_evaluation.metrics", "model_evaluation.metrics_schema_uri")
        given = raw(request).model_evaluation
        metrics.check(given.metrics, "model_evaluation.metrics")
        if given.HasField("metadata"):
            metrics.check(given.metadata, "model_evaluation.metadata")
        model = request.parent.partition("@")[0]
        with self.locks(model):
            key = key_of(self._models.version(request.parent))
            evaluation = types.ModelEvaluation(request.model_evaluation)
            evaluation.name = f"{model}/evaluations/{names.new_id()}"
            evaluation.create_time = self.clock.now()
            kept: types.ModelEvaluation = self._rows.evaluations.insert(evaluation.name, evaluation, parent=key)
        return kept

    def get_model_evaluation(self, request: types.GetModelEvaluationRequest) -> types.ModelEvaluation:
        """By `.../models/M/evaluations/E`, whatever version it belongs to."""
        return self._rows.evaluation(request.name)

    def list_model_evaluations(self, request: types.ListModelEvaluationsRequest) -> types.ListModelEvaluationsResponse:
        """Those of one version, newest first."""
        found = self._rows.of_version(key_of(self._models.version(request.parent)))
        evaluations, token = chosen(found[::-1], request)
        return types.ListModelEvaluationsResponse(model_evaluations=evaluations, next_page_token=token)


def chosen(found: list[Any], request: Any) -> tuple[list[Any], str]:
    """The part of a list that the request's filter, page and read mask leave, and the next page token."""
    matching = [item for item in found if filters.matches(request.filter, item)]
    items, token = paging.page(matching, request)
    return [masks.part(item, request.read_mask) for item in items], token

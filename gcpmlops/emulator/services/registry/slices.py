"""Slices of an evaluation, and the annotations that were evaluated in a slice."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.registry import metrics
from gcpmlops.emulator.services.registry.evaluation_rows import EvaluationRows
from gcpmlops.emulator.services.registry.evaluations import chosen

BY_LABEL = "annotationSpec"
MAX_SLICES = 50  # in one request
Annotation = types.EvaluatedAnnotation
# What an annotation of each type has exactly one of.
_ONE_OF = {
    "TRUE_POSITIVE": ("predictions", "ground_truths"),
    "FALSE_POSITIVE": ("predictions",),
    "FALSE_NEGATIVE": ("ground_truths",),
}


class ModelEvaluationSlices(Service):
    """The methods about slices. A batch is imported whole or not at all."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = EvaluationRows(context.store)

    def batch_import_model_evaluation_slices(
        self, request: types.BatchImportModelEvaluationSlicesRequest
    ) -> types.BatchImportModelEvaluationSlicesResponse:
        """Adds slices to an evaluation, which then lists their dimensions."""
        validate.require(request, "parent", "model_evaluation_slices")
        if len(request.model_evaluation_slices) > MAX_SLICES:
            what = f"{len(request.model_evaluation_slices)} slices, {MAX_SLICES} are allowed in one request."
            raise validate.invalid("model_evaluation_slices", what)
        for place, given in enumerate(request.model_evaluation_slices):
            _check_slice(given, f"model_evaluation_slices[{place}]")
        with self.locks(_model(request.parent)):
            evaluation = self._rows.evaluation(request.parent)
            slices = [self._new(evaluation, given) for given in request.model_evaluation_slices]
            self.store.write(lambda _: self._put(evaluation.name, slices))
        imported = [row.name for row in slices]
        return types.BatchImportModelEvaluationSlicesResponse(imported_model_evaluation_slices=imported)

    def get_model_evaluation_slice(self, request: types.GetModelEvaluationSliceRequest) -> types.ModelEvaluationSlice:
        """By its name."""
        return self._rows.slice(request.name)

    def list_model_evaluation_slices(
        self, request: types.ListModelEvaluationSlicesRequest
    ) -> types.ListModelEvaluationSlicesResponse:
        """Those of one evaluation, as they were imported; filters such as `slice.dimension=slice`."""
        found = self._rows.slices.list(parent=self._rows.evaluation(request.parent).name)
        slices, token = chosen(found, request)
        return types.ListModelEvaluationSlicesResponse(model_evaluation_slices=slices, next_page_token=token)

    def batch_import_evaluated_annotations(
        self, request: types.BatchImportEvaluatedAnnotationsRequest
    ) -> types.BatchImportEvaluatedAnnotationsResponse:
        """Keeps annotations with a slice of the dimension `annotationSpec`; no method reads them back."""
        validate.require(request, "parent", "evaluated_annotations")
        for place, given in enumerate(request.evaluated_annotations):
            _check_annotation(given, f"evaluated_annotations[{place}]")
        with self.locks(_model(request.parent)):
            above = self._rows.slice(request.parent)
            if above.slice_.dimension != BY_LABEL:
                what = f"is of the dimension {above.slice_.dimension!r}: annotations belong to {BY_LABEL!r}"
                raise exceptions.FailedPrecondition(f"{above.name} {what}.")
            self.store.write(lambda _: self._put_annotations(above.name, request.evaluated_annotations))
        count = len(request.evaluated_annotations)
        return types.BatchImportEvaluatedAnnotationsResponse(imported_evaluated_annotations_count=count)

    def _new(self, evaluation: types.ModelEvaluation, given: types.ModelEvaluationSlice) -> types.ModelEvaluationSlice:
        row = types.ModelEvaluationSlice(given)
        row.name = f"{evaluation.name}/slices/{names.new_id()}"
        row.create_time = self.clock.now()
        row.metrics_schema_uri = given.metrics_schema_uri or evaluation.metrics_schema_uri
        return row

    def _put(self, evaluation: str, slices: list[types.ModelEvaluationSlice]) -> None:
        for row in slices:
            self._rows.slices.insert(row.name, row, parent=evaluation)

        def note(row: types.ModelEvaluation) -> None:
            row.slice_dimensions = list(dict.fromkeys([*row.slice_dimensions, *(s.slice_.dimension for s in slices)]))

        self._rows.evaluations.update(evaluation, note)

    def _put_annotations(self, above: str, annotations: Any) -> None:
        for annotation in annotations:
            self._rows.annotations.insert(f"{above}/annotations/{names.new_id()}", annotation, parent=above)


def _model(name: str) -> str:
    return name.partition("/evaluations/")[0].partition("@")[0]


def _check_slice(given: types.ModelEvaluationSlice, field: str) -> None:
    """Raises InvalidArgument naming what is missing or wrong."""
    if not given.slice_.dimension:
        raise validate.invalid(f"{field}.slice.dimension", "required, but missing.")
    if not given.slice_.value and not given.slice_.slice_spec.configs:
        raise validate.invalid(f"{field}.slice", "either value or slice_spec is required.")
    metrics.check(raw(given).metrics, f"{field}.metrics")


def _check_annotation(given: Annotation, field: str) -> None:
    """Raises InvalidArgument for an annotation whose type and contents contradict each other."""
    kind = Annotation.EvaluatedAnnotationType(given.type_).name
    if kind not in _ONE_OF:
        raise validate.invalid(f"{field}.type", f"required: {', '.join(_ONE_OF)}.")
    for part in _ONE_OF[kind]:
        count = len(getattr(raw(given), part))
        if count != 1:
            raise validate.invalid(f"{field}.{part}", f"{kind} has exactly one, not {count}.")

"""Evaluations, their slices and annotations: with the version they were imported for, and deleted with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.registry.evaluation_rows import EvaluationRows

SCHEMA = "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml"


def evaluate(registry: Any, parent: str, **fields: Any) -> types.ModelEvaluation:
    evaluation = {"metrics": {"auRoc": 0.9}, "metrics_schema_uri": SCHEMA, **fields}
    return registry.import_model_evaluation(
        types.ImportModelEvaluationRequest(parent=parent, model_evaluation=evaluation)
    )


def listed(registry: Any, parent: str, **fields: Any) -> types.ListModelEvaluationsResponse:
    return registry.list_model_evaluations(types.ListModelEvaluationsRequest(parent=parent, **fields))


def add_slices(registry: Any, parent: str, *slices: dict[str, Any]) -> list[str]:
    rows = [{"metrics": {"auRoc": 0.5}, **row} for row in slices]
    request = types.BatchImportModelEvaluationSlicesRequest(parent=parent, model_evaluation_slices=rows)
    return list(registry.batch_import_model_evaluation_slices(request).imported_model_evaluation_slices)


def by_carrier(value: str) -> dict[str, Any]:
    configs = {"carrier": {"value": {"string_value": value}}}
    return {"slice_": {"dimension": "slice", "value": value, "slice_spec": {"configs": configs}}}


def by_label(value: str) -> dict[str, Any]:
    return {"slice_": {"dimension": "annotationSpec", "value": value}}


def test_an_evaluation_stays_with_its_version(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri).model
    serving.upload(uri, parent_model=model, version_aliases=["golden"])
    first = evaluate(registry, model, display_name="a", name="ignored", metadata={"rows": 10})
    second = evaluate(registry, f"{model}@golden", display_name="b")
    assert first.name.startswith(f"{model}/evaluations/")
    assert first.create_time
    assert [row.name for row in listed(registry, f"{model}@1").model_evaluations] == [first.name]
    assert [row.name for row in listed(registry, f"{model}@2").model_evaluations] == [second.name]
    got = registry.get_model_evaluation(types.GetModelEvaluationRequest(name=first.name))
    assert got == first
    assert got.metrics["auRoc"] == 0.9
    by_version = second.name.replace(model, f"{model}@2")
    assert registry.get_model_evaluation(types.GetModelEvaluationRequest(name=by_version)) == second
    for wrong in (first.name + "0", first.name.replace(model, f"{model}@2")):
        with pytest.raises(exceptions.NotFound, match="evaluation"):
            registry.get_model_evaluation(types.GetModelEvaluationRequest(name=wrong))


def test_evaluations_are_listed_newest_first_filtered_and_paged(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri).model
    names = [evaluate(registry, model, display_name=n, metrics={"auRoc": v}).name for n, v in (("a", 0.7), ("b", 0.9))]
    assert [row.name for row in listed(registry, model).model_evaluations] == names[::-1]
    found = listed(registry, model, filter="metrics.auRoc>0.8").model_evaluations
    assert [row.display_name for row in found] == ["b"]
    first = listed(registry, model, page_size=1)
    rest = listed(registry, model, page_size=1, page_token=first.next_page_token)
    assert [row.name for row in [*first.model_evaluations, *rest.model_evaluations]] == names[::-1]
    assert rest.next_page_token == ""
    masked = listed(registry, model, read_mask={"paths": ["display_name"]}).model_evaluations
    assert masked[0] == types.ModelEvaluation(display_name="b")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"metrics": None}, "metrics"),
        ({"metrics": [1.0]}, "has to be an object"),
        ({"metrics_schema_uri": ""}, "metrics_schema_uri"),
        ({"metrics": {"auRoc": float("nan")}}, r"metrics\.auRoc"),
        ({"metrics": {"a": [{"b": float("inf")}]}}, r"metrics\.a\[0\]\.b"),
        ({"metadata": "text"}, "metadata"),
    ],
)
def test_bad_evaluations_are_refused(serving: Any, registry: Any, uri: str, fields: dict[str, Any], text: str) -> None:
    model = serving.upload(uri).model
    with pytest.raises(exceptions.InvalidArgument, match=text):
        evaluate(registry, model, **fields)
    assert not listed(registry, model).model_evaluations


def test_an_evaluation_needs_its_version(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri).model
    for name in (f"{model}@2", f"{model}@golden", f"{model}0"):
        with pytest.raises(exceptions.NotFound):
            evaluate(registry, name)


def test_slices_belong_to_an_evaluation(serving: Any, registry: Any, uri: str) -> None:
    evaluation = evaluate(registry, serving.upload(uri).model)
    names = add_slices(registry, evaluation.name, by_carrier("UA"), by_carrier("AA"), by_label("late"))
    got = registry.get_model_evaluation_slice(types.GetModelEvaluationSliceRequest(name=names[0]))
    assert (got.name, got.slice_.value, got.metrics_schema_uri) == (names[0], "UA", SCHEMA)
    assert got.slice_.slice_spec.configs["carrier"].value.string_value == "UA"

    def found(**fields: Any) -> types.ListModelEvaluationSlicesResponse:
        request = types.ListModelEvaluationSlicesRequest(parent=evaluation.name, **fields)
        return registry.list_model_evaluation_slices(request)

    assert [row.name for row in found().model_evaluation_slices] == names
    assert [row.name for row in found(filter="slice.dimension=slice").model_evaluation_slices] == names[:2]
    assert found(page_size=2).next_page_token
    shown = registry.get_model_evaluation(types.GetModelEvaluationRequest(name=evaluation.name))
    assert list(shown.slice_dimensions) == ["slice", "annotationSpec"]
    with pytest.raises(exceptions.NotFound):
        add_slices(registry, evaluation.name + "0", by_label("x"))


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"slice_": {"value": "x"}}, r"model_evaluation_slices\[1\].slice.dimension"),
        ({"slice_": {"dimension": "slice"}}, r"model_evaluation_slices\[1\].slice"),
        ({**by_label("x"), "metrics": {"auRoc": float("nan")}}, r"model_evaluation_slices\[1\].metrics.auRoc"),
    ],
)
def test_a_batch_of_slices_is_imported_whole_or_not(
    serving: Any, registry: Any, uri: str, bad: dict[str, Any], text: str
) -> None:
    evaluation = evaluate(registry, serving.upload(uri).model)
    with pytest.raises(exceptions.InvalidArgument, match=text):
        add_slices(registry, evaluation.name, by_label("good"), bad)
    with pytest.raises(exceptions.InvalidArgument, match="51 slices, 50 are allowed"):
        add_slices(registry, evaluation.name, *[by_label(str(number)) for number in range(51)])
    request = types.ListModelEvaluationSlicesRequest(parent=evaluation.name)
    assert not registry.list_model_evaluation_slices(request).model_evaluation_slices


def annotate(registry: Any, parent: str, *annotations: dict[str, Any]) -> int:
    body = json.dumps({"parent": parent, "evaluatedAnnotations": annotations})
    request = types.BatchImportEvaluatedAnnotationsRequest.from_json(body)
    return registry.batch_import_evaluated_annotations(request).imported_evaluated_annotations_count


def test_annotations_belong_to_a_slice_of_a_label(serving: Any, registry: Any, uri: str) -> None:
    evaluation = evaluate(registry, serving.upload(uri).model)
    label, carrier = add_slices(registry, evaluation.name, by_label("late"), by_carrier("UA"))
    hit = {"type": "TRUE_POSITIVE", "predictions": [{"p": 1}], "groundTruths": [{"t": 1}]}
    miss = {"type": "FALSE_NEGATIVE", "groundTruths": [{"t": 1}]}
    assert annotate(registry, label, hit, miss) == 2
    rows = EvaluationRows(serving.context.store)
    assert [row.type_.name for row in rows.annotations.list(parent=label)] == ["TRUE_POSITIVE", "FALSE_NEGATIVE"]
    with pytest.raises(exceptions.FailedPrecondition, match="annotationSpec"):
        annotate(registry, carrier, hit)
    for bad, text in ((dict(hit, type=0), r"\[0\]\.type"), (dict(hit, predictions=[]), r"\[0\]\.predictions")):
        with pytest.raises(exceptions.InvalidArgument, match=text):
            annotate(registry, label, bad)


def test_what_was_imported_goes_with_the_version(serving: Any, registry: Any, uri: str) -> None:
    model = serving.upload(uri).model
    serving.upload(uri, parent_model=model)
    kept, gone = evaluate(registry, f"{model}@1"), evaluate(registry, f"{model}@2")
    (label,) = add_slices(registry, gone.name, by_label("late"))
    annotate(registry, label, {"type": "FALSE_POSITIVE", "predictions": [{"p": 1}]})
    rows = EvaluationRows(serving.context.store)
    serving.done(registry.delete_model_version(types.DeleteModelVersionRequest(name=f"{model}@2")))
    assert [row.name for row in rows.evaluations.list()] == [kept.name]
    assert (rows.slices.list(), rows.annotations.list()) == ([], [])
    serving.done(registry.delete_model(types.DeleteModelRequest(name=model)))
    assert rows.evaluations.list() == []

"""Explain: sampled Shapley over the declared metadata."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.services.prediction.shapley import Game

from .conftest import ENDPOINT, Predictions, predicting

WEIGHTS = [3.0, -1.0, 0.5, 2.0]
SHAPLEY = {"sampled_shapley_attribution": {"path_count": 10}}
NAMES = ["a", "b", "c", "d"]


def linear(row: list[float]) -> float:
    return 1.0 + sum(weight * value for weight, value in zip(WEIGHTS, row, strict=True))


def spec(inputs: dict[str, Any], outputs: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    metadata = {"inputs": inputs, "outputs": {"y": {}} if outputs is None else outputs}
    return {"parameters": {**SHAPLEY, **parameters}, "metadata": metadata}


BAG = {"row": {"encoding": "BAG_OF_FEATURES", "index_feature_mapping": NAMES}}


def explain(predictions: Predictions, instances: list[Any], **fields: Any) -> Any:
    request = types.ExplainRequest.pb()()
    json_format.ParseDict({"endpoint": ENDPOINT, "instances": instances, **fields}, request)
    return types.ExplainResponse.pb(predictions.service.explain(types.ExplainRequest.wrap(request)))


def attributions(response: Any) -> list[dict[str, Any]]:
    """Of the first instance, as JSON."""
    return json_format.MessageToDict(response.explanations[0])["attributions"]


def total(value: Any) -> float:
    """The sum over all features."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return value if parts is None else math.fsum(map(total, parts))


def test_of_a_linear_model_each_feature_has_its_term(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(linear)})
    predictions.explained(spec(BAG))
    response = explain(predictions, [[1, 2, 0, -2], [0, 0, 0, 0]])
    (found,) = attributions(response)
    assert found["featureAttributions"] == {"row": pytest.approx([3.0, -2.0, 0.0, -4.0])}
    assert (found["baselineOutputValue"], found["instanceOutputValue"]) == (1.0, pytest.approx(-2.0))
    assert (found["outputName"], found.get("approximationError", 0.0)) == ("y", 0.0)
    assert [item.number_value for item in response.predictions] == pytest.approx([-2.0, 1.0])
    assert response.deployed_model_id == "1"
    assert response.explanations[1].attributions[0].instance_output_value == 1.0
    (record,) = predictions.metrics.records
    assert (record["predictions"], record["status"], record["deployed_model_id"]) == (2, 200, "1")


def test_the_shares_add_up_and_come_again(predictions: Predictions) -> None:
    """A model with interactions and too many features for all coalitions: efficiency, and the same again."""

    def product(row: list[float]) -> float:
        return math.tanh(row[0] * row[1] + sum(value * value for value in row[2:]) * row[3])

    predictions.serve({"1": predicting(product)})
    predictions.explained(spec({"row": {}}, sampled_shapley_attribution={"path_count": 25}))
    row = [0.3 * number - 1 for number in range(1, 13)]
    first = explain(predictions, [row])
    (found,) = attributions(first)
    gain = found["instanceOutputValue"] - found.get("baselineOutputValue", 0.0)
    assert total(found["featureAttributions"]) == pytest.approx(gain)
    assert 0 < found["approximationError"] < 1
    assert explain(predictions, [row]) == first
    assert len(predictions.pools["1"].bodies) == 2  # all rows of an explanation in one request


def test_the_estimate_nears_the_exact_values() -> None:
    def pay(coalition: int) -> float:
        players = [player for player in range(9) if coalition >> player & 1]
        return sum(players) + 5.0 * (0 in players and 4 in players) + math.sqrt(len(players))

    exact = Game(9, 50).shares(pay)
    assert exact.error > 0  # 512 coalitions are more than 50 paths ask for
    truth = Game(9, 10**6).shares(pay)
    assert truth.error == 0
    assert sum(truth.values) == pytest.approx(pay(511) - pay(0))
    assert exact.values == pytest.approx(truth.values, abs=0.35)
    assert truth.values[0] - truth.values[1] == pytest.approx(2.5 - 1)


def test_two_players_by_hand() -> None:
    pay = {0: 0.0, 1: 1.0, 2: 5.0, 3: 10.0}
    assert Game(2, 1).shares(pay.__getitem__).values == pytest.approx((3.0, 7.0))


def test_named_features_and_groups(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(lambda row: {"y": row["x"] * row["z"] + row["list"][1] + len(row["word"])})})
    inputs = {"x": {"group_name": "xz"}, "z": {"group_name": "xz"}, "list": {}, "word": {}}
    predictions.explained(spec(inputs))
    instance = {"x": 2, "z": 3, "list": [5, 7], "word": "abc", "id": 9}
    (found,) = attributions(explain(predictions, [instance]))
    assert found["featureAttributions"] == {"xz": 6.0, "list": [0.0, 7.0], "word": 3.0}


def test_several_baselines_are_averaged(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(lambda row: row["x"] * 10 + row["y"])})
    predictions.explained(spec({"x": {"input_baselines": [0, 1, 2]}, "y": {"input_baselines": [4]}}))
    (found,) = attributions(explain(predictions, [{"x": 3, "y": 5}]))
    assert found["featureAttributions"] == pytest.approx({"x": 20.0, "y": 1.0})
    assert found["baselineOutputValue"] == pytest.approx(14.0)
    predictions.explained(spec({"x": {"input_baselines": [0, 1, 2]}, "y": {"input_baselines": [4, 5]}}))
    with pytest.raises(exceptions.InvalidArgument, match=r"\[2, 3\] baselines"):
        explain(predictions, [{"x": 3, "y": 5}])


def test_a_request_overrides_paths_and_baselines(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(linear)})
    predictions.explained(spec(BAG))
    override = {
        "parameters": {"sampledShapleyAttribution": {"pathCount": 2}},
        "metadata": {"inputs": {"row": {"inputBaselines": [[1, 1, 1, 1]]}}},
    }
    (found,) = attributions(explain(predictions, [[1, 2, 3, 4]], explanationSpecOverride=override))
    assert found["featureAttributions"]["row"] == pytest.approx([0.0, -1.0, 1.0, 6.0])
    for wrong, text in (
        ({"parameters": {"sampledShapleyAttribution": {"pathCount": 51}}}, "51 is not between 1 and 50"),
        ({"parameters": {"xraiAttribution": {"stepCount": 5}}}, "can't be changed"),
        ({"metadata": {"inputs": {"other": {}}}}, "no input 'other'"),
        ({"metadata": {"inputs": {"row": {"inputBaselines": [[1, 2]]}}}}, "another shape than its baseline"),
    ):
        with pytest.raises(exceptions.InvalidArgument, match=text):
            explain(predictions, [[1, 2, 3, 4]], explanationSpecOverride=wrong)


def classes(row: list[float]) -> dict[str, Any]:
    return {"scores": [row[0], row[1], 0.25], "labels": ["no", "yes", "maybe"]}


@pytest.mark.parametrize(
    ("parameters", "indices"),
    [({}, [1]), ({"top_k": 2}, [1, 2]), ({"top_k": -1}, [0, 1, 2]), ({"output_indices": [2, 0]}, [2, 0])],
)
def test_which_outputs_are_explained(predictions: Predictions, parameters: Any, indices: list[int]) -> None:
    predictions.serve({"1": predicting(classes)})
    bag = {"row": {"encoding": 2, "index_feature_mapping": ["a", "b"]}}
    predictions.explained(spec(bag, {"scores": {"display_name_mapping_key": "labels"}}, **parameters))
    found = attributions(explain(predictions, [[0.1, 0.7]]))
    assert [each["outputIndex"] for each in found] == [[index] for index in indices]
    assert [each["outputDisplayName"] for each in found] == [["no", "yes", "maybe"][index] for index in indices]
    own = {0: [0.1, 0.0], 1: [0.0, 0.7], 2: [0.0, 0.0]}
    assert [each["featureAttributions"]["row"] for each in found] == [pytest.approx(own[index]) for index in indices]


def test_static_names_of_outputs(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(lambda row: [row[0], -row[0]])})
    predictions.explained(spec({"row": {}}, {"p": {"index_display_name_mapping": ["late", "on time"]}}))
    (found,) = attributions(explain(predictions, [[2]]))
    assert (found["outputIndex"], found["outputDisplayName"]) == ([0], "late")


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({}, exceptions.FailedPrecondition, "Deployed model 1 does not support explanation"),
        ({"parameters": SHAPLEY}, exceptions.FailedPrecondition, "metadata.inputs"),
        (
            {**spec(BAG), "parameters": {"integrated_gradients_attribution": {"step_count": 5}}},
            exceptions.MethodNotImplemented,
            "integrated_gradients_attribution is not built",
        ),
        (
            {**spec(BAG), "parameters": {"xrai_attribution": {"step_count": 5}}},
            exceptions.MethodNotImplemented,
            "xrai_attribution is not built",
        ),
        (
            {**spec(BAG), "parameters": {"examples": {"neighbor_count": 5}}},
            exceptions.MethodNotImplemented,
            "examples is not built",
        ),
        (spec({"row": {"encoding": 5}}), exceptions.MethodNotImplemented, "COMBINED_EMBEDDING of the feature 'row'"),
        (spec({"row": {"encoding": 2}}), exceptions.InvalidArgument, "index_feature_mapping: required"),
        (spec(BAG, {}), exceptions.InvalidArgument, "0 keys; exactly one"),
        (spec({"x": {}, "y": {}}), exceptions.InvalidArgument, "an object with the features x, y"),
        (
            spec({"row": {"encoding": 4, "index_feature_mapping": ["a"]}}),
            exceptions.InvalidArgument,
            "'row' must be a list of 1 values",
        ),
    ],
)
def test_what_cannot_be_explained_says_why(predictions: Predictions, change: Any, kind: Any, text: str) -> None:
    predictions.serve({"1": predicting(linear)})
    predictions.explained(change)
    with pytest.raises(kind, match=text):
        explain(predictions, [[1, 2, 3, 4]])


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (lambda row: "late", "'late': only numbers"),
        (lambda row: {"z": 1}, "no field 'y' .it has: z"),
        (lambda row: [1] * (1 + int(row[0])), r"no number 'y' at \[1\]"),
    ],
)
def test_predictions_that_are_no_numbers(predictions: Predictions, model: Any, text: str) -> None:
    predictions.serve({"1": predicting(model)})
    predictions.explained(spec({"row": {}}, top_k=-1))
    with pytest.raises(exceptions.InvalidArgument, match=text):
        explain(predictions, [[1, 2]])


def test_a_missing_feature_and_a_missing_model(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(lambda row: row["x"]), "2": predicting(lambda row: row["x"] * 2)})
    predictions.explained(spec({"x": {}}))
    with pytest.raises(exceptions.InvalidArgument, match="the feature 'x' of the metadata is missing"):
        explain(predictions, [{"y": 1}])
    assert attributions(explain(predictions, [{"x": 2}], deployedModelId="2"))[0]["featureAttributions"] == {"x": 4.0}
    with pytest.raises(exceptions.NotFound, match="Deployed model 3"):
        explain(predictions, [{"x": 2}], deployedModelId="3")


def test_a_deployment_may_refuse_or_bring_its_own(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(linear)})
    row = predictions.endpoints.get(ENDPOINT)
    row.deployed_models[0].explanation_spec = types.ExplanationSpec(spec(BAG))
    predictions.endpoints.put(ENDPOINT, row)
    assert attributions(explain(predictions, [[1, 0, 0, 0]]))[0]["featureAttributions"]["row"][0] == pytest.approx(3)
    predictions.explained(spec(BAG))
    row.deployed_models[0].disable_explanations = True
    predictions.endpoints.put(ENDPOINT, row)
    with pytest.raises(exceptions.FailedPrecondition, match="does not support explanation"):
        explain(predictions, [[1, 0, 0, 0]])


def test_many_rows_go_in_large_requests(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(sum)})
    predictions.explained(spec({"row": {}}, sampled_shapley_attribution={"path_count": 50}))
    response = explain(predictions, [[float(value) for value in range(1, 41)]] * 3)
    assert len(predictions.pools["1"].bodies) == math.ceil(3 * (1 + 1 + 50 * 39) / 2000)
    assert [each.attributions[0].instance_output_value for each in response.explanations] == [820.0] * 3

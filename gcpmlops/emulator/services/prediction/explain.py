"""Explain: predictions with what each feature of an instance has contributed to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import values
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.prediction import explanation_specs, replies
from gcpmlops.emulator.services.prediction.containers import JSON, Containers, Target
from gcpmlops.emulator.services.prediction.features import Features, Frame, Path
from gcpmlops.emulator.services.prediction.observed import Observer
from gcpmlops.emulator.services.prediction.outputs import Output
from gcpmlops.emulator.services.prediction.rows import Rows
from gcpmlops.emulator.services.prediction.shapley import Game, Shares

ROWS = 2_000  # that the container gets at a time


@dataclass(frozen=True)
class Mixed:
    """A row that is made when it is sent: of a large instance there are too many to hold."""

    frame: Frame
    coalition: int


@dataclass(frozen=True)
class Round:
    """A game for one instance and baseline. `places` tells where the prediction of a coalition is."""

    frame: Frame
    game: Game
    places: dict[int, int]


class Explainer:
    """Sampled Shapley by the deployed model's own predictions of instances with parts of their baselines."""

    def __init__(self, store: ResourceStore, containers: Containers, observer: Observer) -> None:
        self._containers = containers
        self._observer = observer
        self._specs: Rows[Any] = Rows(
            store.collection(types.Model), lambda model: types.Model.pb(model).explanation_spec
        )

    def explain(self, request: types.ExplainRequest, plain: dict[str, Any]) -> types.ExplainResponse:
        """`plain` is the container's request body for the instances themselves.

        Raises: FailedPrecondition where the model has no explanation specification; MethodNotImplemented for other
            methods; InvalidArgument where instances, predictions and specification don't fit.
        """
        pb = types.ExplainRequest.pb(request)
        with self._observer.request(pb.endpoint, len(pb.instances)) as seen:
            _, response = self._containers.ask(
                pb.endpoint, seen, lambda target: self._answer(target, pb, plain), pb.deployed_model_id
            )
        return response

    def _answer(self, target: Target, pb: Any, plain: dict[str, Any]) -> types.ExplainResponse:
        deployed = target.deployed
        model_spec = self._specs.get(f"{deployed.model}@{deployed.model_version_id}")
        spec = explanation_specs.effective(model_spec, deployed, pb.explanation_spec_override)
        output = Output.read(spec.metadata.outputs, spec.parameters)
        rows = list(plain["instances"])
        games = [played(frames, rows, number, spec) for number, frames in enumerate(framed(spec, rows))]
        predictions = predicted(target, rows, plain)
        response = types.ExplainResponse.pb()(deployed_model_id=deployed.id)
        values.extend(response, "predictions", predictions[: len(games)])
        for rounds, prediction in zip(games, predictions, strict=False):
            explanation = response.explanations.add()
            for index in output.indices(output.value(prediction)):
                attribute(explanation.attributions.add(), rounds, output, index, predictions, prediction)
        wrapped: types.ExplainResponse = types.ExplainResponse.wrap(response)
        return wrapped


def framed(spec: Any, instances: Sequence[Any]) -> list[list[Frame]]:
    """The frames of each instance."""
    features = Features(spec.metadata.inputs)
    return [features.frames(instance) for instance in instances]


def played(frames: Sequence[Frame], rows: list[Any], number: int, spec: Any) -> list[Round]:
    """The games of the instance in `rows[number]`; the further rows that they ask for are appended."""
    rounds = []
    for frame in frames:
        game = Game(len(frame.players), spec.parameters.sampled_shapley_attribution.path_count)
        places = {game.everybody: number}
        for coalition in game.coalitions:
            if coalition != game.everybody:
                places[coalition] = len(rows)
                rows.append(Mixed(frame, coalition))
        rounds.append(Round(frame, game, places))
    return rounds


def predicted(target: Target, rows: Sequence[Any], plain: dict[str, Any]) -> list[Any]:
    """The predictions of all rows, some thousand rows a request. Raises InternalServerError where one is missing."""
    found: list[Any] = []
    for start in range(0, len(rows), ROWS):
        part = [made(row) for row in rows[start : start + ROWS]]
        answer = replies.predictions(target.post(orjson.dumps({**plain, "instances": part}), JSON))
        if len(answer["predictions"]) != len(part):
            raise exceptions.InternalServerError(
                f"The prediction server gave {len(answer['predictions'])} predictions for {len(part)} instances."
            )
        found += answer["predictions"]
    return found


def made(row: Any) -> Any:
    """A row as the container gets it."""
    return row.frame.row(row.coalition) if isinstance(row, Mixed) else row


def attribute(
    attribution: Any, rounds: Sequence[Round], output: Output, index: Path, predictions: Sequence[Any], prediction: Any
) -> None:
    """Fill in the attribution of one output, averaged over the baselines."""
    results = [(each, shares(each, output, index, predictions)) for each in rounds]
    attribution.instance_output_value = output.number(prediction, index)
    baselines = [output.number(predictions[each.places[0]], index) for each in rounds]
    attribution.baseline_output_value = sum(baselines) / len(baselines)
    attribution.approximation_error = sum(result.error for _, result in results) / len(results)
    values.fill(
        attribution.feature_attributions, mean([each.frame.attributions(result.values) for each, result in results])
    )
    attribution.output_index.extend(index)
    attribution.output_display_name = output.display_name(prediction, index)
    attribution.output_name = output.name


def shares(each: Round, output: Output, index: Path, predictions: Sequence[Any]) -> Shares:
    """What the players get of one output."""
    return each.game.shares(lambda coalition: output.number(predictions[each.places[coalition]], index))


def mean(trees: Sequence[Any]) -> Any:
    """The element-wise mean of equally shaped values."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: mean([tree[key] for tree in trees]) for key in first}
    if isinstance(first, list):
        return [mean(list(column)) for column in zip(*trees, strict=True)]
    return sum(trees) / len(trees)

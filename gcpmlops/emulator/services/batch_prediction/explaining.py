"""Predictions with explanations: what each feature of an instance has contributed, as Explain has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.batch_prediction.shapes import to_json
from gcpmlops.emulator.services.prediction import explanation_specs
from gcpmlops.emulator.services.prediction.explain import attribute, framed, played, predicted
from gcpmlops.emulator.services.prediction.outputs import Output


def spec_of(job: types.BatchPredictionJob, version: types.Model) -> Any:
    """The specification in force, the job's before the model's.

    Raises: FailedPrecondition without one; MethodNotImplemented, InvalidArgument.
    """
    model = types.Model.pb(version)
    given = types.DeployedModel(id=version.name or job.display_name, explanation_spec=job.explanation_spec)
    override = types.ExplanationSpecOverride.pb()()
    return explanation_specs.effective(model.explanation_spec, types.DeployedModel.pb(given), override)


class Explanations:
    """Explains batches of instances by the model's own predictions."""

    def __init__(self, spec: Any, parameters: bytes | None) -> None:
        self._spec = spec
        self._output = Output.read(spec.metadata.outputs, spec.parameters)
        self._plain = {} if parameters is None else {"parameters": orjson.loads(parameters)}

    def __call__(self, instances: Sequence[bytes], post: Callable[[bytes], HttpReply]) -> list[bytes]:
        """For each instance the rest of its line in the output, from the prediction on.

        Raises: what `post` raises; InvalidArgument for instances that the specification does not fit.
        """
        rows = [orjson.loads(text) for text in instances]
        games = [played(frames, rows, number, self._spec) for number, frames in enumerate(framed(self._spec, rows))]
        asked: Any = _Post(post)
        predictions = predicted(asked, rows, self._plain)
        return [
            to_json(prediction) + b', "explanation": ' + self._explanation(rounds, predictions, prediction)
            for rounds, prediction in zip(games, predictions, strict=False)
        ]

    def _explanation(self, rounds: Any, predictions: Sequence[Any], prediction: Any) -> bytes:
        explanation = types.Explanation.pb()()
        for index in self._output.indices(self._output.value(prediction)):
            attribute(explanation.attributions.add(), rounds, self._output, index, predictions, prediction)
        return to_json(json_format.MessageToDict(explanation, always_print_fields_with_no_presence=True))


class _Post:
    """What `predicted` asks."""

    def __init__(self, post: Callable[[bytes], HttpReply]) -> None:
        self._post = post

    def post(self, body: bytes, content_type: str) -> HttpReply:
        return self._post(body)

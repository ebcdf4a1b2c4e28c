"""What a deployed model is explained by: the model's specification, the deployment's, the request's."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate

METHOD = "sampled_shapley_attribution"
MOST_PATHS = 50
_NEEDS = {
    "integrated_gradients_attribution": "it needs the gradients of a TensorFlow container",
    "xrai_attribution": "it needs the gradients of a TensorFlow container",
    "examples": "it needs an index of example embeddings",
}


def effective(model_spec: Any, deployed: Any, override: Any) -> Any:
    """The ExplanationSpec that is in force, as a protobuf message.

    Raises: FailedPrecondition without one; MethodNotImplemented for another method than sampled Shapley;
        InvalidArgument.
    """
    spec = types.ExplanationSpec.pb()()
    for given in () if deployed.disable_explanations else (model_spec, deployed.explanation_spec):
        for field in ("parameters", "metadata"):
            if given.HasField(field):
                getattr(spec, field).CopyFrom(getattr(given, field))
    method = spec.parameters.WhichOneof("method")
    if method is None or not spec.metadata.inputs:
        raise exceptions.FailedPrecondition(
            f"Deployed model {deployed.id} does not support explanation. Upload or deploy the model with an "
            "explanation_spec: parameters.sampled_shapley_attribution, metadata.inputs and metadata.outputs."
        )
    if method != METHOD:
        raise exceptions.MethodNotImplemented(f"The attribution method {method} is not built here: {_NEEDS[method]}.")
    _override(spec, override)
    paths = spec.parameters.sampled_shapley_attribution.path_count
    if not 1 <= paths <= MOST_PATHS:
        raise validate.invalid(f"{METHOD}.path_count", f"{paths} is not between 1 and {MOST_PATHS}.")
    return spec


def _override(spec: Any, override: Any) -> None:
    method = override.parameters.WhichOneof("method")
    if method not in (None, METHOD) or override.HasField("examples_override"):
        raise validate.invalid("explanation_spec_override", f"the attribution method {METHOD} can't be changed.")
    if override.parameters.HasField("output_indices"):
        spec.parameters.ClearField("output_indices")
    spec.parameters.MergeFrom(override.parameters)
    for name, given in override.metadata.inputs.items():
        if name not in spec.metadata.inputs:
            raise validate.invalid("explanation_spec_override.metadata", f"there is no input {name!r}.")
        if given.input_baselines:
            del spec.metadata.inputs[name].input_baselines[:]
            spec.metadata.inputs[name].input_baselines.extend(given.input_baselines)

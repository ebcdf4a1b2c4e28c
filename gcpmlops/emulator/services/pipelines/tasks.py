"""Training tasks: what their inputs say, as the custom job that runs them.

https://cloud.google.com/vertex-ai/docs/training/create-training-pipeline
"""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.jobs import specs

FOLDER = "gs://google-cloud-aiplatform/schema/trainingjob/definition/"
INPUTS = "training_pipeline.training_task_inputs"
_CUSTOM = re.compile(re.escape(FOLDER) + r"custom_task_1\.0\.\d+\.yaml")
_PUBLISHED = re.compile(re.escape(FOLDER) + r"\w+_1\.0\.\d+\.yaml")
_TEXTS = {"args", "command", "env", "value"}


def custom_job(pipeline: types.TrainingPipeline) -> types.CustomJob:
    """The job that a custom task's inputs describe. Raises InvalidArgument naming the field, MethodNotImplemented."""
    _check_definition(pipeline.training_task_definition)
    spec = types.CustomJobSpec()
    inputs = json_format.MessageToDict(types.TrainingPipeline.pb(pipeline).training_task_inputs)
    try:
        json_format.ParseDict(_as_texts(inputs), types.CustomJobSpec.pb(spec))
    except (json_format.ParseError, AttributeError) as error:
        raise validate.invalid(INPUTS, f"not the inputs of a custom task: {error}") from error
    specs.check_spec(spec, INPUTS)
    return types.CustomJob(
        display_name=f"{pipeline.display_name[:117]}-custom-job",
        job_spec=spec,
        labels=pipeline.labels,
        encryption_spec=pipeline.encryption_spec,
    )


def with_variables(job: types.CustomJob, variables: dict[str, str]) -> types.CustomJob:
    """The job with environment variables in each of its worker pools."""
    changed = types.CustomJob(job)
    added = [types.EnvVar(name=name, value=value) for name, value in variables.items()]
    for pool in changed.job_spec.worker_pool_specs:
        for task in ("container_spec", "python_package_spec"):
            if task in pool:
                getattr(pool, task).env.extend(added)
    return changed


def _check_definition(uri: str) -> None:
    if _CUSTOM.fullmatch(uri):
        return
    if _PUBLISHED.fullmatch(uri):
        what = uri.removeprefix(FOLDER)
        raise exceptions.MethodNotImplemented(
            f"PipelineService.CreateTrainingPipeline: the task {what} is not built in this emulator "
            "(custom_task_1.0.0.yaml is)."
        )
    raise validate.invalid(
        "training_pipeline.training_task_definition", f"{uri!r} is no training task: {FOLDER} holds them."
    )


def _as_texts(inputs: Any, name: str = "") -> Any:
    """Numbers among arguments and variables as the texts that a command line holds."""
    if isinstance(inputs, dict):
        return {key: _as_texts(value, key) for key, value in inputs.items() if value is not None}
    if isinstance(inputs, list):
        return [_as_texts(value, name) for value in inputs]
    if name in _TEXTS and isinstance(inputs, float):
        return str(int(inputs)) if inputs.is_integer() else repr(inputs)
    return inputs

"""Training tasks: what a pipeline's inputs describe, and the job that carries it out.

https://cloud.google.com/vertex-ai/docs/training/create-training-pipeline
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.jobs.custom_jobs import CustomJobs
from gcpmlops.emulator.services.jobs.specs import check_spec
from gcpmlops.emulator.services.jobs.tuning_jobs import HyperparameterTuningJobs
from gcpmlops.emulator.services.vizier import measurements

FOLDER = "gs://google-cloud-aiplatform/schema/trainingjob/definition/"
INPUTS = "training_pipeline.training_task_inputs"
_DEFINITION = re.compile(re.escape(FOLDER) + r"(\w+)_1\.0\.\d+\.yaml")
_CUSTOM, _TUNING = "custom_task", "hyperparameter_tuning_task"
_TEXTS = {"args", "command", "env", "value"}


@dataclass(frozen=True)
class Ended:
    """How a task's job ended. `output` is where it wrote its model; `metadata` more of the task's metadata."""

    job: types.CustomJob | types.HyperparameterTuningJob
    output: str
    metadata: dict[str, str]


OnEnd = Callable[[Ended], None]


class Task(Protocol):
    """One task; `output` is its base output directory, `backing` the metadata's field that names the job."""

    output: str
    backing: str

    def check(self, parent: str) -> None:
        """Raises what `start` would, and stores nothing."""
        ...

    def start(self, parent: str, variables: dict[str, str], on_end: OnEnd) -> str:
        """Submits the job, whose name is returned; `variables` go to each of its processes."""
        ...


class Tasks:
    """Makes tasks of pipelines, and cancels their jobs."""

    def __init__(self, jobs: CustomJobs, searches: HyperparameterTuningJobs) -> None:
        self._jobs = jobs
        self._searches = searches

    def of(self, pipeline: types.TrainingPipeline) -> Task:
        """Raises InvalidArgument naming the field; MethodNotImplemented for tasks that are not built."""
        kind = _kind(pipeline.training_task_definition)
        if kind == _TUNING:
            return _Search(self._searches, _parsed(pipeline, types.HyperparameterTuningJob()))
        spec = _parsed(pipeline, types.CustomJobSpec())
        check_spec(spec, INPUTS)
        return _Custom(self._jobs, _labelled(pipeline, types.CustomJob(job_spec=spec), "custom-job"))

    def cancel(self, job: str) -> None:
        """Asks a task's job to stop."""
        if "/customJobs/" in job:
            self._jobs.cancel(job)
        else:
            request = types.CancelHyperparameterTuningJobRequest(name=job)
            self._searches.cancel_hyperparameter_tuning_job(request)


class _Custom:
    """`custom_task`: one custom job."""

    backing = "backingCustomJob"

    def __init__(self, jobs: CustomJobs, job: types.CustomJob) -> None:
        self._jobs = jobs
        self._job = job
        self.output = job.job_spec.base_output_directory.output_uri_prefix

    def check(self, parent: str) -> None:
        self._jobs.check(parent, self._job)

    def start(self, parent: str, variables: dict[str, str], on_end: OnEnd) -> str:
        _add_variables(self._job.job_spec, variables)
        return self._jobs.create(parent, self._job, lambda ended: on_end(Ended(ended, self.output, {}))).name


class _Search:
    """`hyperparameter_tuning_task`: a tuning job; the model is that of its best trial."""

    backing = "backingHyperparameterTuningJob"

    def __init__(self, searches: HyperparameterTuningJobs, job: types.HyperparameterTuningJob) -> None:
        self._searches = searches
        self._job = job
        self.output = job.trial_job_spec.base_output_directory.output_uri_prefix

    def check(self, parent: str) -> None:
        self._searches.check(parent, self._job)

    def start(self, parent: str, variables: dict[str, str], on_end: OnEnd) -> str:
        _add_variables(self._job.trial_job_spec, variables)
        return self._searches.create(parent, self._job, lambda ended: on_end(self._ended(ended))).name

    def _ended(self, job: types.HyperparameterTuningJob) -> Ended:
        best = _best(job)
        if best is None:
            return Ended(job, self.output, {})
        metadata = {"bestTrialBackingCustomJob": best.custom_job} if best.custom_job else {}
        return Ended(job, f"{self.output.rstrip('/')}/{best.id}", metadata)


def _best(job: types.HyperparameterTuningJob) -> types.Trial | None:
    """By the first metric."""
    done = [trial for trial in job.trials if trial.state == types.Trial.State.SUCCEEDED]
    metric = job.study_spec.metrics[0]
    pick = max if metric.goal == types.StudySpec.MetricSpec.GoalType.MAXIMIZE else min
    return pick(done, key=lambda trial: measurements.value(trial.final_measurement, metric.metric_id), default=None)


def _kind(uri: str) -> str:
    found = _DEFINITION.fullmatch(uri)
    if found is None:
        raise validate.invalid(
            "training_pipeline.training_task_definition", f"{uri!r} is no training task: {FOLDER} holds them."
        )
    if found[1] not in (_CUSTOM, _TUNING):
        raise exceptions.MethodNotImplemented(
            f"PipelineService.CreateTrainingPipeline: the task {uri.removeprefix(FOLDER)} is not built in this "
            f"emulator ({_CUSTOM}_1.0.0.yaml and {_TUNING}_1.0.0.yaml are)."
        )
    return found[1]


def _parsed(pipeline: types.TrainingPipeline, into: Any) -> Any:
    inputs = json_format.MessageToDict(types.TrainingPipeline.pb(pipeline).training_task_inputs)
    try:
        json_format.ParseDict(_as_texts(inputs), type(into).pb(into))
    except (json_format.ParseError, AttributeError) as error:
        raise validate.invalid(INPUTS, f"not the inputs of this task: {error}") from error
    if isinstance(into, types.HyperparameterTuningJob):
        return _labelled(pipeline, into, "tuning-job")
    return into


def _labelled(pipeline: types.TrainingPipeline, job: Any, suffix: str) -> Any:
    job.display_name = f"{pipeline.display_name[:117]}-{suffix}"
    job.labels = pipeline.labels
    job.encryption_spec = pipeline.encryption_spec
    return job


def _add_variables(spec: types.CustomJobSpec, variables: dict[str, str]) -> None:
    added = [types.EnvVar(name=name, value=value) for name, value in variables.items()]
    for pool in spec.worker_pool_specs:
        for task in ("container_spec", "python_package_spec"):
            if task in pool:
                getattr(pool, task).env.extend(added)


def _as_texts(inputs: Any, name: str = "") -> Any:
    """Numbers among arguments and variables as the texts that a command line holds."""
    if isinstance(inputs, dict):
        return {key: _as_texts(value, key) for key, value in inputs.items() if value is not None}
    if isinstance(inputs, list):
        return [_as_texts(value, name) for value in inputs]
    if name in _TEXTS and isinstance(inputs, float):
        return str(int(inputs)) if inputs.is_integer() else repr(inputs)
    return inputs

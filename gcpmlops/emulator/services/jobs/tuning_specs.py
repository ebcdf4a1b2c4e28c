"""HyperparameterTuningJob: what Vertex AI refuses, and what each of its trials runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.search.space import Discrete, Integer, Parameter, Point, Value, nodes
from gcpmlops.emulator.runtimes.training_spec import Pool, TrainingSpec
from gcpmlops.emulator.services.jobs import running, specs
from gcpmlops.emulator.services.vizier import specs as study_specs

_JOB = "hyperparameter_tuning_job"


def check(job: types.HyperparameterTuningJob) -> None:
    """Raises InvalidArgument naming the field."""
    request = types.CreateHyperparameterTuningJobRequest(hyperparameter_tuning_job=job)
    validate.require(request, f"{_JOB}.display_name")
    if len(job.display_name) > 128:
        raise validate.invalid(f"{_JOB}.display_name", f"{len(job.display_name)} characters, 128 are allowed.")
    validate.labels(job.labels, f"{_JOB}.labels")
    study_specs.check(job.study_spec, f"{_JOB}.study_spec")
    for field in ("max_trial_count", "parallel_trial_count"):
        if getattr(job, field) < 1:
            raise validate.invalid(f"{_JOB}.{field}", f"{getattr(job, field)} is not positive.")
    if job.parallel_trial_count > job.max_trial_count:
        what = f"{job.parallel_trial_count} is above max_trial_count {job.max_trial_count}."
        raise validate.invalid(f"{_JOB}.parallel_trial_count", what)
    if job.max_failed_trial_count < 0:
        raise validate.invalid(f"{_JOB}.max_failed_trial_count", f"{job.max_failed_trial_count} is negative.")
    specs.check_spec(job.trial_job_spec, f"{_JOB}.trial_job_spec")


def training_spec(
    job: types.HyperparameterTuningJob,
    project_number: int,
    trial_id: str,
    arguments: Sequence[str] = (),
    metric_file: Path | None = None,
) -> TrainingSpec:
    """One trial: the job's spec with arguments, an output folder and a metric file of the trial's own."""
    base = running.training_spec(job.name, job.trial_job_spec, project_number)
    pools = [pool and dataclasses.replace(pool, args=[*pool.args, *arguments]) for pool in base.pools]
    if metric_file is not None and pools[0] is not None:
        pools[0] = _reporting(pools[0], metric_file)
    return dataclasses.replace(
        base,
        job_id=f"{base.job_id}-{trial_id}",
        trial_id=trial_id,
        pools=pools,
        output_uri=base.output_uri and f"{base.output_uri.rstrip('/')}/{trial_id}",
        variables={**base.variables, "CLOUD_ML_JOB_ID": base.job_id, "CLOUD_ML_TRIAL_ID": trial_id},
    )


def custom_job(job: types.HyperparameterTuningJob, trial_id: str) -> types.CustomJob:
    """A trial as the custom job that it would be, for those who know only such."""
    parent, _, job_id = job.name.rpartition("/hyperparameterTuningJobs/")
    made = types.CustomJob(
        name=f"{parent}/customJobs/{job_id}-{trial_id}",
        display_name=f"{job.display_name} trial {trial_id}",
        job_spec=job.trial_job_spec,
    )
    prefix = made.job_spec.base_output_directory.output_uri_prefix
    if prefix:
        made.job_spec.base_output_directory.output_uri_prefix = f"{prefix.rstrip('/')}/{trial_id}"
    return made


def arguments(space: Sequence[Parameter], point: Point) -> list[str]:
    """`--NAME=VALUE` for each parameter, as Vertex AI passes them."""
    return [f"--{parameter.id}={_text(parameter, value)}" for parameter, value in nodes(space, point).values()]


def _text(parameter: Parameter, value: Value) -> str:
    """Whole values of INTEGER and DISCRETE parameters have no decimal point, so that `type=int` takes them."""
    if isinstance(value, str):
        return value
    if isinstance(parameter, Integer | Discrete) and float(value).is_integer():
        return str(int(value))
    return repr(float(value))


def _reporting(pool: Pool, metric_file: Path) -> Pool:
    """The primary replica alone reports."""
    return dataclasses.replace(pool, env={**pool.env, "CLOUD_ML_HP_METRIC_FILE": str(metric_file)})

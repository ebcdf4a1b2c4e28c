"""CustomJobSpec: what the training runtime is told, and what has no meaning on one machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.access import custom_code_agent
from gcpmlops.emulator.runtimes import gpus
from gcpmlops.emulator.runtimes.training_spec import Pool, TrainingSpec
from gcpmlops.emulator.services.jobs.specs import filled

_DEFAULT_TIMEOUT_S = 7 * 24 * 3600.0
_IGNORED = (
    "network",
    "reserved_ip_ranges",
    "psc_interface_config",
    "persistent_resource_id",
    "enable_web_access",
    "enable_dashboard_access",
    "protected_artifact_location_id",
)
_ABOUT_MACHINES = ("machine_spec", "disk_spec", "nfs_mounts", "lustre_mounts")


def training_spec(name: str, spec: types.CustomJobSpec, project_number: int) -> TrainingSpec:
    """What the training runtime runs for the job of that name."""
    scheduling = spec.scheduling
    return TrainingSpec(
        job_id=name.rpartition("/")[2],
        project_number=str(project_number),
        location=names.location_of(name),
        pools=[_pool(pool) if filled(pool) else None for pool in spec.worker_pool_specs],
        output_uri=spec.base_output_directory.output_uri_prefix,
        timeout_s=_seconds(scheduling.timeout) or _DEFAULT_TIMEOUT_S,
        restart_on_failure=scheduling.restart_job_on_worker_restart and not scheduling.disable_retries,
        retry=not scheduling.disable_retries,
        job_json=json.dumps(json_format.MessageToDict(types.CustomJobSpec.pb(spec))),
        variables=_attached(spec),
        account=spec.service_account or custom_code_agent(project_number),
    )


def max_wait_s(spec: types.CustomJobSpec) -> float | None:
    """How long the job may wait in the queue: Vertex AI limits that for FLEX_START alone."""
    flexible = spec.scheduling.strategy == types.Scheduling.Strategy.FLEX_START
    return _seconds(spec.scheduling.max_wait_duration) or None if flexible else None


def ignored(spec: types.CustomJobSpec) -> list[str]:
    """Fields that are set and have no meaning on this machine."""
    found = [field for field in _IGNORED if getattr(spec, field)]
    machine = [name for pool in spec.worker_pool_specs for name in _ABOUT_MACHINES if getattr(pool, name)]
    return sorted({*found, *machine})


def notes(spec: types.CustomJobSpec) -> Iterator[str]:
    """What the job's own log says about what it asks for and does not get."""
    fields = [field for field in _IGNORED if getattr(spec, field)]
    if fields:
        yield f"Kept, but without meaning on this machine: {', '.join(fields)}."
    asked = {
        (pool.machine_spec.accelerator_type.name, pool.machine_spec.accelerator_count)
        for pool in spec.worker_pool_specs
        if pool.machine_spec.accelerator_count > gpus.count()
    }
    here = f"this machine has {gpus.count() or 'no'} GPU{'s' if gpus.count() > 1 else ''}"
    for kind, count in sorted(asked):
        yield f"Accelerators ignored: {count} x {kind} asked for, {here}."


def _attached(spec: types.CustomJobSpec) -> dict[str, str]:
    """Variables by which the SDK in the job finds its experiment, run and TensorBoard."""
    found = {
        "AIP_EXPERIMENT_NAME": spec.experiment,
        "AIP_EXPERIMENT_RUN_NAME": spec.experiment_run,
        "AIP_TENSORBOARD_RESOURCE_NAME": spec.tensorboard,
    }
    return {name: value for name, value in found.items() if value}


def _seconds(duration: Any) -> float | None:
    return duration.total_seconds() if duration else None


def _pool(pool: types.WorkerPoolSpec) -> Pool:
    count = max(1, pool.replica_count)
    if "container_spec" in pool:
        task = pool.container_spec
        env = {variable.name: variable.value for variable in task.env}
        return Pool(task.image_uri, count, list(task.command), list(task.args), env)
    package = pool.python_package_spec
    env = {variable.name: variable.value for variable in package.env}
    return Pool(
        package.executor_image_uri,
        count,
        args=list(package.args),
        env=env,
        packages=list(package.package_uris),
        module=package.python_module,
    )

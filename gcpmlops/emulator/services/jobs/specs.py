"""CustomJobSpec: what Vertex AI refuses, what has no meaning on one machine, and what the training runtime is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.runtimes.training_spec import Pool, TrainingSpec

_MAX_POOLS = 4
_MAX_PACKAGES = 100
_MAX_VARIABLES = 100
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPEC = "custom_job.job_spec"
_IGNORED = (
    "network",
    "reserved_ip_ranges",
    "service_account",
    "psc_interface_config",
    "persistent_resource_id",
    "enable_web_access",
    "enable_dashboard_access",
    "tensorboard",
    "protected_artifact_location_id",
)


def check(job: types.CustomJob) -> None:
    """Raises InvalidArgument naming the field, as the cloud does before a job is made."""
    validate.require(types.CreateCustomJobRequest(custom_job=job), "custom_job.display_name")
    if len(job.display_name) > 128:
        raise validate.invalid("custom_job.display_name", f"{len(job.display_name)} characters, 128 are allowed.")
    validate.labels(job.labels, "custom_job.labels")
    pools = list(job.job_spec.worker_pool_specs)
    if not pools or not _filled(pools[0]):
        raise validate.invalid(f"{_SPEC}.worker_pool_specs", "the first worker pool is required, but missing.")
    if len(pools) > _MAX_POOLS:
        raise validate.invalid(f"{_SPEC}.worker_pool_specs", f"{len(pools)} worker pools, {_MAX_POOLS} are allowed.")
    for index, pool in enumerate(pools):
        if _filled(pool):
            _check_pool(pool, index, f"{_SPEC}.worker_pool_specs[{index}]")
    output = job.job_spec.base_output_directory.output_uri_prefix
    if output and not re.match(r"gs://[^/]+", output):
        raise validate.invalid(f"{_SPEC}.base_output_directory.output_uri_prefix", f"{output!r} is not a gs:// URI.")


def _filled(pool: types.WorkerPoolSpec) -> bool:
    """Whether it is more than the placeholder of a pool that is not used."""
    return bool(types.WorkerPoolSpec.pb(pool).ListFields())


def _check_pool(pool: types.WorkerPoolSpec, index: int, path: str) -> None:
    if index == 0 and pool.replica_count > 1:
        raise validate.invalid(f"{path}.replica_count", "the first worker pool has exactly one replica, the primary.")
    if pool.replica_count < 0:
        raise validate.invalid(f"{path}.replica_count", f"{pool.replica_count} is negative.")
    if not pool.machine_spec.machine_type:
        raise validate.invalid(f"{path}.machine_spec.machine_type", "required, but missing.")
    if "container_spec" in pool:
        _required(pool.container_spec, f"{path}.container_spec", "image_uri")
        _check_variables(pool.container_spec.env, f"{path}.container_spec.env")
    elif "python_package_spec" in pool:
        task = pool.python_package_spec
        _required(task, f"{path}.python_package_spec", "executor_image_uri", "package_uris", "python_module")
        if len(task.package_uris) > _MAX_PACKAGES:
            raise validate.invalid(f"{path}.python_package_spec.package_uris", f"more than {_MAX_PACKAGES}.")
        for uri in task.package_uris:
            if not re.fullmatch(r"gs://[^/]+/.+", uri):
                raise validate.invalid(
                    f"{path}.python_package_spec.package_uris", f"{uri!r} is not gs://BUCKET/OBJECT."
                )
        _check_variables(task.env, f"{path}.python_package_spec.env")
    else:
        raise validate.invalid(path, "container_spec or python_package_spec is required.")


def _required(message: Any, path: str, *fields: str) -> None:
    for field in fields:
        if not getattr(message, field):
            raise validate.invalid(f"{path}.{field}", "required, but missing.")


def _check_variables(env: Sequence[types.EnvVar], path: str) -> None:
    if len(env) > _MAX_VARIABLES:
        raise validate.invalid(path, f"{len(env)} variables, {_MAX_VARIABLES} are allowed.")
    for variable in env:
        if not _VARIABLE.fullmatch(variable.name):
            raise validate.invalid(path, f"{variable.name!r} is not a valid C identifier.")


def ignored(spec: types.CustomJobSpec) -> list[str]:
    """Fields that are set and have no meaning on this machine."""
    found = [field for field in _IGNORED if getattr(spec, field)]
    machine = [
        name
        for pool in spec.worker_pool_specs
        for name in ("machine_spec", "disk_spec", "nfs_mounts", "lustre_mounts")
        if getattr(pool, name)
    ]
    return sorted({*found, *machine})


def training_spec(name: str, spec: types.CustomJobSpec, project_number: int) -> TrainingSpec:
    """What the training runtime runs for the job of that name."""
    timeout = spec.scheduling.timeout
    return TrainingSpec(
        job_id=name.rpartition("/")[2],
        project_number=str(project_number),
        location=names.location_of(name),
        pools=[_pool(pool) if _filled(pool) else None for pool in spec.worker_pool_specs],
        output_uri=spec.base_output_directory.output_uri_prefix,
        timeout_s=(timeout.total_seconds() or None) if timeout else None,
        job_json=json_format.MessageToJson(types.CustomJobSpec.pb(spec), indent=None),
    )


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

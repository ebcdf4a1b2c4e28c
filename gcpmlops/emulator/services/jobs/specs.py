"""CustomJobSpec: what Vertex AI refuses before a job is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate

_MAX_POOLS = 4
_MAX_PACKAGES = 100
_MAX_VARIABLES = 100
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/"
_NAMES = {
    "network": r"projects/(?P<project>[^/]+)/global/networks/(?P<network>[^/]+)",
    "tensorboard": _PLACE + r"tensorboards/(?P<tensorboard>[^/]+)",
    "experiment": _PLACE + r"metadataStores/(?P<store>[^/]+)/contexts/(?P<experiment>[^/]+)",
    "experiment_run": _PLACE + r"metadataStores/(?P<store>[^/]+)/contexts/(?P<run>[^/]+)",
}


def check(job: types.CustomJob) -> None:
    """Raises InvalidArgument naming the field, as the cloud does before a job is made."""
    validate.require(types.CreateCustomJobRequest(custom_job=job), "custom_job.display_name")
    if len(job.display_name) > 128:
        raise validate.invalid("custom_job.display_name", f"{len(job.display_name)} characters, 128 are allowed.")
    validate.labels(job.labels, "custom_job.labels")
    check_spec(job.job_spec, "custom_job.job_spec")


def check_spec(spec: types.CustomJobSpec, path: str) -> None:
    """The same for the specification alone, whatever message it stands in at `path`."""
    pools = list(spec.worker_pool_specs)
    if not pools or not filled(pools[0]):
        raise validate.invalid(f"{path}.worker_pool_specs", "the first worker pool is required, but missing.")
    if len(pools) > _MAX_POOLS:
        raise validate.invalid(f"{path}.worker_pool_specs", f"{len(pools)} worker pools, {_MAX_POOLS} are allowed.")
    for index, pool in enumerate(pools):
        if filled(pool):
            _check_pool(pool, index, f"{path}.worker_pool_specs[{index}]")
    output = spec.base_output_directory.output_uri_prefix
    if output and not re.match(r"gs://[^/]+", output):
        raise validate.invalid(f"{path}.base_output_directory.output_uri_prefix", f"{output!r} is not a gs:// URI.")
    _check_scheduling(spec.scheduling, f"{path}.scheduling")
    _check_attachments(spec, path)


def _check_scheduling(scheduling: types.Scheduling, path: str) -> None:
    for field in ("timeout", "max_wait_duration"):
        duration = getattr(scheduling, field)
        if duration is not None and duration.total_seconds() < 0:
            raise validate.invalid(f"{path}.{field}", f"{duration.total_seconds():g} seconds is negative.")
    strategies: Any = types.Scheduling.Strategy
    strategy = types.Scheduling.pb(scheduling).strategy
    if strategy not in {int(known) for known in strategies}:
        raise validate.invalid(f"{path}.strategy", f"{strategy} is not a scheduling strategy.")


def _check_attachments(spec: types.CustomJobSpec, path: str) -> None:
    for field, pattern in _NAMES.items():
        name = getattr(spec, field)
        if name and not re.fullmatch(pattern, name):
            raise validate.invalid(f"{path}.{field}", f"{name!r} is not of the form {_shown(pattern)}.")
    if spec.experiment_run and not spec.experiment:
        raise validate.invalid(f"{path}.experiment", "required where experiment_run is given, but missing.")
    if spec.tensorboard and not spec.base_output_directory.output_uri_prefix:
        field = f"{path}.base_output_directory.output_uri_prefix"
        raise validate.invalid(field, "required where tensorboard is given, but missing.")


def _shown(pattern: str) -> str:
    return re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern)


def filled(pool: types.WorkerPoolSpec) -> bool:
    """Whether it is more than the placeholder of a pool that is not used."""
    return bool(types.WorkerPoolSpec.pb(pool).ListFields())


def _check_pool(pool: types.WorkerPoolSpec, index: int, path: str) -> None:
    if index == 0 and pool.replica_count > 1:
        raise validate.invalid(f"{path}.replica_count", "the first worker pool has exactly one replica, the primary.")
    if pool.replica_count < 0:
        raise validate.invalid(f"{path}.replica_count", f"{pool.replica_count} is negative.")
    _check_machine(pool.machine_spec, f"{path}.machine_spec")
    if "container_spec" in pool:
        _check_container(pool.container_spec, f"{path}.container_spec")
    elif "python_package_spec" in pool:
        _check_package(pool.python_package_spec, f"{path}.python_package_spec")
    else:
        raise validate.invalid(path, "container_spec or python_package_spec is required.")


def _check_container(task: types.ContainerSpec, path: str) -> None:
    _required(task, path, "image_uri")
    _check_words(task.command, f"{path}.command")
    _check_words(task.args, f"{path}.args")
    _check_variables(task.env, f"{path}.env")


def _check_package(task: types.PythonPackageSpec, path: str) -> None:
    _required(task, path, "executor_image_uri", "package_uris", "python_module")
    if len(task.package_uris) > _MAX_PACKAGES:
        raise validate.invalid(f"{path}.package_uris", f"more than {_MAX_PACKAGES}.")
    for uri in task.package_uris:
        if not re.fullmatch(r"gs://[^/]+/.+", uri):
            raise validate.invalid(f"{path}.package_uris", f"{uri!r} is not gs://BUCKET/OBJECT.")
    _check_words(task.args, f"{path}.args")
    _check_variables(task.env, f"{path}.env")


def _check_words(words: Sequence[str], path: str) -> None:
    for index, word in enumerate(words):
        if "\0" in word:
            raise validate.invalid(f"{path}[{index}]", "a NUL character can't be passed to a program.")


def _check_machine(machine: types.MachineSpec, path: str) -> None:
    if not machine.machine_type:
        raise validate.invalid(f"{path}.machine_type", "required, but missing.")
    if machine.accelerator_count < 0:
        raise validate.invalid(f"{path}.accelerator_count", f"{machine.accelerator_count} is negative.")
    if bool(machine.accelerator_count) != bool(machine.accelerator_type):
        missing = "accelerator_type" if machine.accelerator_count else "accelerator_count"
        raise validate.invalid(f"{path}.{missing}", "required beside the other one, but missing.")


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
    _check_words([variable.value for variable in env], path)

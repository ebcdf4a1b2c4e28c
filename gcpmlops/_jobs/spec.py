"""From plain values to Google's CustomJob message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gcpmlops import _google
from gcpmlops._jobs import machines
from gcpmlops._jobs.settings import DEFAULT_MACHINE, Args, JobRequest
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import check_labels, one_of

_MAX_POOLS = 4
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORT = re.compile(r"(?:sklearn|xgboost|tf|pytorch)-(?:cpu|gpu|xla)\.[\w.-]+(?::[\w.-]+)?")
_STRATEGIES = ("STANDARD", "SPOT", "FLEX_START")


@dataclass(frozen=True)
class Hardware:
    """What each worker runs on."""

    machine_type: str = DEFAULT_MACHINE
    accelerator_type: str | None = None
    accelerator_count: int = 0


@dataclass(frozen=True)
class Program:
    """What runs: `module` of the archives in `package_uris`, or `command` and `args` in the image."""

    image: str
    package_uris: Sequence[str] = ()
    module: str = ""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pool:
    """Replicas of one program on one kind of machine."""

    program: Program
    hardware: Hardware
    count: int = 1
    boot_disk_gb: int | None = None


def custom_job(
    display_name: str, pools: Sequence[Pool | None], request: JobRequest, *, parent: str, base_output_dir: str
) -> _google.custom_job.CustomJob:
    """The message that CreateCustomJob takes. Raises InvalidArgument."""
    types = _google.custom_job
    spec = types.CustomJobSpec(
        worker_pool_specs=[_worker_pool(pool) for pool in _laid_out(pools)],
        base_output_directory=_google.io.GcsDestination(output_uri_prefix=base_output_dir),
        scheduling=_scheduling(request),
        service_account=request.service_account or "",
        network=request.network or "",
        tensorboard=_under(request.tensorboard, f"{parent}/tensorboards"),
        experiment=_under(request.experiment, f"{parent}/metadataStores/default/contexts"),
        experiment_run=_run_context(request, f"{parent}/metadataStores/default/contexts"),
    )
    return types.CustomJob(display_name=display_name, job_spec=spec, labels=check_labels(request.labels))


def _laid_out(pools: Sequence[Pool | None]) -> list[Pool | None]:
    """As Vertex AI wants them: the chief alone in the first pool, its likes in the second."""
    if not pools or pools[0] is None:
        raise InvalidArgument("the first worker pool is the chief's", field="worker_pools", allowed="not None")
    for pool in pools:
        if pool is not None and pool.count < 1:
            raise InvalidArgument(field="replica_count", value=pool.count, allowed="1 or more")
    first = pools[0]
    laid: list[Pool | None] = list(pools)
    if len(pools) == 1 and first.count > 1:
        laid = [Pool(first.program, first.hardware, 1, first.boot_disk_gb)]
        laid.append(Pool(first.program, first.hardware, first.count - 1, first.boot_disk_gb))
    if len(laid) > _MAX_POOLS or (laid[0] is not None and laid[0].count > 1):
        raise InvalidArgument(
            f"{len(laid)} worker pools, {first.count} replicas in the first",
            field="worker_pools",
            allowed=f"{_MAX_POOLS} at most, the first with one replica",
        )
    return laid


def _scheduling(request: JobRequest) -> Any:
    for name in ("timeout", "max_wait"):
        seconds = getattr(request, name)
        if seconds is not None and seconds <= 0:
            raise InvalidArgument(field=name, value=seconds, allowed="a number of seconds above 0")
    types = _google.custom_job
    strategy = one_of(request.strategy, _STRATEGIES, field="strategy") if request.strategy else None
    return types.Scheduling(
        timeout=timedelta(seconds=request.timeout) if request.timeout else None,
        restart_job_on_worker_restart=request.restart_on_failure,
        disable_retries=request.disable_retries,
        strategy=getattr(types.Scheduling.Strategy, strategy) if strategy else None,
        max_wait_duration=timedelta(seconds=request.max_wait) if request.max_wait else None,
    )


def _under(name: str | None, collection: str) -> str:
    """The full resource name of an id; empty without one."""
    return "" if not name else name if name.startswith("projects/") else f"{collection}/{name}"


def _run_context(request: JobRequest, contexts: str) -> str:
    """An experiment's run is a context named EXPERIMENT-RUN."""
    run = request.experiment_run
    if not run or run.startswith("projects/"):
        return run or ""
    if not request.experiment:
        raise InvalidArgument(field="experiment_run", value=run, allowed="together with experiment=")
    return f"{contexts}/{request.experiment.rpartition('/')[2]}-{run}"


def _worker_pool(pool: Pool | None) -> Any:
    types = _google.custom_job
    if pool is None:
        return types.WorkerPoolSpec()
    program = pool.program
    spec = types.WorkerPoolSpec(machine_spec=machine_spec(pool.hardware), replica_count=pool.count)
    if pool.boot_disk_gb:
        spec.disk_spec = _google.machine_resources.DiskSpec(boot_disk_size_gb=pool.boot_disk_gb)
    env = [_google.env_var.EnvVar(name=_variable(name), value=str(value)) for name, value in program.env.items()]
    if program.package_uris and not program.command:
        spec.python_package_spec = types.PythonPackageSpec(
            executor_image_uri=program.image,
            package_uris=list(program.package_uris),
            python_module=program.module,
            args=list(program.args),
            env=env,
        )
    else:
        spec.container_spec = types.ContainerSpec(
            image_uri=program.image, command=list(program.command), args=list(program.args), env=env
        )
    return spec


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise InvalidArgument(field="env", value=name, allowed="letters, digits and '_', not starting with a digit")
    return name


def machine_spec(hardware: Hardware) -> Any:
    """Google's MachineSpec; an accelerator that is built in is named. Raises InvalidArgument for an unknown one."""
    spec = _google.machine_resources.MachineSpec(machine_type=hardware.machine_type)
    kind, count = hardware.accelerator_type, hardware.accelerator_count
    if not kind and (own := machines.built_in(hardware.machine_type)):
        kind, count = own
    if kind:
        members = _google.accelerator_type.AcceleratorType.__members__
        spec.accelerator_type = members[one_of(kind.replace("-", "_"), list(members)[1:], field="accelerator_type")]
        spec.accelerator_count = machines.count_for(hardware.machine_type, count)
    return spec


def full_image(image: str) -> str:
    """The URI of a prebuilt training image given by its short name, `sklearn-cpu.1-6`; others stay as they are."""
    if not _SHORT.fullmatch(image):
        return image
    return f"us-docker.pkg.dev/vertex-ai/training/{image}" + ("" if ":" in image else ":latest")


def arguments(args: Args | None) -> list[str]:
    """{"rows": 5, "fast": True, "tags": ["a", "b"]} is --rows=5 --fast --tags=a --tags=b; a sequence stays as it is.

    None and False are left out.
    """
    if args is None:
        return []
    if isinstance(args, str):
        raise InvalidArgument(field="args", value=args, allowed="a dict, or a sequence of words")
    if not isinstance(args, Mapping):
        return [str(arg) for arg in args]
    found: list[str] = []
    for key, value in args.items():
        flag = f"--{key}"
        if value is None or value is False:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        found += [flag if each is True else f"{flag}={_text(each)}" for each in values]
    return found


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value)

"""From plain values to Google's CustomJob message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcpmlops import _google
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Labels, check_labels, one_of


@dataclass(frozen=True)
class Hardware:
    """What each worker runs on."""

    machine_type: str = "n1-standard-4"
    accelerator_type: str | None = None
    accelerator_count: int = 0
    replica_count: int = 1


@dataclass(frozen=True)
class Program:
    """What runs: `module` of the archives in `package_uris`, or `command` and `args` in the image."""

    image: str
    package_uris: Sequence[str] = ()
    module: str = ""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def custom_job(
    display_name: str,
    program: Program,
    hardware: Hardware,
    *,
    labels: Labels | None,
    service_account: str | None,
    base_output_dir: str,
    timeout: float | None,
    restart_on_failure: bool,
) -> _google.custom_job.CustomJob:
    """The message that CreateCustomJob takes. Raises InvalidArgument."""
    types = _google.custom_job
    spec = types.CustomJobSpec(
        worker_pool_specs=_worker_pools(program, hardware),
        base_output_directory=_google.io.GcsDestination(output_uri_prefix=base_output_dir),
        service_account=service_account or "",
    )
    spec.scheduling = types.Scheduling(
        timeout=_duration(timeout) if timeout else None, restart_job_on_worker_restart=restart_on_failure
    )
    return types.CustomJob(display_name=display_name, job_spec=spec, labels=check_labels(labels))


def _worker_pools(program: Program, hardware: Hardware) -> list[Any]:
    """One pool; with several replicas a chief alone in the first and the workers in the second, as Vertex AI wants."""
    pools = [_worker_pool(program, hardware, count=1)]
    if hardware.replica_count < 1:
        raise InvalidArgument(field="replica_count", value=hardware.replica_count, allowed="1 or more")
    if hardware.replica_count > 1:
        pools.append(_worker_pool(program, hardware, count=hardware.replica_count - 1))
    return pools


def _worker_pool(program: Program, hardware: Hardware, *, count: int) -> Any:
    types = _google.custom_job
    pool = types.WorkerPoolSpec(machine_spec=machine_spec(hardware), replica_count=count)
    env = [_google.env_var.EnvVar(name=name, value=value) for name, value in program.env.items()]
    if program.package_uris:
        pool.python_package_spec = types.PythonPackageSpec(
            executor_image_uri=program.image,
            package_uris=list(program.package_uris),
            python_module=program.module,
            args=list(program.args),
            env=env,
        )
    else:
        pool.container_spec = types.ContainerSpec(
            image_uri=program.image, command=list(program.command), args=list(program.args), env=env
        )
    return pool


def machine_spec(hardware: Hardware) -> Any:
    """Google's MachineSpec. Raises InvalidArgument for an unknown accelerator."""
    spec = _google.machine_resources.MachineSpec(machine_type=hardware.machine_type)
    if hardware.accelerator_type:
        known = list(_google.accelerator_type.AcceleratorType.__members__)[1:]
        kind = one_of(hardware.accelerator_type, known, field="accelerator_type")
        spec.accelerator_type = _google.accelerator_type.AcceleratorType.__members__[kind]
        spec.accelerator_count = hardware.accelerator_count or 1
    return spec


_SHORT = re.compile(r"(?:sklearn|xgboost|tf|pytorch)-(?:cpu|gpu|xla)\.[\w.-]+(?::[\w.-]+)?")


def full_image(image: str) -> str:
    """The URI of a prebuilt training image given by its short name, `sklearn-cpu.1-6`; others stay as they are."""
    if not _SHORT.fullmatch(image):
        return image
    return f"us-docker.pkg.dev/vertex-ai/training/{image}" + ("" if ":" in image else ":latest")


def arguments(args: Mapping[str, Any] | Sequence[Any] | None) -> list[str]:
    """{"rows": 5, "fast": True, "tags": ["a", "b"]} is --rows=5 --fast --tags=a --tags=b; a sequence stays as it is."""
    if args is None:
        return []
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


def _duration(seconds: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=seconds)

"""From a request to the job's message and the packages that it needs: made locally, uploaded in a step of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _staging
from gcpmlops._jobs import machines, packaging, spec
from gcpmlops._jobs import requirements as pip_requirements
from gcpmlops._jobs.settings import TRAINING_IMAGE, JobRequest, WorkerPool
from gcpmlops._jobs.spec import Hardware, Pool, Program
from gcpmlops.exceptions import InvalidArgument, NotFound
from gcpmlops.types import GsUri, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops import _google
    from gcpmlops.clients import Clients
    from gcpmlops.storage import Storage


@dataclass(frozen=True)
class Plan:
    """What will be sent: the job, and the packages by the gs:// URI that they will have."""

    job: _google.custom_job.CustomJob
    packages: Mapping[str, packaging.SourcePackage]
    pools: tuple[Pool | None, ...]
    requirements: tuple[str, ...]
    staging: GsUri


def plan(clients: Clients, request: JobRequest) -> Plan:
    """Pack and describe; nothing is contacted. Raises InvalidArgument."""
    name = request.display_name or _display_name(request)
    staging = _staging.new_folder(clients, "training", name, bucket=request.staging_bucket)
    requirements = pip_requirements.given(request.requirements, request.source)
    packages = _packages(request, requirements)
    uris = {str(staging / package.filename): package for package in packages}
    own = [str(request.source)] if is_gs_uri(request.source) else []
    module = next((package.module for package in packages if package.module), request.module or "")
    pools = tuple(_pools(request, [*own, *uris], module))
    job = spec.custom_job(
        name,
        pools,
        request,
        parent=clients.parent,
        base_output_dir=str(GsUri.parse(request.base_output_dir, field="base_output_dir"))
        if request.base_output_dir
        else str(staging),
    )
    return Plan(job, uris, pools, tuple(requirements), staging)


def upload(clients: Clients, storage: Storage, planned: Plan) -> None:
    """Put the packages where the job looks for them. Raises NotFound for a missing staging bucket."""
    bucket = planned.staging.bucket
    if bucket == _staging.default_bucket(clients):
        _staging.ensure_default(clients, storage)
    for uri, package in planned.packages.items():
        try:
            storage.upload(package.content, destination=uri, content_type="application/gzip")
        except NotFound as exc:
            hint = f"Make it with `gcpmlops storage create-bucket {bucket}`."
            raise NotFound(
                f"staging bucket gs://{bucket} does not exist", resource=f"gs://{bucket}", next_step=hint
            ) from exc


def _packages(request: JobRequest, requirements: list[str]) -> list[packaging.SourcePackage]:
    """The source's package; for one that is made already, its further requirements in one of their own."""
    if request.source is None:
        return []
    if is_gs_uri(request.source):
        GsUri.object(str(request.source), field="source")
        if not request.module:
            raise InvalidArgument(
                f"{request.source}: which module is to run?", field="module", allowed="PACKAGE.MODULE"
            )
        return [packaging.only_requirements(requirements)] if requirements else []
    path = Path(request.source)
    if not packaging.is_archive(path):
        return [packaging.build(path, module=request.module, requirements=requirements)]
    package = packaging.build(path, module=request.module)
    return [package, packaging.only_requirements(requirements)] if requirements else [package]


def _pools(request: JobRequest, uris: list[str], module: str) -> list[Pool | None]:
    if request.worker_pools and request.replica_count != 1:
        raise InvalidArgument(
            field="replica_count", value=request.replica_count, allowed="1 with worker_pools=, which say it themselves"
        )
    given = request.worker_pools or [WorkerPool(replica_count=request.replica_count)]
    return [
        None
        if pool is None
        else _pool(request, pool, uris, module, f"worker_pools[{index}]." * bool(request.worker_pools))
        for index, pool in enumerate(given)
    ]


def _pool(request: JobRequest, pool: WorkerPool, uris: list[str], module: str, field: str) -> Pool:
    command = request.command if pool.command is None else pool.command
    hardware = Hardware(
        pool.machine_type or request.machine_type,
        pool.accelerator_type or (None if pool.machine_type else request.accelerator_type),
        _or(pool.accelerator_count, 0 if pool.machine_type else request.accelerator_count),
    )
    if request.check_machine:
        kind, count = hardware.accelerator_type, hardware.accelerator_count
        count = machines.count_for(hardware.machine_type, count) if kind else count
        hardware = Hardware(*machines.check(hardware.machine_type, kind, count, field=field))
    program = Program(
        spec.full_image(pool.image or request.image or TRAINING_IMAGE),
        [] if command else uris,
        pool.module or module,
        command=command,
        args=spec.arguments(request.args if pool.args is None else pool.args),
        env={**(request.env or {}), **(pool.env or {})},
    )
    return Pool(program, hardware, pool.replica_count, request.boot_disk_gb)


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _display_name(request: JobRequest) -> Any:
    if request.source is None:
        return (request.image or "").rpartition("/")[2].partition(":")[0] or "job"
    name = Path(str(request.source)).resolve().name
    return re.sub(r"\.(?:py|tar\.gz|tgz|zip|whl)$", "", name) or "job"

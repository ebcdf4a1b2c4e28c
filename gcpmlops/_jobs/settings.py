"""What `submit`, `run` and `preflight` are told: a typed dict for callers, the same as a frozen dataclass inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypedDict

from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Labels, Path_

Args: TypeAlias = Mapping[str, Any] | Sequence[Any]
Requirements: TypeAlias = "Sequence[str] | Path_"

DEFAULT_MACHINE = "n1-standard-4"
TRAINING_IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"


@dataclass(frozen=True)
class WorkerPool:
    """One worker pool of a distributed job; what is None is as the job has it.

    With a `command` the pool runs that in `image`; without one it runs the job's own program.
    """

    image: str | None = None
    module: str | None = None
    command: Sequence[str] | None = None
    args: Args | None = None
    env: Mapping[str, str] | None = None
    machine_type: str | None = None
    accelerator_type: str | None = None
    accelerator_count: int | None = None
    replica_count: int = 1


class JobSettings(TypedDict, total=False):
    """Keyword arguments of `Training.submit`, which describes them."""

    display_name: str | None
    image: str | None
    module: str | None
    command: Sequence[str]
    args: Args | None
    requirements: Requirements | None
    env: Mapping[str, str] | None
    machine_type: str
    accelerator_type: str | None
    accelerator_count: int
    boot_disk_gb: int | None
    replica_count: int
    worker_pools: Sequence[WorkerPool | None]
    labels: Labels | None
    service_account: str | None
    network: str | None
    staging_bucket: str | None
    base_output_dir: str | None
    timeout: float | None
    restart_on_failure: bool
    disable_retries: bool
    strategy: str | None
    max_wait: float | None
    tensorboard: str | None
    experiment: str | None
    experiment_run: str | None
    check_machine: bool
    preflight: bool
    dry_run: bool


@dataclass(frozen=True)
class JobRequest:
    """The settings with their defaults."""

    source: Path_ | None = None
    display_name: str | None = None
    image: str | None = None
    module: str | None = None
    command: Sequence[str] = ()
    args: Args | None = None
    requirements: Requirements | None = None
    env: Mapping[str, str] | None = None
    machine_type: str = DEFAULT_MACHINE
    accelerator_type: str | None = None
    accelerator_count: int = 0
    boot_disk_gb: int | None = None
    replica_count: int = 1
    worker_pools: Sequence[WorkerPool | None] = field(default=())
    labels: Labels | None = None
    service_account: str | None = None
    network: str | None = None
    staging_bucket: str | None = None
    base_output_dir: str | None = None
    timeout: float | None = None
    restart_on_failure: bool = False
    disable_retries: bool = False
    strategy: str | None = None
    max_wait: float | None = None
    tensorboard: str | None = None
    experiment: str | None = None
    experiment_run: str | None = None
    check_machine: bool = True
    preflight: bool = True
    dry_run: bool = False

    @classmethod
    def of(cls, source: Path_ | None, settings: Mapping[str, Any]) -> JobRequest:
        """Raises TypeError for a setting that there is not, InvalidArgument for nothing to run."""
        known = [each.name for each in fields(cls)]
        for name in settings:
            if name not in known:
                raise TypeError(f"there is no setting {name!r}; known: {', '.join(known)}")
        request = cls(source=source, **settings)
        if request.source is None and request.image is None:
            raise InvalidArgument("nothing to run", field="source", allowed="a script or folder, or image=")
        if request.source is None and (request.requirements or request.module):
            raise InvalidArgument("an image brings its own code", field="source", allowed="a script or folder")
        return request

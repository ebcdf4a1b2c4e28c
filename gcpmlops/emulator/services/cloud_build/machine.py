"""What builds run on, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gcpmlops.emulator.kernel.access import Access
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.runtimes.build_images import BuildImages
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.services.cloud_build.artifacts import Artifacts
from gcpmlops.emulator.services.cloud_build.images import Images
from gcpmlops.emulator.services.cloud_build.packages import Packages
from gcpmlops.emulator.services.cloud_build.sources import Sources
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.storage.engine import StorageEngine


@dataclass(frozen=True)
class Machine:
    """What builds run on.

    Attributes:
        processes, images, storage, sources, artifacts, packages: see there.
        pushed: pushes container images.
        directory: scratch space.
        variables: the environment of a process that acts as an account.
        secret: the payload of a secret version.
        write_log: appends to Cloud Logging.
        access: roles.
        clock: gives times.
    """

    processes: Processes
    images: BuildImages
    storage: StorageEngine
    sources: Sources
    artifacts: Artifacts
    packages: Packages
    pushed: Images
    directory: Path
    variables: Callable[[str], Mapping[str, str]]
    secret: Callable[[str], bytes]
    write_log: WriteLog
    access: Access
    clock: Clock

"""Container images that a build has made, pushed by the Docker daemon of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.process import Processes, ProcessSpec

_DIGEST = ["docker", "image", "inspect", "--format", "{{index .RepoDigests 0}}"]


class Images:
    """Pushes images."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def push(
        self, image: str, work: Path, *, env: Mapping[str, str], say: Callable[[str], None], cancellation: Cancellation
    ) -> types.BuiltImage:
        """The image as it is in its repository.

        Raises: FailedPrecondition with docker's own words; Cancelled.
        """
        say(f"Pushing {image}")
        for command in (["docker", "push", image], [*_DIGEST, image]):
            spec = ProcessSpec(command, {**os.environ, **env}, work)
            process = self._processes.start(spec, lambda _, text: say(text), lambda _: None)
            with cancellation.calls(process.cancel):
                end = process.wait()
            cancellation.check()
            if not end.ok:
                raise exceptions.FailedPrecondition(
                    f"docker push {image} ended with {end.describe()}: {' '.join(end.tail[-3:])}"
                )
        return types.BuiltImage(name=image, digest=end.tail[-1].rpartition("@")[2] if end.tail else "")

"""What a build that has run leaves behind: images, objects, packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.services.cloud_build.machine import Machine


class Pushing:
    """Of one build.

    Args:
        machine: what it runs on.
        build: as it is stored.
        work: its workspace.
        account: the email that it acts as.
        env: variables of a process that acts as that account.
        say: writes a line into its log.
    """

    def __init__(
        self,
        machine: Machine,
        build: types.Build,
        work: Path,
        *,
        account: str,
        env: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._machine = machine
        self._build = build
        self._work = work
        self._account = account
        self._env = env
        self._say = say
        self._images = list(dict.fromkeys([*build.images, *build.artifacts.images]))

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to push."""
        artifacts = self._build.artifacts
        return bool(self._images or artifacts.objects.location or artifacts.python_packages)

    def __call__(self, cancellation: Cancellation) -> types.Results:
        """Pushes all of it.

        Raises: what stands in the way, as Google API errors; Cancelled.
        """
        machine, build, work = self._machine, self._build, self._work
        results = types.Results()
        results.images = [
            machine.pushed.push(image, work, env=self._env, say=self._say, cancellation=cancellation)
            for image in self._images
        ]
        if build.artifacts.objects.location:
            begun = machine.clock.now()
            manifest, count = machine.artifacts.upload(build, work, account=self._account, say=self._say)
            results.artifact_manifest, results.num_artifacts = manifest, count
            results.artifact_timing = types.TimeSpan(start_time=begun, end_time=machine.clock.now())
        if build.artifacts.python_packages:
            results.python_packages = machine.packages.upload(
                build, work, account=self._account, say=self._say, now=machine.clock.now
            )
        return results

"""Post-startup scripts: `post-startup-script` in an instance's metadata, an object of Cloud Storage."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable

from google.api_core import exceptions
from google.cloud.notebooks_v2 import types

from gcpmlops.emulator.runtimes.notebook import Disk, NotebookRuntime, NotebookServer
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.runtimes.process import Exit
from gcpmlops.emulator.services.notebooks import checks

log = logging.getLogger(__name__)

BEHAVIOR = "post-startup-script-behavior"
_EVERY_START = ("run_every_start", "download_and_run_every_start")


class Scripts:
    """Runs them by bash beside JupyterLab, once or at each start, as `post-startup-script-behavior` says."""

    def __init__(self, runtime: NotebookRuntime, objects: ObjectStore) -> None:
        self._runtime = runtime
        self._objects = objects

    def run(
        self,
        instance: types.Instance,
        server: NotebookServer,
        disk: Disk,
        write: Callable[[types.Instance, str], None],
    ) -> None:
        """Starts the instance's script, if it has one that is due; what it prints and how it ends goes into the log."""
        metadata = instance.gce_setup.metadata
        uri, behavior = metadata.get(checks.SCRIPT, ""), metadata.get(BEHAVIOR, "")
        done, script = disk.path / "script.done", disk.path / "script.sh"
        if not uri or (done.exists() and behavior not in _EVERY_START):
            return
        if not uri.startswith("gs://"):
            write(instance, f"{uri} is not run: only scripts of Cloud Storage are.")
            return
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        try:
            if behavior != "run_every_start" or not script.exists():
                shutil.copyfile(self._objects.local_path(bucket, name), script)
        except (OSError, exceptions.GoogleAPICallError) as error:
            write(instance, f"The post-startup script {uri} can't be read: {error}")
            return

        def ended(result: Exit) -> None:
            done.touch()
            write(instance, f"The post-startup script {uri} ended with {result.describe()}.")

        self._runtime.run(server, script, lambda _, text: write(instance, text), ended)

"""The folders of one build, and the paths by which its steps know them: /workspace, /builder/home, volumes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.workspace import Workspace

WORKSPACE, HOME, OUTPUTS = "/workspace", "/builder/home", "/builder/outputs"
OUTPUT_FILE = "output"
_DROPPED = "CLOUD_ML_HP_METRIC_FILE"  # a training job's


class BuildWorkspace:
    """Below `path`, which must not exist yet; steps share everything but their outputs."""

    def __init__(self, path: Path) -> None:
        self._folders = Workspace(path)
        self.work = self._folders.work
        self.home = self._folders.home
        self.start = self.work  # where steps run unless they say otherwise

    def folder(self, name: str) -> Path:
        """A folder of the build that no step sees, made where it is missing."""
        path = self._folders.folder(name)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def outputs(self, index: int) -> Path:
        """What a step sees as /builder/outputs."""
        return self.folder(f"outputs/{index}")

    def view(self, index: int, volumes: Mapping[str, str]) -> View:
        """What a step sees: `volumes` are its volumes' names by their paths."""
        mounted = {path.rstrip("/"): self.folder(f"volumes/{name}") for path, name in volumes.items()}
        own = {WORKSPACE: self.work, HOME: self.home, OUTPUTS: self.outputs(index)}
        return View({**own, **mounted}, self.start)

    def variables(self) -> dict[str, str]:
        """Variables of every step."""
        own = {key: value for key, value in self._folders.variables().items() if key != _DROPPED}
        return {**own, "PYTHONUSERBASE": str(self.home / ".local")}

    def remove(self) -> None:
        """Removes everything."""
        roots = Path(f"{self.work}.root")
        if roots.exists():
            roots.rmdir()  # fails if a mount ever became visible here: what is behind it must not be removed
        self._folders.remove()


def sweep(directory: Path) -> None:
    """An empty directory for builds: what an emulator that was killed left there goes."""
    if directory.exists():
        for folder, _, _ in os.walk(directory):
            Path(folder).chmod(0o700)  # a step may have made it read-only
        shutil.rmtree(directory)
    directory.mkdir(parents=True)


class View:
    """Paths of a step and the folders that they stand for."""

    def __init__(self, folders: Mapping[str, Path], start: Path) -> None:
        self.folders = folders
        self._start = start
        longest_first = sorted(folders, key=len, reverse=True)
        paths = "|".join(re.escape(path) for path in longest_first)
        # not the tail of another path, nor the beginning of a longer name; `file://` may stand before it, and `-I`
        self._mention = re.compile(rf"(?<![\w./~}}-])(-[A-Za-z]|file://)?({paths})(?![\w.-]*[\w-])")

    def mounts(self) -> dict[str, Path]:
        """Those that can be there for a process as well: the others would hide what this machine has."""
        return {path: folder for path, folder in self.folders.items() if not Path("/", path.split("/")[1]).exists()}

    def rewrite(self, text: str) -> str:
        """`text` with every path of a folder as it is on this machine."""
        return self._mention.sub(lambda found: f"{found[1] or ''}{self.folders[found[2]]}", text)

    def directory(self, text: str) -> Path:
        """Where a step with `dir` runs; made where it is missing, as a container's working directory is.

        Raises: InvalidArgument for one outside of the build's folders, unless it is a folder of this machine (/tmp).
        """
        path = Path(self.rewrite(text)) if text.startswith("/") else self._start / text
        inside = path.resolve()
        if any(root.resolve() in (inside, *inside.parents) for root in self.folders.values()):
            path.mkdir(parents=True, exist_ok=True)
        elif not (text.startswith("/") and path.is_dir()):
            raise exceptions.InvalidArgument(
                f"dir {text!r} is outside of {', '.join(sorted(self.folders))}, and no folder of this machine."
            )
        return path

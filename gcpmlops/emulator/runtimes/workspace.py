"""The private directory of one job: home, temporary files, working directory, layers; all of it goes with the job."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# what a container gets from its host anyway; everything else of the emulator's own environment stays outside
_PASSED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_WAIT_POLICY",
)
_INSTALLER_PREFIXES = ("PIP_", "UV_")


class Workspace:
    """Directories below `path`, which must not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path / "home"
        self.work = path / "work"
        self.tmp = path / "tmp"
        self.packages = path / "packages"
        self.gcs = path / "gcs"
        path.mkdir(parents=True, mode=0o700)
        for folder in (self.home, self.work, self.tmp, self.packages, self.gcs):
            folder.mkdir()

    def folder(self, name: str) -> Path:
        """A further directory."""
        return self.path / name

    def variables(self) -> dict[str, str]:
        """Variables that keep a process inside, and let its installers find the user's caches and settings."""
        host = os.environ
        passed = {key: value for key, value in host.items() if key in _PASSED or key.startswith(_INSTALLER_PREFIXES)}
        return {
            # jobs, servers and the emulator share the cores: threads that spin while they wait would hold up each other
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONUNBUFFERED": "1",  # as in Vertex AI's images: log lines come when they are printed
            **passed,
            **_caches(host),
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "CLOUD_ML_HP_METRIC_FILE": str(self.path / "hypertune.metrics"),
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def remove(self) -> None:
        """Removes everything."""
        mounts = Path(f"{self.gcs}.root")
        if mounts.exists():
            mounts.rmdir()  # fails if a mount ever became visible here: what is behind it must not be removed
        try:
            shutil.rmtree(self.path)
        except PermissionError:  # the job made folders read-only
            for folder, _, _ in os.walk(self.path):
                Path(folder).chmod(0o700)
            shutil.rmtree(self.path)


def _caches(host: Mapping[str, str]) -> dict[str, str]:
    home = Path(host.get("HOME") or Path.home())
    cache = Path(host.get("XDG_CACHE_HOME") or home / ".cache")
    config = Path(host.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    found = {
        "UV_CACHE_DIR": host.get("UV_CACHE_DIR") or str(cache / "uv"),
        "PIP_CACHE_DIR": host.get("PIP_CACHE_DIR") or str(cache / "pip"),
    }
    if config.exists() and "PIP_CONFIG_FILE" not in host:
        found["PIP_CONFIG_FILE"] = str(config)
    return found

"""Images that no environment stands for, run by Docker where a daemon answers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def available() -> bool:
    """Whether a Docker daemon answers."""
    if not shutil.which("docker"):
        return False
    try:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(asked, capture_output=True, timeout=15, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def command(
    name: str, image: str, entrypoint: Sequence[str], args: Sequence[str], env: Mapping[str, str], gcs: Path
) -> list[str]:
    """`docker run` in the foreground: signals reach the container, and it goes when it ends.

    Values of `env` are taken from docker's own environment, so that none shows in a process list; files that they
    name (certificates, credentials) are there at the same path, and the host's network is the container's.
    """
    reports = [Path(env["CLOUD_ML_HP_METRIC_FILE"]).parent] if "CLOUD_ML_HP_METRIC_FILE" in env else []
    files = sorted({value for value in env.values() if value.startswith("/") and Path(value).is_file()})
    return [
        *("docker", "run", "--rm", "--init", "--name", name, "--network", "host", "--volume", f"{gcs}:/gcs"),
        *(word for path in files for word in ("--volume", f"{path}:{path}:ro")),
        *(word for folder in reports for word in ("--volume", f"{folder}:{folder}")),
        *(word for key in env for word in ("--env", key)),
        *(["--entrypoint", entrypoint[0]] if entrypoint else []),
        *(image, *entrypoint[1:], *args),
    ]


def remove(name: str) -> None:
    """Ends a container whose `docker run` had to be killed; one that is gone already is not there to be removed."""
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, timeout=60, check=False)

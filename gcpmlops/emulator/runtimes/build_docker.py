"""Steps whose image nothing on this machine stands for, by Docker where a daemon answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gcpmlops.emulator.runtimes import docker
from gcpmlops.emulator.runtimes.build_spec import StepSpec
from gcpmlops.emulator.runtimes.build_workspace import WORKSPACE

remove = docker.remove


def command(
    name: str, step: StepSpec, folders: Mapping[str, Path], env: Mapping[str, str], *, script: str = ""
) -> list[str]:
    """`docker run` in the foreground, with the build's folders where a step expects them.

    Values of `env` are taken from docker's own environment, so that none shows in a process list; files that they name
    (certificates, credentials) are there at the same path, and the host's network is the container's.
    """
    files = sorted({value for value in env.values() if value.startswith("/") and Path(value).is_file()})
    mounts = {**{path: str(folder) for path, folder in folders.items()}, **({script: script} if script else {})}
    entrypoint = script or step.entrypoint
    return [
        *("docker", "run", "--rm", "--init", "--name", name, "--network", "host"),
        *(word for path, folder in mounts.items() for word in ("--volume", f"{folder}:{path}")),
        *(word for path in files for word in ("--volume", f"{path}:{path}:ro")),
        *(word for key in env for word in ("--env", key)),
        *("--workdir", step.folder if step.folder.startswith("/") else f"{WORKSPACE}/{step.folder}".rstrip("/")),
        *(["--entrypoint", entrypoint] if entrypoint else []),
        step.image,
        *([] if script else step.args),
    ]

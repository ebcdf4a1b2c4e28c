"""What one emulator is told at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GIB = 1024**3


def project_number(project: str) -> int:
    """A stable twelve-digit number for a project id (a number stays itself)."""
    if project.isdigit():
        return int(project)
    digest = 0
    for char in project:
        digest = (digest * 131 + ord(char)) % 899_999_999_999
    return 100_000_000_000 + digest


def local_images(directory: Path, given: Sequence[str]) -> dict[str, str]:
    """What stands for images: `given` as URI=COMMAND, over `[emulator.images]` of gcpmlops.toml.

    The file nearest to `directory` counts, upwards; a folder may be given relative to it.

    Raises: ValueError naming the file or the option that is not as it should be.
    """
    for pair in given:
        if "=" not in pair:
            raise ValueError(f"--image {pair!r} is not URI=COMMAND")
    return {**_configured_images(directory.resolve()), **dict(pair.split("=", 1) for pair in given)}


def _configured_images(directory: Path) -> dict[str, str]:
    for folder in (directory, *directory.parents):
        path = folder / "gcpmlops.toml"
        if path.is_file():
            return {uri: _command(value, uri, path) for uri, value in _images(path).items()}
    return {}


def _images(path: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        found = tomllib.loads(path.read_text("utf-8")).get("emulator", {}).get("images", {})
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(found, Mapping):
        raise ValueError(f"{path}: [emulator.images] is no table of image URIs and commands")
    return found


def _command(value: Any, uri: str, path: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{path}: [emulator.images] {uri} is {value!r}, which is neither a command nor a folder")
    beside = (path.parent / value).resolve()
    return str(beside) if beside.is_dir() else value


def smtp_address(text: str) -> str:
    """`host:port` as it was given. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if text and not (host and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"--smtp {text!r} is not HOST:PORT")
    return text


@dataclass(frozen=True)
class Settings:
    """Settings of one emulator.

    Attributes:
        data_dir: everything durable lives here; made private (0700).
        host: the address to bind to; loopback unless the user says otherwise.
        port: 0 takes a free one.
        project: the project of the generated service account.
        location: the default region.
        max_jobs: training processes that run at a time.
        offline: refuse to tunnel to hosts that the emulator does not serve.
        max_body_bytes: a larger request body is answered 413.
        ephemeral: the data directory is removed at the end.
        images: container image URI to local command, for images that no environment stands for; for a serving image
            also the folder of a custom prediction routine.
        enforce_iam: a call is answered only if the caller's roles give its permission.
        enable_all: every API is enabled in every project; otherwise each has to be enabled first.
        smtp: `host:port` of the server that notifications by mail go through; empty: they become files in
            `data_dir`/outbox.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    project: str = "local-project"
    location: str = "us-central1"
    max_jobs: int = os.cpu_count() or 1
    offline: bool = False
    max_body_bytes: int = 5 * 1024 * GIB
    ephemeral: bool = False
    images: Mapping[str, str] = field(default_factory=dict)
    smtp: str = ""
    enforce_iam: bool = False
    enable_all: bool = True

    @property
    def project_number(self) -> int:
        return project_number(self.project)

    @property
    def options(self) -> list[str]:
        """What starts an emulator with the same settings again, but for its folder, project and port."""
        flags = {
            "--offline": self.offline, "--ephemeral": self.ephemeral, "--enforce-iam": self.enforce_iam,
            "--no-enable-all": not self.enable_all,
        }  # fmt: skip
        values = [("--host", self.host), ("--location", self.location), ("--max-jobs", str(self.max_jobs))]
        values += [("--max-body-bytes", str(self.max_body_bytes)), *([("--smtp", self.smtp)] if self.smtp else [])]
        values += [("--image", f"{uri}={command}") for uri, command in self.images.items()]
        return [*(flag for flag, wanted in flags.items() if wanted), *(text for pair in values for text in pair)]

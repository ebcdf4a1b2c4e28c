"""What one emulator is told at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GIB = 1024**3


def project_number(project: str) -> int:
    """A stable twelve-digit number for a project id (a number stays itself)."""
    if project.isdigit():
        return int(project)
    digest = 0
    for char in project:
        digest = (digest * 131 + ord(char)) % 899_999_999_999
    return 100_000_000_000 + digest


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
        images: container image URI to local command, for images that no environment stands for.
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

    @property
    def project_number(self) -> int:
        return project_number(self.project)

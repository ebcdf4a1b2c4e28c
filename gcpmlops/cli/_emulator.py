"""Which emulator a command means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gcpmlops.emulator.variables import DATA_DIR

if TYPE_CHECKING:
    from gcpmlops.emulator.server import Running

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar=DATA_DIR,
    help="Where its data lives.  [default: of the emulator around this command, else the project's]",
)
project_option = click.option(
    "--project", default=None, help="Project id.  [default: the configured one, else local-project]"
)


def where(data_dir: Path | None, project: str | None) -> tuple[str, Path]:
    """The project and its data directory."""
    from gcpmlops.config import Config
    from gcpmlops.emulator.app import data_directory

    if project is None:
        project = Config.load().project or "local-project"
    return project, (data_dir or data_directory(project)).expanduser().resolve()


def running(data_dir: Path | None, project: str | None) -> Running:
    """The emulator that runs there. Raises ClickException where none does."""
    from gcpmlops.emulator import launch

    _, folder = where(data_dir, project)
    state = launch.alive(folder)
    if state is None:
        raise click.ClickException(f"no emulator runs on {folder}. Start one: gcpmlops emulator start --detach")
    return state

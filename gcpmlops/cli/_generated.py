"""Generated files on the command line: what is asked before edits are written over, and what is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gcpmlops._generated import Generated

force = click.option("--force", is_flag=True, help="Also over files that were edited by hand.")


def confirm(*, force: bool) -> Callable[[Generated], bool] | None:
    """Asks about each edited file; nobody can be asked without a terminal."""
    return _ask if not force and _on_a_terminal() else None


def row(file: Generated) -> dict[str, Any]:
    """What is shown of a file."""
    return {"path": str(file.path), "state": file.state, "reason": file.reason}


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(file: Generated) -> bool:
    return click.confirm(f"{file}. Write over it?", default=False, err=True)

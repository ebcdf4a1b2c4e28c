"""A job that is waited for: its state, how long it has taken, and its log. rich is imported on a terminal only."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

import click


class JobProgress:
    """A spinner with state and elapsed time on a terminal; elsewhere a line at each new state. All of it on stderr."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._state = ""
        self._display: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._display = Progress(*columns, console=Console(stderr=True, soft_wrap=True), transient=True)
            self._display.start()
            self._task = self._display.add_task("submitted", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.stop()

    def log(self, line: Any) -> None:
        """One line of the job's log."""
        if self._display is not None:
            self._display.console.print(line.text, markup=False, highlight=False)
        else:
            click.echo(line.text, err=True)

    def state(self, job: Any) -> None:
        """The job as it was just seen."""
        state = job.state.name
        if state == self._state:
            return
        self._state = state
        if self._display is not None:
            self._display.update(self._task, description=state)
        else:
            click.echo(f"{state} after {time.monotonic() - self._started:.1f} s", err=True)

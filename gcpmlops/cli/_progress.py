"""A job that is waited for: its state, how long it has taken, and its log. rich is imported on a terminal only."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, ClassVar, Self

import click

_ARGUMENTS = {"TextColumn": ("{task.description}",)}


class Display:
    """What progress of all kinds shares: a line that lives on a terminal, plain lines elsewhere; all on stderr."""

    columns: ClassVar[tuple[str, ...]]
    """Names of rich's column classes, from left to right."""

    def __init__(self) -> None:
        self._display: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            made = [getattr(progress, name)(*_ARGUMENTS.get(name, ())) for name in self.columns]
            self._display = progress.Progress(*made, console=Console(stderr=True, soft_wrap=True), transient=True)
            self._display.start()
            self._task = self._display.add_task("submitted", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.stop()

    def line(self, text: str) -> None:
        """One line, above what lives."""
        if self._display is not None:
            self._display.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text, err=True)


class JobProgress(Display):
    """A spinner with state and elapsed time on a terminal; elsewhere a line at each new state."""

    columns = ("SpinnerColumn", "TextColumn", "TimeElapsedColumn")

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._state = ""

    def log(self, line: Any) -> None:
        """One line of the job's log."""
        self.line(line.text)

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

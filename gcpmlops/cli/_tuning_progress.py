"""A search that is waited for: a bar of its trials, above it a line for each that has ended."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

import click


class TuningProgress:
    """A bar with the best value so far on a terminal, lines elsewhere. All of it on stderr; rich only on a terminal."""

    def __init__(self) -> None:
        self._display: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._display = Progress(*columns, console=Console(stderr=True, soft_wrap=True), transient=True)
            self._display.start()
            self._task = self._display.add_task("submitted", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.stop()

    def trial(self, trial: Any, job: Any) -> None:
        """One that has ended."""
        from gcpmlops._tuning_watch import progress_line

        line = progress_line(trial, job)
        if self._display is not None:
            self._display.console.print(line, markup=False, highlight=False)
        else:
            click.echo(line, err=True)

    def job(self, job: Any) -> None:
        """The job as it was just seen."""
        if self._display is None:
            return
        trials = job.trials
        metric, _ = trials.metric()
        best = trials.best()
        text = job.state.name + (f", best {metric} {best.metrics[metric]:.6g}" if best is not None else "")
        ended = len(trials.ended())
        self._display.update(self._task, description=text, completed=ended, total=job.proto.max_trial_count)

"""A search that is waited for: a bar of its trials, above it a line for each that has ended."""

from __future__ import annotations

from typing import Any

from gcpmlops.cli._progress import Display


class TuningProgress(Display):
    """A bar with the best value so far on a terminal, lines elsewhere."""

    columns = ("TextColumn", "BarColumn", "MofNCompleteColumn", "TimeElapsedColumn")

    def trial(self, trial: Any, job: Any) -> None:
        """One that has ended."""
        from gcpmlops._tuning.watch import progress_line

        self.line(progress_line(trial, job))

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

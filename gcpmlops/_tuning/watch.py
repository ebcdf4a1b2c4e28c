"""Who is told what while a search runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gcpmlops._tuning.trials import Trial

if TYPE_CHECKING:
    from gcpmlops._tuning.job import TuningJob


@dataclass
class Watch:
    """Called with the job at each look: passes on the job, and each trial that has ended, once."""

    on_trial: Callable[[Trial, TuningJob], None] | None = None
    on_job: Callable[[TuningJob], None] | None = None
    _seen: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.on_trial is not None or self.on_job is not None

    def __call__(self, job: TuningJob) -> None:
        """One look."""
        if self.on_job is not None:
            self.on_job(job)
        if self.on_trial is not None:
            for trial in job.trials.ended():
                if trial.id not in self._seen:
                    self._seen.add(trial.id)
                    self.on_trial(trial, job)


def progress_line(trial: Trial, job: TuningJob) -> str:
    """A trial that has ended, how many have, and whether it is the best so far."""
    trials = job.trials
    best = trials.best()
    ended = f"[{len(trials.ended())}/{job.proto.max_trial_count}]"
    return f"{ended} {trial}{' *best' if best is not None and best.id == trial.id else ''}"

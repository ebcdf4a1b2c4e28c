"""The handle on a tuning job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._jobs.handle import JobHandle
from gcpmlops._jobs.logs import LogLine
from gcpmlops._tuning import plots
from gcpmlops._tuning import trials as tuning_trials
from gcpmlops._tuning.trials import Trial, Trials
from gcpmlops.types import Path_

if TYPE_CHECKING:
    import plotly.graph_objects


@dataclass(frozen=True)
class TuningJob(JobHandle):
    """A tuning job as it was when asked for; `proto` is Google's HyperparameterTuningJob, `state` its JobState."""

    proto: _google.hyperparameter_tuning_job.HyperparameterTuningJob

    @property
    def output_dir(self) -> str:
        """The gs:// folder of its output; each trial has a folder of its own in it."""
        return str(self.proto.trial_job_spec.base_output_directory.output_uri_prefix)

    @property
    def goals(self) -> dict[str, str]:
        """What is searched for: metric → maximize or minimize."""
        return {str(each.metric_id): _goal(each) for each in self.proto.study_spec.metrics}

    @property
    def trials(self) -> Trials:
        """Its trials when it was asked for; `.to_dataframe()` has them as a table."""
        kinds = {spec.parameter_id: _kind(spec) for spec in _all_specs(self.proto.study_spec.parameters)}
        return Trials([Trial.of(each, kinds) for each in self.proto.trials], self.goals)

    def best(self, metric: str | None = None) -> Trial:
        """The best trial by a metric; without a name by the search's first. Raises FailedPrecondition without one."""
        return tuning_trials.needed(self.trials.best(metric), self.name)

    def wait(
        self,
        *,
        timeout: float | None = None,
        on_trial: Callable[[Trial, TuningJob], None] | None = None,
        on_job: Callable[[TuningJob], None] | None = None,
    ) -> TuningJob:
        """The job when it has ended. Raises JobFailed, JobCancelled, DeadlineExceeded after `timeout` seconds."""
        job: TuningJob = self._jobs.wait(self.name, timeout=timeout, on_trial=on_trial, on_job=on_job)
        return job

    def logs(self, *, trial: str | int | None = None) -> list[LogLine]:
        """The log lines so far, of all trials or of one."""
        return list(self._jobs.logs(self.name, trial=trial))

    def plot_history(self, metric: str | None = None) -> plotly.graph_objects.Figure:
        """Each trial's value, and the best so far. Raises MissingExtra, FailedPrecondition before any result."""
        return plots.history(self.proto, self.trials, metric)

    def plot_parallel_coordinates(self, metric: str | None = None) -> plotly.graph_objects.Figure:
        """Each trial a line through its parameters, coloured by its value. Raises as `plot_history`."""
        return plots.parallel_coordinates(self.proto, self.trials, metric)

    def plot_importances(self, metric: str | None = None) -> plotly.graph_objects.Figure:
        """How much each parameter matters. Raises as `plot_history`, and where all trials came out the same."""
        return plots.importances(self.proto, self.trials, metric)

    def report(self, path: Path_, *, metric: str | None = None) -> Path:
        """One HTML file that needs no network: the plots and the table of trials. Raises as `plot_history`."""
        return plots.report(self.proto, self.trials, Path(path), metric)

    def __repr__(self) -> str:
        ended = f"{len(self.trials.ended())}/{self.proto.max_trial_count} trials"
        return f"TuningJob({self.display_name!r}, {self.id}, {self.state.name}, {ended})"

    def _repr_html_(self) -> str:
        trials = self.trials
        best = trials.best()
        values = {
            "name": self.name,
            "state": self.state.name,
            "trials": f"{len(trials.ended())} of {self.proto.max_trial_count}",
            "best": best or "",
            "output": self.output_dir,
            "error": self.proto.error.message,
        }
        return _html.card(self.display_name, values)


def _goal(metric: Any) -> str:
    return "minimize" if metric.goal.name == "MINIMIZE" else "maximize"


def _kind(spec: Any) -> str:
    return next((kind for kind in ("integer", "discrete") if f"{kind}_value_spec" in spec), "other")


def _all_specs(specs: Any) -> Iterator[Any]:
    for spec in specs:
        yield spec
        yield from _all_specs(each.parameter_spec for each in spec.conditional_parameter_specs)

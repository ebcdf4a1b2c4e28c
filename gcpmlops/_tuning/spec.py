"""From plain values to Google's HyperparameterTuningJob message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from gcpmlops import _google
from gcpmlops._tuning import space as tuning_space
from gcpmlops._tuning.space import Space
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Labels, check_labels

Goal: TypeAlias = Literal["maximize", "minimize"]
Algorithm: TypeAlias = Literal["bayesian", "grid", "random"]
EarlyStopping: TypeAlias = Literal["median", "decay_curve"]
Selection: TypeAlias = Literal["best", "last"]

GOALS = ("maximize", "minimize")
_ALGORITHMS = {"bayesian": "ALGORITHM_UNSPECIFIED", "grid": "GRID_SEARCH", "random": "RANDOM_SEARCH"}
_SELECTIONS = {"best": "BEST_MEASUREMENT", "last": "LAST_MEASUREMENT"}
_EARLY = ("median", "decay_curve")
_METRIC = re.compile(r"\S+")


@dataclass(frozen=True)
class Search:
    """What is searched, and how: the checked settings of a tuning job beside those of its trials."""

    space: Space
    metrics: Mapping[str, Goal]
    max_trials: int = 20
    parallel_trials: int = 1
    max_failed_trials: int = 0
    algorithm: Algorithm = "bayesian"
    early_stopping: EarlyStopping | None = None
    early_stopping_by_time: bool = False
    measurement_selection: Selection = "best"

    def __post_init__(self) -> None:
        tuning_space.check(self.space)
        _check_metrics(self.metrics)
        _check_counts(self)
        _known("algorithm", self.algorithm, tuple(_ALGORITHMS))
        _known("measurement_selection", self.measurement_selection, tuple(_SELECTIONS))
        if self.early_stopping is not None:
            _known("early_stopping", self.early_stopping, _EARLY)
        if self.algorithm == "grid":
            _check_grid(self.space)

    def study_spec(self) -> Any:
        """Google's StudySpec."""
        types = _google.study.StudySpec
        spec = types(
            metrics=[
                types.MetricSpec(metric_id=name, goal=types.MetricSpec.GoalType.__members__[goal.upper()])
                for name, goal in self.metrics.items()
            ],
            parameters=tuning_space.specs(self.space),
            algorithm=types.Algorithm.__members__[_ALGORITHMS[self.algorithm]],
            measurement_selection_type=types.MeasurementSelectionType.__members__[
                _SELECTIONS[self.measurement_selection]
            ],
        )
        if self.early_stopping == "median":
            spec.median_automated_stopping_spec = types.MedianAutomatedStoppingSpec(
                use_elapsed_duration=self.early_stopping_by_time
            )
        elif self.early_stopping == "decay_curve":
            spec.decay_curve_stopping_spec = types.DecayCurveAutomatedStoppingSpec(
                use_elapsed_duration=self.early_stopping_by_time
            )
        return spec


SEARCH_SETTINGS = tuple(field.name for field in fields(Search))


def tuning_job(display_name: str, search: Search, trial: Any, *, labels: Labels | None) -> Any:
    """The message that CreateHyperparameterTuningJob takes; `trial` is the CustomJobSpec of each trial."""
    return _google.hyperparameter_tuning_job.HyperparameterTuningJob(
        display_name=display_name,
        study_spec=search.study_spec(),
        max_trial_count=search.max_trials,
        parallel_trial_count=search.parallel_trials,
        max_failed_trial_count=search.max_failed_trials,
        trial_job_spec=trial,
        labels=check_labels(labels),
    )


def _check_metrics(metrics: Any) -> None:
    if not isinstance(metrics, Mapping) or not metrics:
        raise InvalidArgument("no metric to search for", field="metrics", allowed='{"auc": "maximize"}')
    for name, goal in metrics.items():
        if not isinstance(name, str) or not _METRIC.fullmatch(name):
            raise InvalidArgument(
                f"{name!r} is not a metric's name", field="metrics", value=name, allowed="text without spaces"
            )
        _known(f"metrics.{name}", goal, GOALS)


def _check_counts(search: Search) -> None:
    for name, least in (("max_trials", 1), ("parallel_trials", 1), ("max_failed_trials", 0)):
        value = getattr(search, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgument(
                f"{name} is {value!r}", field=name, value=value, allowed=f"a whole number, {least} or more"
            )
    if search.parallel_trials > search.max_trials:
        allowed = f"at most max_trials, {search.max_trials}"
        raise InvalidArgument(
            f"parallel_trials is {search.parallel_trials}",
            field="parallel_trials",
            value=search.parallel_trials,
            allowed=allowed,
        )


def _check_grid(space: Space) -> None:
    for name, parameter in tuning_space.walk(space):
        if isinstance(parameter, tuning_space.Double):
            raise InvalidArgument(
                f"a grid has no place for the Double {name}",
                field=f"space.{name}",
                value=parameter,
                allowed="Integer, Discrete and Categorical with algorithm grid",
            )


def _known(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidArgument(f"{name}: {value!r} is not known", field=name, value=value, allowed=", ".join(allowed))

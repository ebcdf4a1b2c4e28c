"""Whether a study is over by its `study_stopping_config`: budgets of trials and time, and no progress."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.vizier import conversion, measurements

_State: Any = types.Trial.State
_ENDED = (_State.SUCCEEDED, _State.INFEASIBLE)


def over(study: types.Study, trials: Sequence[types.Trial], now: datetime) -> bool:
    """The minimum of time and of completed trials comes first; without a condition a study goes on."""
    spec = study.study_spec
    if "study_stopping_config" not in spec:
        return False
    config: Any = spec.study_stopping_config
    completed = [trial for trial in trials if trial.state in _ENDED]
    if "minimum_runtime_constraint" in config and not _passed(config.minimum_runtime_constraint, study, now):
        return False
    if len(completed) < (config.min_num_trials or 0):
        return False
    if "maximum_runtime_constraint" in config and _passed(config.maximum_runtime_constraint, study, now):
        return True
    if config.max_num_trials is not None and len(trials) >= config.max_num_trials:
        return True
    return _stuck(spec, completed, now)


def interrupts(study: types.Study, trials: Sequence[types.Trial], now: datetime) -> bool:
    """Whether trials in work are to stop, too: `should_stop_asap`, once it is over by those that have ended."""
    asap = "study_stopping_config" in study.study_spec and study.study_spec.study_stopping_config.should_stop_asap
    return bool(asap) and over(study, [trial for trial in trials if trial.state in _ENDED], now)


def _passed(constraint: Any, study: types.Study, now: datetime) -> bool:
    if "end_time" in constraint:
        return bool(now >= constraint.end_time)
    return bool(now - study.create_time >= constraint.max_duration)


def _stuck(spec: types.StudySpec, completed: Sequence[types.Trial], now: datetime) -> bool:
    """No progress of a single objective, by trials or by time."""
    config: Any = spec.study_stopping_config
    objectives = [goal for goal in conversion.goals(spec) if goal.safe_threshold is None]
    done = sorted((t for t in completed if t.state == _State.SUCCEEDED), key=lambda trial: trial.end_time)
    if len(objectives) != 1 or not done:
        return False
    goal = objectives[0]
    scores = [goal.score(measurements.value(trial.final_measurement, goal.metric_id)) for trial in done]
    best = scores.index(max(scores))
    by_trials = config.max_num_trials_no_progress
    if by_trials is not None and len(done) - 1 - best >= by_trials:
        return True
    by_time = config.max_duration_no_progress if "max_duration_no_progress" in config else None
    return by_time is not None and bool(now - done[best].end_time >= by_time)
